//! What is known of the network at an instant, put together from what a node reports.

use std::collections::VecDeque;

use serde_json::Value;

use super::feed::block_in;
use super::sse::Event;
use vision_terminal::answers::entries;
use vision_terminal::names::Names;
use vision_terminal::network::{Node, Picture};
use vision_terminal::words::{cut, number, span};

/// Events kept.
const MAX_EVENTS: usize = 200;
/// Heights shown of one node's missed slots.
const MAX_HEIGHTS: usize = 8;
/// Longest text of a node, characters.
const MAX_TEXT_CHARS: usize = 200;

/// How a happening weighs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Weight {
    /// As it should be.
    Good,
    /// As it may be.
    Plain,
    /// As it should not be.
    Bad,
}

/// Something that happened.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Happening {
    /// When, by the node's clock, milliseconds since the epoch.
    pub at_ms: u64,
    /// What, in words.
    pub text: String,
    /// Good or bad.
    pub weight: Weight,
    what: What,
}

/// What later ones of the kind replace or join.
#[derive(Clone, PartialEq, Eq, Debug)]
enum What {
    Missed { node_id: String, heights: Vec<u64> },
    Finalized,
    Other,
}

/// Whether the node reports.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Contact {
    /// It was asked for the first time.
    Asking,
    /// It reports.
    Live,
    /// It does not.
    Lost {
        /// When it last reported anything, by our clock; absent if it never did.
        heard_ms: Option<u64>,
        /// Why it does not.
        why: String,
        /// When it is asked again, by our clock.
        retry_ms: u64,
    },
}

/// All that is shown.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Scene {
    /// URL of the node that is asked.
    pub url: String,
    /// What it said; absent before its first answer.
    pub picture: Option<Picture>,
    /// What nodes are called.
    pub names: Names,
    /// Newest first.
    pub events: VecDeque<Happening>,
    /// Whether it reports now.
    pub contact: Contact,
    /// The node's clock less ours, milliseconds.
    offset_ms: i64,
    heard_ms: Option<u64>,
}

impl Scene {
    /// Before anything is known.
    pub(super) fn new(url: &str, names: Names) -> Self {
        Self {
            url: url.to_owned(),
            picture: None,
            names,
            events: VecDeque::new(),
            contact: Contact::Asking,
            offset_ms: 0,
            heard_ms: None,
        }
    }

    /// The node's clock at an instant of ours.
    pub(super) fn node_ms(&self, now_ms: u64) -> u64 {
        now_ms.saturating_add_signed(self.offset_ms)
    }

    /// Takes all that a node reported at once.
    pub(super) fn whole(&mut self, overview: &Value, nodes: Vec<Node>, now_ms: u64) {
        let picture = Picture::read(overview, nodes);
        self.heard(picture.now_ms, now_ms);
        self.names.learn_from(&picture.nodes);
        self.picture = Some(picture);
        let recent = entries(overview, "events");
        if !recent.is_empty() {
            self.events.clear();
            for event in recent.iter().rev() {
                let name = event["event"].as_str().unwrap_or_default().to_owned();
                self.happened(&Event { name, data: event["data"].clone() });
            }
        }
    }

    /// Takes an event.
    pub(super) fn event(&mut self, event: &Event, now_ms: u64) {
        let node_ms = event.data["now_ms"].as_u64().unwrap_or_else(|| self.node_ms(now_ms));
        self.heard(node_ms, now_ms);
        let data = &event.data;
        if let Some(picture) = &mut self.picture {
            match event.name.as_str() {
                "status" => {
                    picture.take(data);
                    self.names.learn_from(&picture.nodes);
                }
                "block" => {
                    picture.add_block(block_in(data));
                    picture.take(data);
                }
                "reorg" => entries(data, "joined").iter().for_each(|block| picture.add_block(block)),
                "finalized" => picture.finalize(data["height"].as_u64().unwrap_or(0)),
                _ => {}
            }
        }
        self.happened(event);
    }

    /// Notes that the node does not answer.
    pub(super) fn lost(&mut self, why: &str, retry_after_ms: u64, now_ms: u64) {
        let retry_ms = now_ms.saturating_add(retry_after_ms);
        self.contact = Contact::Lost { heard_ms: self.heard_ms, why: why.to_owned(), retry_ms };
    }

