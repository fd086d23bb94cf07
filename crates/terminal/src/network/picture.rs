//! What one answer of a node says of its network.

use serde_json::Value;

use super::{Block, Node, reported};
use crate::answers::entries;
use crate::names::Names;
use crate::screen::Sign;
use crate::words::{number, span, with_ages};

/// Blocks kept.
pub const MAX_BLOCKS: usize = 64;
/// With no block for so long the chain has stopped.
const STOPPED_AFTER_MS: u64 = 15_000;
/// Backups of a chain that does not say how many it has.
const USUAL_BACKUP_SLOTS: u64 = 6;
/// Causes shown at once.
const MAX_REASONS: usize = 3;

/// How a network is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// All is as it should be.
    Fine,
    /// Blocks come, but something is wrong.
    Trouble,
    /// No blocks come.
    Stopped,
    /// Nobody knows.
    Unknown,
}

impl From<Verdict> for Sign {
    fn from(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Fine => Self::Fine,
            Verdict::Trouble => Self::Trouble,
            Verdict::Stopped => Self::Stopped,
            Verdict::Unknown => Self::Unknown,
        }
    }
}

/// Something that is wrong, and what to do about it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Reason {
    /// What is wrong.
    pub text: String,
    /// What to do; may be empty.
    pub remedy: String,
}

/// The network as a node reported it.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Picture {
    /// The node's clock when it reported, milliseconds since the epoch.
    pub now_ms: u64,
    /// Name of the chain.
    pub chain_id: String,
    /// The node that reported.
    pub node_id: String,
    /// All nodes it knows.
    pub nodes: Vec<Node>,
    /// The newest blocks, oldest first, at most [`MAX_BLOCKS`].
    pub blocks: Vec<Block>,
    /// Height of the last final block.
    pub final_height: Option<u64>,
    /// Transactions that wait.
    pub pending: Option<u64>,
    /// What the node lacks, in sentences.
    pub missing: Vec<String>,
    chain: Value,
    health: Value,
    mining: Value,
    schedule: Value,
}

impl Picture {
    /// Of an overview, and the nodes of the network.
    pub fn read(overview: &Value, nodes: Vec<Node>) -> Self {
        let mut picture = Self { nodes, ..Self::default() };
        picture.take(overview);
        for block in entries(overview, "blocks") {
            picture.add_block(block);
        }
        let missing = overview["missing"].as_object();
        let sentence =
            |(part, why): (&String, &Value)| format!("{part}: {}", why.as_str().unwrap_or("missing"));
        picture.missing = missing.into_iter().flatten().map(sentence).collect();
        picture
    }

    /// Takes what a status holds; what is not in it stays.
    pub fn take(&mut self, status: &Value) {
        if let Some(now_ms) = status["now_ms"].as_u64() {
            self.now_ms = now_ms;
        }
        for (name, part) in [
            ("chain", &mut self.chain),
            ("health", &mut self.health),
            ("mining", &mut self.mining),
            ("schedule", &mut self.schedule),
        ] {
            if let Some(new) = status.get(name) {
                *part = new.clone();
            }
        }
        if status["nodes"].is_array() {
            self.nodes = reported(status);
        }
        if let Some(count) = status["pending"]["count"].as_u64() {
            self.pending = Some(count);
        }
        if let Some(chain_id) = self.chain["chain_id"].as_str() {
            chain_id.clone_into(&mut self.chain_id);
        }
        let own = status["node"]["node_id"].as_str().or(self.mining["my_node_id"].as_str());
        let own = own.or(self.nodes.iter().find(|node| node.this_node).map(|node| node.id.as_str()));
        if let Some(id) = own {
            self.node_id = id.to_owned();
        }
        self.final_height = self.final_height.max(self.health["finalized_height"].as_u64());
    }

    /// Adds a block above the others, or in the place of one that was left.
    pub fn add_block(&mut self, value: &Value) {
        let Some(block) = Block::read(value, self.parameter("backup_slots").unwrap_or(USUAL_BACKUP_SLOTS))
        else {
            return;
        };
        if block.is_final {
            self.final_height = self.final_height.max(Some(block.height));
        }
        self.blocks.retain(|other| other.height < block.height);
        // Nobody made block 0.
        if block.height > 0 {
            self.blocks.push(block);
        }
        let surplus = self.blocks.len().saturating_sub(MAX_BLOCKS);
        self.blocks.drain(..surplus);
    }

    /// Notes that all up to a height is final.
    pub fn finalize(&mut self, height: u64) {
        self.final_height = self.final_height.max(Some(height));
    }

    /// The newest block.
    pub fn head(&self) -> Option<&Block> {
        self.blocks.last()
    }

