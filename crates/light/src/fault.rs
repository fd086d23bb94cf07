//! What is wrong with a block.

use vision_block_tree::Refusal;
use vision_primitives::Hash;

/// A rule that a block breaks, or that what is said of it breaks.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fault {
    /// Its stable name: a reason of `docs/protocol.md`, section 6, or one of those below.
    pub rule: &'static str,
    /// In words.
    pub why: String,
}

impl Fault {
    /// The header's bytes are missing or are no header.
    pub const HEADER_BYTES: &str = "BAD_HEADER_BYTES";
    /// What is said of the block is not what its bytes say.
    pub const FIELD: &str = "WRONG_FIELD";
    /// Bytes that are missing, or no signature or transaction.
    pub const BYTES: &str = "BAD_BYTES";
    /// The registry is not that after the block before, or contradicts itself.
    pub const REGISTRY: &str = "BAD_REGISTRY";
    /// What the block stands on cannot be read.
    pub const NO_PARENT: &str = "NO_PARENT";

    /// A fault by its name. Words that are a stranger's are to be cut and cleaned before.
    pub fn new(rule: &'static str, why: impl Into<String>) -> Self {
        Self { rule, why: why.into() }
    }

    /// Whether the block does not fit what was reported before: what it also looks like when the node that
    /// reports moved to another branch meanwhile.
    #[must_use]
    pub fn is_of_link(&self) -> bool {
        self.rule == Self::REGISTRY || self.rule == Refusal::UnknownParent(Hash::ZERO).reason()
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