    fn heard(&mut self, node_ms: u64, now_ms: u64) {
        self.offset_ms = i64::try_from(i128::from(node_ms) - i128::from(now_ms)).unwrap_or(0);
        self.heard_ms = Some(now_ms);
        self.contact = Contact::Live;
    }

    fn happened(&mut self, event: &Event) {
        let Some(new) = self.in_words(event) else { return };
        match &new.what {
            What::Finalized => self.events.retain(|old| old.what != What::Finalized),
            What::Missed { node_id, heights } => {
                if let Some(front) = self.events.front_mut()
                    && let What::Missed { node_id: before, heights: old } = &mut front.what
                    && before == node_id
                {
                    old.extend(heights);
                    front.text = missed_text(&self.names.of(node_id), old);
                    front.at_ms = new.at_ms;
                    return;
                }
            }
            What::Other => {}
        }
        self.events.push_front(new);
        self.events.truncate(MAX_EVENTS);
    }

    fn in_words(&self, event: &Event) -> Option<Happening> {
        use Weight::{Bad, Good, Plain};
        let data = &event.data;
        let height = data["height"].as_u64();
        let at = height.map_or_else(|| "?".into(), number);
        let name = self.names.of_value(&data["node_id"]);
        let text = |field: &str| data[field].as_str().unwrap_or_default().to_owned();
        let mut what = What::Other;
        let (text, weight) = match event.name.as_str() {
            "missed_slot" => {
                let heights = Vec::from_iter(height);
                let reported = missed_text(&name, &heights);
                what = What::Missed { node_id: text("node_id"), heights };
                (reported, Bad)
            }
            "suspended" => (format!("{name} was suspended at {at}"), Bad),
            "returned" => (format!("{name} returned at {at}"), Good),
            "reorg" => (reorg_text(data, &at), Bad),
            "finalized" => {
                what = What::Finalized;
                (format!("block {at} is final"), Plain)
            }
            "contact_lost" => {
                let why = match text("reason") {
                    // The word of the chain service for a connection that ended without a reason.
                    broken if broken == "broken" => "connection broken".into(),
                    why => why,
                };
                (format!("lost contact with {name}: {why}"), Bad)
            }
            "contact_found" => (format!("{name} is connected"), Good),
            "caught_up" => {
                let [from, to] =
                    ["from", "to"].map(|end| data[end].as_u64().map_or_else(|| "?".into(), number));
                (format!("caught up from block {from} to {to}"), Plain)
            }
            "gap" => ("some events are missing here".to_owned(), Plain),
            _ => return None,
        };
        let at_ms = data["at_ms"].as_u64().or_else(|| self.heard_ms.map(|heard| self.node_ms(heard)));
        Some(Happening { at_ms: at_ms.unwrap_or(0), text: cut(&text, MAX_TEXT_CHARS), weight, what })
    }

    /// Who makes the next block, in words, at an instant of the node's clock.
    pub(super) fn next_text(&self, node_ms: u64) -> Option<String> {
        let picture = self.picture.as_ref()?;
        let (height, order) = picture.next()?;
        let first = order.first()?;
        let is_up = |id: &&&str| {
            let known = picture.nodes.iter().find(|node| node.id == **id);
            known.is_none_or(|node| node.this_node || node.connected)
        };
        let height = number(height);
        let name = self.names.of(first);
        let when = match picture.next_opens_at() {
            Some(opens) if opens > node_ms => format!("makes block {height} in {}", span(opens - node_ms)),
            _ => format!("may make block {height} now"),
        };
        match order.iter().find(is_up) {
            Some(id) if id == first => Some(format!("next: {name} {when}")),
            Some(id) => {
                Some(format!("next: {} takes over block {height}, {name} does not answer", self.names.of(id)))
            }
            None => Some(format!("next: no producer whose turn it is for block {height} answers")),
        }
    }
}

fn missed_text(name: &str, heights: &[u64]) -> String {
    let reported: Vec<String> =
        heights.iter().rev().take(MAX_HEIGHTS).rev().map(|height| number(*height)).collect();
    let more = if heights.len() > MAX_HEIGHTS { "…, " } else { "" };
    match heights.len() {
        0 => format!("{name} missed a slot"),
        1 => format!("{name} missed its slot at height {}", reported.join("")),
        count => format!("{name} missed {count} slots, at heights {more}{}", reported.join(", ")),
    }
}

