//! This node's own block for a parent, from the promise on.

use std::sync::Arc;

use crate::Proposal;

/// How far it has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Stage {
    /// The guard has promised it to its parent; that is not on disk yet.
    Promised,
    /// The promise is on disk.
    Committed,
    /// It was signed and submitted at least once, and "created" was said.
    Submitted,
    /// The chain service has it.
    Stored,
    /// The chain service will never have it.
    GivenUp,
}

/// A block of this node.
#[derive(Clone, Debug)]
pub(crate) struct Own {
    pub(crate) proposal: Arc<Proposal>,
    pub(crate) stage: Stage,
}

impl Own {
    /// Whether there is something left to do for it.
    pub(crate) const fn is_under_way(&self) -> bool {
        match self.stage {
            Stage::Promised | Stage::Committed | Stage::Submitted => true,
            Stage::Stored | Stage::GivenUp => false,
        }
    }
}
