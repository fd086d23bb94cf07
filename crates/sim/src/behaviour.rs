//! Nodes that misbehave: how, and what they remember for it.

use std::collections::VecDeque;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use vision_primitives::Block;

/// How a node misbehaves.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Behaviour {
    /// It signs two blocks for one parent, and sends each to half of its peers.
    Equivocates,
    /// It releases its blocks seconds or minutes after it has made them.
    Withholds,
    /// It claims a higher and heavier chain than there is.
    LiesAboutHeight,
    /// It sends headers and transactions that nobody can use.
    Floods,
    /// It sends old blocks again and again.
    Replays,
}

impl Behaviour {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Equivocates, Self::Withholds, Self::LiesAboutHeight, Self::Floods, Self::Replays];
}

/// Most blocks withheld at a time.
pub(crate) const MAX_WITHHELD: usize = 64;

/// What a misbehaving node remembers.
#[derive(Default)]
pub(crate) struct Evil {
    pub withheld: VecDeque<Arc<Block>>,
}
