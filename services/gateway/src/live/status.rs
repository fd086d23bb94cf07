//! How the node stands: parts that change each for itself, sent together.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use bytes::Bytes;

use super::event::{EventName, event_text};

/// What stands for a part that nobody knows.
static UNKNOWN: Bytes = Bytes::from_static(b"null");
/// Why a part is null that was never reported.
const NOT_YET: &str = "not known yet";

/// A part of the status, under its name in the JSON.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Part {
    /// Which services answer.
    Services,
    /// Which node this is.
    Node,
    /// The judgement of the whole network.
    Health,
    /// Every node known.
    Nodes,
    /// The body of `/api/mining/status`.
    Mining,
    /// Who owns the slots of the next height.
    Schedule,
    /// The known blocks of the last heights.
    Tree,
    /// Who made the last blocks.
    Stats,
    /// How long blocks take to reach the nodes.
    Propagation,
    /// What waits.
    Pending,
}

impl Part {
    const ALL: [Self; 10] = [
        Self::Services,
        Self::Node,
        Self::Health,
        Self::Nodes,
        Self::Mining,
        Self::Schedule,
        Self::Tree,
        Self::Stats,
        Self::Propagation,
        Self::Pending,
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::Services => "services",
            Self::Node => "node",
            Self::Health => "health",
            Self::Nodes => "nodes",
            Self::Mining => "mining",
            Self::Schedule => "schedule",
            Self::Tree => "tree",
            Self::Stats => "stats",
            Self::Propagation => "propagation",
            Self::Pending => "pending",
        }
    }
}

/// Whether a change may wait for others.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Urgency {
    /// Sent with the others of its second.
    CanWait,
    /// Sent at once.
    AtOnce,
}

/// The parts as they are now.
#[derive(Debug, Default)]
pub(crate) struct Parts {
    /// JSON of each; `null` of one whose service does not answer.
    parts: BTreeMap<Part, Bytes>,
    /// Why those are `null`.
    missing: BTreeMap<Part, String>,
    /// What listeners do not know yet, and whether it may wait.
    changed: BTreeMap<Part, Urgency>,
    version: u64,
}

impl Parts {
    /// Writes what a service says, or why it does not; whether the part is other than before.
    pub(crate) fn set(&mut self, part: Part, value: Result<Bytes, String>, urgency: Urgency) -> bool {
        self.missing.remove(&part);
        let json = value.unwrap_or_else(|why| {
            self.missing.insert(part, why);
            UNKNOWN.clone()
        });
        if self.parts.get(&part) == Some(&json) {
            return false;
        }
        self.parts.insert(part, json);
        let known = self.changed.entry(part).or_insert(urgency);
        *known = urgency.max(*known);
        true
    }

    /// All there are, as one JSON object, and why some of them are null.
    pub(crate) fn all(&self, now_ms: u64) -> (Bytes, Missing) {
        let json = |part| self.parts.get(part).unwrap_or(&UNKNOWN);
        let why = |part: &Part| match self.parts.get(part) {
            Some(_) => self.missing.get(part).cloned(),
            None => Some(NOT_YET.to_owned()),
        };
        let missing = Part::ALL.iter().filter_map(|part| Some((part.name(), why(part)?)));
        (object(now_ms, Part::ALL.iter().map(|part| (part, json(part)))), missing.collect())
    }

    /// What listeners are sent of the changes that are this urgent at least; none if there are no such.
    pub(crate) fn take(&mut self, at_least: Urgency, now_ms: u64) -> Option<Frame> {
        let (taken, left) = std::mem::take(&mut self.changed)
            .into_iter()
            .partition::<BTreeMap<_, _>, _>(|(_, urgency)| *urgency >= at_least);
        self.changed = left;
        if taken.is_empty() {
            return None;
        }
        self.version += 1;
        let changed = taken.into_keys().collect();
        let (version, parts) = (self.version, self.parts.clone());
        Some(Frame { version, now_ms, parts, changed, whole: OnceLock::new(), changes: OnceLock::new() })
    }
}

fn object<'a>(now_ms: u64, parts: impl Iterator<Item = (&'a Part, &'a Bytes)>) -> Bytes {
    let mut json = format!("{{\"now_ms\":{now_ms}").into_bytes();
    for (part, value) in parts {
        json.extend_from_slice(format!(",\"{}\":", part.name()).as_bytes());
        json.extend_from_slice(value);
    }
    json.push(b'}');
    json.into()
}

/// Why parts are null, by their names.
pub(crate) type Missing = BTreeMap<&'static str, String>;

