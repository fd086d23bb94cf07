//! Nodes that misbehave: how, and what they remember for it.

use std::collections::VecDeque;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use vision_block_tree::BlockTree;
use vision_primitives::{Block, Hash};

use crate::disk::SignerStore;

/// How a node misbehaves.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Behaviour {
    /// It signs up to four blocks for one parent, and sends different ones to different peers.
    Equivocates,
    /// It releases each of its blocks seconds or a minute later, when its window closes, to a few peers.
    Withholds,
    /// It claims a higher chain than there is.
    LiesAboutHeight,
    /// It sends headers and transactions that nobody can use.
    Floods,
    /// It sends old blocks again and again.
    Replays,
    /// It builds on the head and on older blocks, at the first instant that the rules allow or just before.
    Backdates,
    /// It grows a chain of its own, in secret, with the keys of all nodes that do this, and releases it at
    /// once. It tries many blocks for each height, until the next one is its own too.
    PrivateChain,
    /// It claims heavier tips, with headers that it has signed and blocks that nobody has.
    LiesAboutWeight,
    /// It asks for what it does not need, and answers nothing, too little, too late, or something else.
    StallsAnswers,
    /// It crashes again and again, and its signer's file is lost or an older copy of it.
    Amnesiac,
    /// It signs and sends blocks that break one rule.
    FaultyBlocks,
    /// It comes back under a new id all the time if it is no producer, calls everybody, and spreads addresses
    /// where nobody is.
    Sybil,
    /// It sends transactions, sync proofs and registrations that exclude each other to different peers.
    Conflicts,
}

impl Behaviour {
    /// All of them.
    pub const ALL: [Self; 13] = [
        Self::Equivocates,
        Self::Withholds,
        Self::LiesAboutHeight,
        Self::Floods,
        Self::Replays,
        Self::Backdates,
        Self::PrivateChain,
        Self::LiesAboutWeight,
        Self::StallsAnswers,
        Self::Amnesiac,
        Self::FaultyBlocks,
        Self::Sybil,
        Self::Conflicts,
    ];
}

/// Most blocks withheld at a time.
pub(crate) const MAX_WITHHELD: usize = 64;

/// A chain that grows in secret.
pub(crate) struct Private {
    pub tree: BlockTree,
    pub tip: Hash,
    pub blocks: Vec<Arc<Block>>,
    pub release_at_us: u64,
}

/// What a misbehaving node remembers.
#[derive(Default)]
pub(crate) struct Evil {
    pub withheld: VecDeque<Arc<Block>>,
    pub private: Option<Box<Private>>,
    /// An older copy of its signer's file.
    pub old_signer: SignerStore,
}