    /// Whose turn it is to make the next block: its height, and ids, of which the first goes first.
    pub fn next(&self) -> Option<(u64, Vec<&str>)> {
        let height = self.head()?.height + 1;
        if self.schedule["height"] == height {
            let slots = entries(&self.schedule, "slots").iter();
            return Some((height, slots.filter_map(|slot| slot["node_id"].as_str()).collect()));
        }
        let mining = &self.mining;
        let backups = entries(mining, "backups").iter().filter_map(Value::as_str);
        let first = mining["current_winner"].as_str().filter(|_| mining["next_height"] == height)?;
        Some((height, [first].into_iter().chain(backups).collect()))
    }

    /// When the next block may come at the earliest, milliseconds since the epoch.
    pub fn next_opens_at(&self) -> Option<u64> {
        let head = self.head()?;
        if self.schedule["height"] == head.height + 1 {
            return entries(&self.schedule, "slots").first()?["opens_at_ms"].as_u64();
        }
        head.stamp_ms.checked_add(self.parameter("block_interval_ms")?)
    }

    fn parameter(&self, name: &str) -> Option<u64> {
        let chain = &self.chain;
        chain[name].as_u64().or_else(|| chain["params"][name].as_u64())
    }

    /// Registered nodes that may produce, and all of them.
    fn producing(&self, now_ms: u64) -> (usize, usize) {
        let registered = self.nodes.iter().filter(|node| node.is_registered());
        let (fine, all): (Vec<_>, Vec<_>) =
            registered.map(|node| (node.trouble(now_ms).is_none(), ())).unzip();
        (fine.into_iter().filter(|fine| *fine).count(), all.len())
    }

    /// How the network is at an instant of the node's clock: the node's own judgement if it reports one.
    pub fn verdict(&self, now_ms: u64) -> Verdict {
        match self.health["state"].as_str() {
            Some("fine") => return Verdict::Fine,
            Some("trouble") => return Verdict::Trouble,
            Some("stopped") => return Verdict::Stopped,
            Some(_) => return Verdict::Unknown,
            None => {}
        }
        let Some(head) = self.head() else { return Verdict::Unknown };
        let age = now_ms.saturating_sub(head.stamp_ms);
        let (producing, registered) = self.producing(now_ms);
        let patience = ["block_interval_ms", "jitter_max_ms", "claim_timeout_ms", "claim_timeout_ms"];
        let patience: Option<u64> = patience.into_iter().map(|name| self.parameter(name)).sum();
        match age {
            _ if age > STOPPED_AFTER_MS.max(patience.unwrap_or(0)) => Verdict::Stopped,
            _ if producing < registered || !self.missing.is_empty() => Verdict::Trouble,
            _ if patience.is_some_and(|patience| age > patience) => Verdict::Trouble,
            _ => Verdict::Fine,
        }
    }

    /// The same in one sentence.
    pub fn headline(&self, now_ms: u64) -> String {
        if let Some(text) = self.health["headline"].as_str() {
            return with_ages(text, now_ms);
        }
        let Some(head) = self.head() else { return "no block yet".into() };
        let (producing, registered) = self.producing(now_ms);
        let age = span(now_ms.saturating_sub(head.stamp_ms));
        let behind = self.final_height.map(|height| head.height.saturating_sub(height));
        let behind = match behind {
            None => String::new(),
            Some(1) => ", final 1 block behind".into(),
            Some(blocks) => format!(", final {} blocks behind", number(blocks)),
        };
        match self.verdict(now_ms) {
            Verdict::Stopped => {
                format!("No block for {age}, {producing} of {registered} nodes may produce{behind}")
            }
            _ if registered == 0 => format!("last block {age} ago{behind}"),
            _ => format!("{producing} of {registered} nodes producing, last block {age} ago{behind}"),
        }
    }