/// The status at an instant. It is written as text for the first listener who needs it.
#[derive(Debug, Default)]
pub(crate) struct Frame {
    /// Counts up by one; 0: nothing is known yet.
    pub(crate) version: u64,
    now_ms: u64,
    parts: BTreeMap<Part, Bytes>,
    /// The parts that are new in this version.
    changed: Vec<Part>,
    whole: OnceLock<Written>,
    changes: OnceLock<Written>,
}

/// Parts as listeners are sent them.
#[derive(Debug)]
pub(crate) struct Written {
    /// One JSON object.
    pub(crate) json: Bytes,
    /// The same as text of a stream.
    pub(crate) text: Bytes,
}

impl Frame {
    /// All parts for those who do not know the version before, what has changed since for the others.
    pub(crate) fn written(&self, whole: bool) -> &Written {
        let write = |json: Bytes| {
            let text = event_text(EventName::Status.as_str(), "", &json);
            Written { json, text }
        };
        let known = |part: &Part| self.parts.get_key_value(part);
        match whole {
            true => self.whole.get_or_init(|| write(object(self.now_ms, self.parts.iter()))),
            false => {
                let changed = || object(self.now_ms, self.changed.iter().filter_map(known));
                self.changes.get_or_init(|| write(changed()))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(frame: &Frame, whole: bool) -> String {
        String::from_utf8_lossy(&frame.written(whole).text).into_owned()
    }

    #[test]
    fn only_changes_are_sent_to_those_who_know_the_rest() {
        use Urgency::{AtOnce, CanWait};
        let mut parts = Parts::default();
        assert!(parts.take(CanWait, 7).is_none());
        assert!(parts.set(Part::Mining, Ok(Bytes::from_static(b"1")), CanWait));
        assert!(parts.set(Part::Services, Err("away".into()), CanWait));
        let first = parts.take(CanWait, 7).expect("changed");
        assert_eq!(first.written(true).json, "{\"now_ms\":7,\"services\":null,\"mining\":1}");
        assert_eq!(text(&first, true), text(&first, false));
        assert!(!parts.set(Part::Mining, Ok(Bytes::from_static(b"1")), AtOnce));
        assert!(!parts.set(Part::Services, Err("still away".into()), AtOnce));
        assert!(parts.take(CanWait, 7).is_none());
        assert!(parts.set(Part::Mining, Ok(Bytes::from_static(b"2")), CanWait));
        assert!(parts.set(Part::Mining, Ok(Bytes::from_static(b"3")), CanWait));
        let second = parts.take(CanWait, 8).expect("changed");
        assert_eq!(text(&second, false), "event: status\ndata: {\"now_ms\":8,\"mining\":3}\n\n");
        assert_eq!(
            text(&second, true),
            "event: status\ndata: {\"now_ms\":8,\"services\":null,\"mining\":3}\n\n"
        );
        assert_eq!((first.version, second.version), (1, 2));
    }

    #[test]
    fn what_is_urgent_takes_nothing_along_that_can_wait() {
        use Urgency::{AtOnce, CanWait};
        let mut parts = Parts::default();
        let one = || Ok(Bytes::from_static(b"1"));
        parts.set(Part::Tree, one(), CanWait);
        parts.set(Part::Schedule, one(), AtOnce);
        // Urgent once is urgent until it is sent.
        parts.set(Part::Health, one(), AtOnce);
        parts.set(Part::Health, Ok(Bytes::from_static(b"2")), CanWait);
        let urgent = parts.take(AtOnce, 1).expect("two are urgent");
        assert_eq!(urgent.written(false).json, "{\"now_ms\":1,\"health\":2,\"schedule\":1}");
        assert!(parts.take(AtOnce, 2).is_none());
        let rest = parts.take(CanWait, 3).expect("one could wait");
        assert_eq!(rest.written(false).json, "{\"now_ms\":3,\"tree\":1}");
    }

    #[test]
    fn every_part_is_there_and_those_that_are_null_are_explained() {
        let mut parts = Parts::default();
        let urgency = Urgency::CanWait;
        parts.set(Part::Mining, Ok(Bytes::from_static(b"1")), urgency);
        parts.set(Part::Health, Err("the oracle is away".into()), urgency);
        let (json, missing) = parts.all(7);
        let json: serde_json::Value = serde_json::from_slice(&json).expect("JSON");
        for part in Part::ALL {
            let why = missing.get(part.name()).map(String::as_str);
            let expect = match part {
                Part::Mining => None,
                Part::Health => Some("the oracle is away"),
                _ => Some(NOT_YET),
            };
            assert_eq!((json[part.name()].is_null(), why), (expect.is_some(), expect), "{part:?}");
        }
        parts.set(Part::Health, Ok(Bytes::from_static(b"2")), urgency);
        assert!(!parts.all(7).1.contains_key("health"));
    }
}