fn reorg_text(data: &Value, at: &str) -> String {
    let depth = data["depth"].as_u64().unwrap_or(1);
    let blocks = vision_terminal::output::count(depth, "block");
    let back = data["transactions_returned"].as_u64().filter(|count| *count > 0);
    let back =
        back.map(|count| format!(", {} wait again", vision_terminal::output::count(count, "transaction")));
    format!("{blocks} replaced, up to height {at}{}", back.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn event(name: &str, data: Value) -> Event {
        Event { name: name.into(), data }
    }

    fn scene() -> Scene {
        let mut scene = Scene::new("http://n", Names::default());
        let overview = json!({
            "now_ms": 101_000, "chain": { "block_interval_ms": 2000 },
            "nodes": [
                { "node_id": "aa", "name": "node1", "role": "producer", "this_node": true, "eligible": true },
                { "node_id": "bb", "name": "node2", "role": "producer", "connected": false },
            ],
            "blocks": [{ "height": 7, "hash": "07", "slot": 0, "producer": "aa", "timestamp_ms": 100_000 }],
            "schedule": { "height": 8, "slots": [
                { "slot": 0, "node_id": "aa", "opens_at_ms": 102_400 }, { "slot": 1, "node_id": "bb" },
            ] },
        });
        scene.whole(&overview, vision_terminal::network::reported(&overview), 1_000);
        scene
    }

    #[test]
    fn what_happens_is_said_with_names_and_joined_where_it_goes_on() {
        let mut scene = scene();
        let events = [
            event("finalized", json!({ "height": 5, "at_ms": 1 })),
            event("missed_slot", json!({ "height": 8, "node_id": "bb", "at_ms": 2 })),
            event("missed_slot", json!({ "height": 9, "node_id": "bb", "at_ms": 3 })),
            event("finalized", json!({ "height": 1234, "at_ms": 4 })),
            event("suspended", json!({ "height": 9, "node_id": "bb" })),
            event("reorg", json!({ "height": 9, "depth": 2, "joined": [], "transactions_returned": 3 })),
            event("contact_lost", json!({ "node_id": "cccccccccccc", "reason": "silent\u{1b}[2J" })),
            event("claim", json!({ "height": 9 })),
            event("contact_lost", json!({ "node_id": "bb", "reason": "broken" })),
        ];
        for event in &events {
            scene.event(event, 1_500);
        }
        let texts: Vec<_> = scene.events.iter().map(|event| event.text.as_str()).collect();
        let expect = [
            "lost contact with node2: connection broken",
            "lost contact with cccccccc: silent [2J",
            "2 blocks replaced, up to height 9, 3 transactions wait again",
            "node2 was suspended at 9",
            "block 1,234 is final",
            "node2 missed 2 slots, at heights 8, 9",
        ];
        assert_eq!(texts, expect);
        assert_eq!((scene.events[5].at_ms, scene.events[3].at_ms), (3, 101_500), "by the node's clock");
    }

    #[test]
    fn ages_go_by_the_nodes_clock_and_blocks_move_the_head() {
        let mut scene = scene();
        assert_eq!(scene.node_ms(2_000), 102_000);
        assert_eq!(scene.next_text(102_000).as_deref(), Some("next: node1 makes block 8 in 0.4 s"));
        assert_eq!(scene.next_text(102_500).as_deref(), Some("next: node1 may make block 8 now"));
        let slots = json!({ "height": 9, "slots": [{ "node_id": "bb" }, { "node_id": "aa" }] });
        let block = json!({ "height": 8, "hash": "08", "slot": 1, "producer": "aa",
        "timestamp_ms": 102_500, "schedule": slots });
        scene.event(&event("block", block), 3_000);
        assert_eq!(
            scene.next_text(103_000).as_deref(),
            Some("next: node1 takes over block 9, node2 does not answer")
        );
        assert_eq!(
            scene.picture.as_ref().and_then(|picture| picture.head()).map(|head| head.height),
            Some(8)
        );
    }

    #[test]
    fn a_node_that_is_lost_is_said_to_be_until_it_reports_again() {
        let mut scene = scene();
        scene.lost("gone", 4_000, 9_000);
        let lost = Contact::Lost { heard_ms: Some(1_000), why: "gone".into(), retry_ms: 13_000 };
        assert_eq!(scene.contact, lost);
        scene.event(&event("status", json!({ "now_ms": 110_000 })), 10_000);
        assert_eq!(scene.contact, Contact::Live);
    }
}
