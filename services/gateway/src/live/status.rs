//! How the node stands: parts that change each for itself, told together.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::event::{EventName, event_text};

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
    changed: Vec<Part>,
    version: u64,
}

impl Parts {
    /// Whether the part is other than before.
    pub(crate) fn set(&mut self, part: Part, json: Bytes) -> bool {
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

    /// All of them, as one JSON object.
    pub(crate) fn json(&self, now_ms: u64) -> Bytes {
        object(now_ms, self.parts.iter())
    }

    /// What listeners are told of all changes since the last call.
    pub(crate) fn take(&mut self, now_ms: u64) -> Frame {
        self.changed.sort_unstable();
        let changed = std::mem::take(&mut self.changed);
        self.version += 1;
        let known = |part: &Part| self.parts.get_key_value(part);
        let changed_json = object(now_ms, changed.iter().filter_map(known));
        let changes = event_text(EventName::Status, "", &changed_json);
        let json = self.json(now_ms);
        let whole = event_text(EventName::Status, "", &json);
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
        assert!(parts.set(Part::Mining, Bytes::from_static(b"1")));
        assert!(parts.set(Part::Services, Bytes::from_static(b"null")));
        let first = parts.take(7);
        assert_eq!(first.json, "{\"now_ms\":7,\"services\":null,\"mining\":1}");
        assert_eq!(first.whole, first.changes);
        assert!(!parts.set(Part::Mining, Bytes::from_static(b"1")) && !parts.has_changed());
        assert!(parts.set(Part::Mining, Bytes::from_static(b"2")));
        assert!(parts.set(Part::Mining, Bytes::from_static(b"3")));
        let second = parts.take(8);
        assert_eq!(second.changes, "event: status\ndata: {\"now_ms\":8,\"mining\":3}\n\n");
        assert_eq!(second.whole, "event: status\ndata: {\"now_ms\":8,\"services\":null,\"mining\":3}\n\n");
        assert_eq!((first.version, second.version), (1, 2));
    }
}
