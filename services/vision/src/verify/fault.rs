//! What is wrong with a block.

use serde_json::{Value, json};
use vision_block_tree::Refusal;
use vision_host::text::cut_to;

/// Longest explanation; the longest of ours names two hashes.
const MAX_WHY_CHARS: usize = 400;

/// A rule that a block breaks, or that what is said of it breaks.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fault {
    /// Its stable name: a reason of `docs/protocol.md`, section 6, or one of those below.
    pub rule: &'static str,
    /// In words.
    pub why: String,
}

impl Fault {
    /// The JSON says something else than the bytes.
    pub const FIELD: &str = "WRONG_FIELD";
    /// Bytes that are missing, or no header, signature or transaction.
    pub const BYTES: &str = "BAD_BYTES";
    /// The registry is not that after the block before, or contradicts itself.
    pub const REGISTRY: &str = "BAD_REGISTRY";
    /// What the block stands on cannot be read.
    pub const NO_PARENT: &str = "NO_PARENT";

    /// A fault by its name. The words may be a node's, who might want to fill the screen or write lines of its own.
    pub fn new(rule: &'static str, why: impl AsRef<str>) -> Self {
        Self { rule, why: cut_to(why.as_ref(), MAX_WHY_CHARS) }
    }

    /// Whether the block does not fit to what the node told before: what it may also look like when the node's head
    /// went over to another branch meanwhile.
    pub fn is_of_link(&self) -> bool {
        self.rule == Self::REGISTRY
            || self.rule == Refusal::UnknownParent(vision_primitives::Hash::ZERO).reason()
    }

    /// For programs.
    pub fn to_json(&self) -> Value {
        json!({ "rule": self.rule, "why": self.why })
    }
}

impl From<Refusal> for Fault {
    fn from(refusal: Refusal) -> Self {
        Self { rule: refusal.reason(), why: refusal.to_string() }
    }
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.rule, self.why)
    }
}
