//! How the node stands: parts that change each for itself, told together.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::event::{EventName, event_text};

/// What stands for a part that nobody can tell.
static UNKNOWN: Bytes = Bytes::from_static(b"null");
/// Why a part is null that was never told.
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

/// The parts as they are now.
#[derive(Debug, Default)]
pub(crate) struct Parts {
    /// JSON of each; `null` of one whose service does not answer.
    parts: BTreeMap<Part, Bytes>,
    /// Why those are `null`.
    missing: BTreeMap<Part, String>,
    changed: Vec<Part>,
    version: u64,
}

impl Parts {
    /// Writes what a service says, or why it does not; whether the part is other than before.
    pub(crate) fn set(&mut self, part: Part, told: Result<Bytes, String>) -> bool {
        self.missing.remove(&part);
        let json = told.unwrap_or_else(|why| {
            self.missing.insert(part, why);
            UNKNOWN.clone()
        });
        if self.parts.get(&part) == Some(&json) {
            return false;
        }
        self.parts.insert(part, json);
        if !self.changed.contains(&part) {
            self.changed.push(part);
        }
        true
    }

    pub(crate) const fn has_changed(&self) -> bool {
        !self.changed.is_empty()
    }

    /// All that were told, as one JSON object.
    fn json(&self, now_ms: u64) -> Bytes {
        object(now_ms, self.parts.iter())
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

    /// What listeners are told of all changes since the last call.
    pub(crate) fn take(&mut self, now_ms: u64) -> Frame {
        self.changed.sort_unstable();
        let changed = std::mem::take(&mut self.changed);
        self.version += 1;
        let known = |part: &Part| self.parts.get_key_value(part);
        let changed_json = object(now_ms, changed.iter().filter_map(known));
        let changes = event_text(EventName::Status.as_str(), "", &changed_json);
        let json = self.json(now_ms);
        let whole = event_text(EventName::Status.as_str(), "", &json);
        Frame { version: self.version, json, changed_json, whole, changes }
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

/// The status at an instant.
#[derive(Debug, Default)]
pub(crate) struct Frame {
    /// Counts up by one; 0: nothing is known yet.
    pub(crate) version: u64,
    /// All parts, as one JSON object.
    pub(crate) json: Bytes,
    /// What has changed since the version before, as one JSON object.
    pub(crate) changed_json: Bytes,
    /// All parts as text of a stream.
    pub(crate) whole: Bytes,
    /// What has changed since the version before, as text of a stream.
    pub(crate) changes: Bytes,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_changes_are_told_to_those_who_know_the_rest() {
        let mut parts = Parts::default();
        assert!(!parts.has_changed());
        assert!(parts.set(Part::Mining, Ok(Bytes::from_static(b"1"))));
        assert!(parts.set(Part::Services, Err("away".into())));
        let first = parts.take(7);
        assert_eq!(first.json, "{\"now_ms\":7,\"services\":null,\"mining\":1}");
        assert_eq!(first.whole, first.changes);
        assert!(!parts.set(Part::Mining, Ok(Bytes::from_static(b"1"))) && !parts.has_changed());
        assert!(!parts.set(Part::Services, Err("still away".into())) && !parts.has_changed());
        assert!(parts.set(Part::Mining, Ok(Bytes::from_static(b"2"))));
        assert!(parts.set(Part::Mining, Ok(Bytes::from_static(b"3"))));
        let second = parts.take(8);
        assert_eq!(second.changes, "event: status\ndata: {\"now_ms\":8,\"mining\":3}\n\n");
        assert_eq!(second.whole, "event: status\ndata: {\"now_ms\":8,\"services\":null,\"mining\":3}\n\n");
        assert_eq!((first.version, second.version), (1, 2));
    }

    #[test]
    fn every_part_is_there_and_those_that_are_null_are_explained() {
        let mut parts = Parts::default();
        parts.set(Part::Mining, Ok(Bytes::from_static(b"1")));
        parts.set(Part::Health, Err("the oracle is away".into()));
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
        parts.set(Part::Health, Ok(Bytes::from_static(b"2")));
        assert!(!parts.all(7).1.contains_key("health"));
    }
}