    /// What is wrong, worst first.
    pub fn reasons(&self, now_ms: u64, names: &Names) -> Vec<Reason> {
        let text = |value: &Value| with_ages(value.as_str().unwrap_or_default(), now_ms);
        let parse = |reason: &Value| Reason { text: text(&reason["text"]), remedy: text(&reason["remedy"]) };
        let mut reasons: Vec<Reason> = entries(&self.health, "reasons").iter().map(parse).collect();
        if self.health.is_null() {
            let registered = self.nodes.iter().filter(|node| node.is_registered());
            let in_trouble = registered.filter_map(|node| {
                let text = format!("{}: {}", names.of(&node.id), node.trouble(now_ms)?);
                Some(Reason { text, remedy: String::new() })
            });
            reasons.extend(in_trouble);
        }
        let missing = self.missing.iter();
        reasons.extend(missing.map(|text| Reason { text: text.clone(), remedy: String::new() }));
        reasons.truncate(MAX_REASONS);
        reasons
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn block(height: u64, slot: u64) -> Value {
        json!({
            "height": height, "hash": format!("{height:064x}"), "slot": slot, "producer": "aa",
            "timestamp_ms": 1000 * height, "finalized": height < 3,
        })
    }

    fn overview() -> Value {
        json!({
            "now_ms": 4_400,
            "chain": { "chain_id": "c-1", "block_interval_ms": 1000, "jitter_max_ms": 100,
            "claim_timeout_ms": 500, "backup_slots": 2 },
            "blocks": [block(1, 0), block(2, 0), block(3, 0)],
            "nodes": [
                { "node_id": "aa", "name": "node1", "role": "producer", "this_node": true, "eligible": true },
                { "node_id": "bb", "name": "node2", "role": "producer", "connected": true, "eligible": true },
            ],
            "mining": { "next_height": 4, "current_winner": "bb", "backups": ["cc"],
            "local_height": 3, "my_node_id": "aa" },
        })
    }

    fn picture(overview: &Value) -> Picture {
        Picture::read(overview, reported(overview))
    }

    #[test]
    fn a_node_that_judges_is_trusted_and_for_another_it_is_made_up() {
        type Edit = fn(&mut Value);
        let cases: [(&str, Edit, u64, Verdict, &str); 6] = [
            (
                "fine",
                |_| {},
                4_400,
                Verdict::Fine,
                "2 of 2 nodes producing, last block 1.4 s ago, final 1 block behind",
            ),
            ("late", |_| {}, 6_000, Verdict::Trouble, "last block 3.0 s ago"),
            ("stopped", |_| {}, 44_000, Verdict::Stopped, "No block for 41 s, 2 of 2 nodes may produce"),
            (
                "one is gone",
                |o| o["nodes"][1]["connected"] = json!(false),
                4_400,
                Verdict::Trouble,
                "1 of 2 nodes producing",
            ),
            (
                "judged",
                |o| o["health"] = json!({ "state": "fine", "headline": "last block {ago:3000} ago" }),
                44_000,
                Verdict::Fine,
                "last block 41 s ago",
            ),
            ("nothing yet", |o| o["blocks"] = json!([block(0, 0)]), 4_400, Verdict::Unknown, "no block yet"),
        ];
        for (desc, edit, now_ms, verdict, sentence) in cases {
            let mut overview = overview();
            edit(&mut overview);
            let picture = picture(&overview);
            let headline = picture.headline(now_ms);
            assert_eq!(picture.verdict(now_ms), verdict, "{desc}");
            assert!(headline.contains(sentence), "{desc}: {headline}");
        }
    }

    #[test]
    fn a_status_changes_only_what_is_in_it() {
        let mut picture = picture(&overview());
        let next = Some((4, vec!["bb", "cc"]));
        assert_eq!((picture.next(), picture.next_opens_at()), (next.clone(), Some(4_000)));
        picture.take(&json!({ "now_ms": 5_000, "pending": { "count": 7 } }));
        assert_eq!((picture.now_ms, picture.pending, picture.next()), (5_000, Some(7), next));
        picture.add_block(&block(4, 1));
        assert_eq!(picture.next(), None, "the producer still speaks of the height before");
        let slots = json!([{ "slot": 0, "node_id": "dd", "opens_at_ms": 5_100 }]);
        picture.take(&json!({ "mining": null, "nodes": [], "schedule": { "height": 5, "slots": slots } }));
        assert_eq!((picture.next(), picture.next_opens_at()), (Some((5, vec!["dd"])), Some(5_100)));
        assert_eq!(picture.nodes.len(), 0);
    }

    #[test]
    fn blocks_that_were_left_are_replaced_and_few_are_kept() {
        let mut picture = picture(&overview());
        picture.add_block(&block(2, 1));
        let heights = |picture: &Picture| picture.blocks.iter().map(|block| block.height).collect::<Vec<_>>();
        assert_eq!(heights(&picture), [1, 2]);
        for height in 3..=100 {
            picture.add_block(&block(height, 0));
        }
        assert_eq!((heights(&picture)[0], picture.blocks.len()), (37, MAX_BLOCKS));
    }

    #[test]
    fn what_is_wrong_is_shown_with_what_to_do() {
        let names = Names::default();
        let mut overview = overview();
        overview["missing"] = json!({ "pending": "chain is away" });
        overview["nodes"][1]["connected"] = json!(false);
        let texts = |overview: &Value| -> Vec<String> {
            let reasons = picture(overview).reasons(5_000, &names);
            reasons.into_iter().map(|reason| format!("{}|{}", reason.text, reason.remedy)).collect()
        };
        assert_eq!(texts(&overview), ["bb: no answer|", "pending: chain is away|"]);
        overview["health"] = json!({ "state": "trouble", "reasons": [
            { "text": "node2 is gone since {ago:4000} ago", "remedy": "vision testnet start node2" },
        ]});
        assert_eq!(texts(&overview)[0], "node2 is gone since 1.0 s ago|vision testnet start node2");
    }
}
