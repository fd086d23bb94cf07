//! What a node reports, without end: all of it first, then what happens.

use std::time::Duration;

use http_body_util::BodyExt as _;
use serde_json::Value;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until, timeout};

use super::sse::{Event, Parser};
use vision_host::Clock;
use vision_terminal::answers::entries;
use vision_terminal::exit::{Failure, Outcome};
use vision_terminal::network::{self, Node};
use vision_terminal::rest::{Gateway, Stream};

/// Pauses between tries while the node does not answer; the last of them again and again.
const PAUSES: [Duration; 5] = [
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(4),
    Duration::from_secs(8),
    Duration::from_secs(15),
];
/// A stream that is silent for longer is dead: a node lets itself be heard at least every 15 s.
const SILENCE: Duration = Duration::from_secs(20);
/// A node that does not send all of it in events is asked for the whole so often.
const ASK_EVERY: Duration = Duration::from_secs(1);
/// How long a block that was spoken of may take to come as an event.
const GRACE: Duration = Duration::from_millis(500);
/// Updates that wait to be shown.
pub(super) const QUEUE: usize = 256;

/// What comes.
#[derive(Debug)]
pub(super) enum Update {
    /// All there is to report now.
    Whole(Value, Vec<Node>),
    /// Something happened.
    Event(Event),
    /// The node does not answer; why, and when it is asked again.
    Lost(String, Duration),
}

/// Follows a node until nobody listens.
pub(super) async fn follow(gateway: Gateway, clock: Clock, updates: mpsc::Sender<Update>) {
    let mut failures = 0;
    while !updates.is_closed() {
        let ended = follow_once(&gateway, &clock, &updates, &mut failures).await;
        let Err(failure) = ended else { continue };
        let pause = PAUSES[failures.min(PAUSES.len() - 1)];
        failures += 1;
        if updates.send(Update::Lost(failure.to_string(), pause)).await.is_err() {
            return;
        }
        tokio::time::sleep(pause).await;
    }
}

/// Until the stream ends. It is no fault if the node sends its listener away to ask for the whole again.
async fn follow_once(
    gateway: &Gateway,
    clock: &Clock,
    updates: &mpsc::Sender<Update>,
    failures: &mut usize,
) -> Outcome {
    let mut whole = whole(gateway, clock, updates).await?;
    let cursor = whole.cursor.take().map(|cursor| format!("?cursor={cursor}")).unwrap_or_default();
    let mut events = Events::open(gateway, &format!("/api/mining/events{cursor}")).await?;
    loop {
        let event = tokio::select! {
            event = events.next() => Some(event?),
            () = whole.ask_again() => None,
        };
        let Some(event) = event else {
            whole = self::whole(gateway, clock, updates).await?;
            continue;
        };
        *failures = 0;
        whole.note(&event, clock.instant());
        let is_gap = event.name == "gap";
        if updates.send(Update::Event(event)).await.is_err() || is_gap {
            return Ok(());
        }
    }
}

/// What was reported at once, as far as it decides when to ask again.
struct Whole {
    /// From where on events are new.
    cursor: Option<String>,
    /// Height of the newest block that was reported.
    head: u64,
    /// When to ask again.
    again_at: Option<Instant>,
}

impl Whole {
    fn of(overview: &Value, now: Instant) -> Self {
        let is_sent_in_events = overview["nodes"].is_array() && overview["health"].is_object();
        Self {
            cursor: overview["cursor"].as_str().filter(|cursor| !cursor.is_empty()).map(str::to_owned),
            head: entries(overview, "blocks").last().and_then(|block| block["height"].as_u64()).unwrap_or(0),
            again_at: (!is_sent_in_events).then(|| now + ASK_EVERY),
        }
    }

    /// Waits until it is time to ask again; for ever if all is sent.
    async fn ask_again(&self) {
        match self.again_at {
            Some(at) => sleep_until(at).await,
            None => std::future::pending().await,
        }
    }

    /// A block that is named and does not come was not sent, as after a catch-up.
    fn note(&mut self, event: &Event, now: Instant) {
        let block = block_in(&event.data);
        match event.name.as_str() {
            "block" => self.head = block["height"].as_u64().unwrap_or(self.head),
            "status" => {
                let reported = event.data["mining"]["local_height"].as_u64();
                if reported.is_some_and(|reported| reported > self.head) && self.again_at.is_none() {
                    self.again_at = Some(now + GRACE);
                }
            }
            "caught_up" => self.again_at = Some(now),
            _ => {}
        }
    }
}

/// The block of an event of that kind.
pub(super) fn block_in(data: &Value) -> &Value {
    if data["block"].is_object() { &data["block"] } else { data }
}

async fn whole(gateway: &Gateway, clock: &Clock, updates: &mpsc::Sender<Update>) -> Outcome<Whole> {
    let overview = gateway.get("/api/overview").await?;
    let nodes = network::nodes(gateway, &overview).await?;
    let whole = Whole::of(&overview, clock.instant());
    // Nobody listens any more: the caller sees that.
    let _ = updates.send(Update::Whole(overview, nodes)).await;
    Ok(whole)
}

/// A stream of events.
struct Events {
    stream: Stream,
    parser: Parser,
    url: String,
}

impl Events {
    async fn open(gateway: &Gateway, path: &str) -> Outcome<Self> {
        let url = gateway.url().to_owned();
        Ok(Self { stream: gateway.open(path).await?, parser: Parser::default(), url })
    }

    async fn next(&mut self) -> Outcome<Event> {
        loop {
            if let Some(event) = self.parser.next() {
                return Ok(event);
            }
            let url = &self.url;
            let frame = timeout(SILENCE, self.stream.frame()).await.map_err(|_| {
                Failure::unhealthy(format!("{url} has been silent for {} s", SILENCE.as_secs()))
            })?;
            let broken = |why: String| Failure::unhealthy(format!("{url}: the events broke off{why}"));
            let frame = frame.ok_or_else(|| broken(String::new()))?;
            let frame = frame.map_err(|error| broken(format!(": {error}")))?;
            if let Some(data) = frame.data_ref() {
                self.parser.feed(data).map_err(|_| broken(": one is too long".into()))?;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_whole_is_asked_for_again_where_events_do_not_hold_all() {
        let overview = |nodes: Value| {
            json!({ "nodes": nodes, "health": {},
        "blocks": [{ "height": 7 }], "cursor": "a-1" })
        };
        let now = Clock::system(0).instant();
        assert!(Whole::of(&overview(Value::Null), now).again_at.is_some(), "it must be asked");
        let event = |name: &str, data: Value| Event { name: name.into(), data };
        let status = |height: u64| event("status", json!({ "mining": { "local_height": height } }));
        let cases = [
            ("all is sent", vec![status(7), event("block", json!({ "height": 8 })), status(8)], false),
            ("a nested block", vec![event("block", json!({ "block": { "height": 8 } })), status(8)], false),
            ("a block is not sent", vec![status(8)], true),
            ("caught up", vec![event("caught_up", json!({ "from": 8, "to": 90 }))], true),
        ];
        for (desc, events, expect) in cases {
            let mut whole = Whole::of(&overview(json!([])), now);
            assert_eq!((whole.head, whole.cursor.as_deref()), (7, Some("a-1")));
            events.iter().for_each(|event| whole.note(event, now));
            assert_eq!(whole.again_at.is_some(), expect, "{desc}");
        }
    }
}
