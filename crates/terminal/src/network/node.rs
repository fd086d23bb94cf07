//! One node.

use serde_json::Value;

use crate::words;

/// What a node is to the chain.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Role {
    /// Registered, and slots are dealt to it.
    Producer,
    /// Registered, and without slots until it returns.
    Suspended,
    /// Not registered yet.
    Candidate,
    /// Follows the chain.
    #[default]
    Follower,
}

impl Role {
    fn read(value: &Value) -> Self {
        match value.as_str() {
            Some("producer" | "active") => Self::Producer,
            Some("suspended") => Self::Suspended,
            Some("candidate") => Self::Candidate,
            _ => Self::Follower,
        }
    }

    /// In a word.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Producer => "producer",
            Self::Suspended => "suspended",
            Self::Candidate => "candidate",
            Self::Follower => "follower",
        }
    }
}

/// A node as another, or itself, reports it. What nobody knows is absent.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Node {
    /// Its id, hex.
    pub id: String,
    /// What it is called; empty if nobody said.
    pub name: String,
    /// What it is to the chain.
    pub role: Role,
    /// Whether it is the one that reports.
    pub this_node: bool,
    /// Where its peers reach it.
    pub address: String,
    /// Whether it is connected to the one that reports.
    pub connected: bool,
    /// Height of its head.
    pub height: Option<u64>,
    /// Blocks it lacks.
    pub behind: Option<u64>,
    /// How many peers it has.
    pub peers: Option<u64>,
    /// Its clock against the reporter's, milliseconds.
    pub clock_ms: Option<f64>,
    /// Time there and back, milliseconds.
    pub rtt_ms: Option<f64>,
    /// Version of its program.
    pub version: String,
    /// Whether it may produce.
    pub eligible: Option<bool>,
    /// Why not.
    pub because: String,
    /// The last block it made.
    pub last_block: Option<u64>,
    /// Stamp of that, milliseconds since the epoch.
    pub last_block_at: Option<u64>,
    /// When it was last heard of, milliseconds since the epoch.
    pub last_seen_at: Option<u64>,
    /// Since when it is gone, milliseconds since the epoch.
    pub lost_at: Option<u64>,
    /// From which height on it may return.
    pub may_return_at: Option<u64>,
    /// URL of its gateway, if the reporter knows it.
    pub url: Option<String>,
}

impl Node {
    /// Of a list of nodes in JSON. Texts are from strangers: whoever shows them cuts and cleans them.
    pub fn read(value: &Value) -> Self {
        let text = |name: &str| value[name].as_str().unwrap_or_default().to_owned();
        let number = |name: &str| value[name].as_u64();
        Self {
            id: text("node_id"),
            name: text("name"),
            role: Role::read(&value["role"]),
            this_node: value["this_node"] == true,
            address: text("address"),
            connected: value["connected"] == true,
            height: number("height"),
            behind: number("behind"),
            peers: number("peers"),
            clock_ms: value["clock_offset_ms"].as_f64(),
            rtt_ms: value["rtt_ms"].as_f64(),
            version: text("version"),
            eligible: value["eligible"].as_bool(),
            because: text("not_eligible_because"),
            last_block: number("last_block_height"),
            last_block_at: number("last_block_at_ms"),
            last_seen_at: number("last_seen_at_ms"),
            lost_at: number("lost_at_ms"),
            may_return_at: number("may_return_at"),
            url: value["page_url"].as_str().filter(|url| !url.is_empty()).map(str::to_owned),
        }
    }

    /// Whether the chain counts on it.
    pub const fn is_registered(&self) -> bool {
        matches!(self.role, Role::Producer | Role::Suspended)
    }

    /// What keeps it from doing what it is there for, if anything.
    pub fn trouble(&self, now_ms: u64) -> Option<String> {
        if !self.this_node && !self.connected {
            let since = self.lost_at.or(self.last_seen_at);
            let for_how_long = since.map(|at| format!(" for {}", words::span(now_ms.saturating_sub(at))));
            return Some(format!("no answer{}", for_how_long.unwrap_or_default()));
        }
        if self.role == Role::Suspended {
            // The chain's head, as far as the node is known to be behind it.
            let head = self.height.map(|height| height.saturating_add(self.behind.unwrap_or(0)));
            let from = self.may_return_at.map(|at| match head {
                Some(head) if head >= at => ", returns once it has proved that it is in sync".into(),
                _ => format!(", may return at {}", words::number(at)),
            });
            return Some(format!("suspended{}", from.unwrap_or_default()));
        }
        (self.eligible == Some(false)).then(|| match self.because.as_str() {
            "" => "may not produce".into(),
            because => words::with_ages(because, now_ms),
        })
    }

    /// How it is, in a few words.
    pub fn state(&self, now_ms: u64) -> String {
        let fine = match (self.eligible, self.role) {
            (Some(true), _) => "may produce",
            (_, Role::Producer | Role::Suspended) => "connected",
            (_, Role::Candidate) => "not registered yet",
            (_, Role::Follower) => "follows",
        };
        self.trouble(now_ms).unwrap_or_else(|| fine.into())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn states_in_words() {
        let cases = [
            ("fine", json!({ "connected": true, "role": "producer", "eligible": true }), true, "may produce"),
            (
                "itself",
                json!({ "this_node": true, "role": "producer", "eligible": true }),
                true,
                "may produce",
            ),
            ("untold", json!({ "connected": true, "role": "producer" }), true, "connected"),
            ("a follower", json!({ "connected": true, "role": "follower" }), true, "follows"),
            (
                "gone",
                json!({ "role": "producer", "lost_at_ms": 1000, "eligible": true }),
                false,
                "no answer for 41 s",
            ),
            ("never heard of", json!({ "role": "producer" }), false, "no answer"),
            (
                "suspended",
                json!({ "connected": true, "role": "suspended", "may_return_at": 1290 }),
                false,
                "suspended, may return at 1,290",
            ),
            (
                "suspended, and behind",
                json!({ "connected": true, "role": "suspended", "may_return_at": 148, "height": 140,
                "behind": 7 }),
                false,
                "suspended, may return at 148",
            ),
            (
                "suspended, and past that",
                json!({ "connected": true, "role": "suspended", "may_return_at": 148, "height": 140,
                "behind": 71 }),
                false,
                "suspended, returns once it has proved that it is in sync",
            ),
            (
                "alone",
                json!({ "connected": true, "role": "producer", "eligible": false,
                "not_eligible_because": "TOO_FEW_PEERS: since {ago:2000}" }),
                false,
                "TOO_FEW_PEERS: since 40 s",
            ),
        ];
        for (desc, value, is_fine, expect) in cases {
            let node = Node::read(&value);
            assert_eq!(
                (node.trouble(42_000).is_none(), node.state(42_000).as_str()),
                (is_fine, expect),
                "{desc}"
            );
        }
    }
}
