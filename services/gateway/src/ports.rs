//! What the gateway needs of the services behind it.

use vision_primitives::Hash;

/// A service behind the gateway.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Neighbour {
    Chain,
    SyncOracle,
    Selection,
    Producer,
}

impl Neighbour {
    pub(crate) const ALL: [Self; 4] = [Self::Chain, Self::SyncOracle, Self::Selection, Self::Producer];

    /// Its name in errors and readiness.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Chain => "chain",
            Self::SyncOracle => "sync-oracle",
            Self::Selection => "selection",
            Self::Producer => "producer",
        }
    }
}

/// What all nodes of the chain share, and this node's id.
#[derive(Debug)]
pub(crate) struct ChainInfo {
    pub(crate) chain_id: String,
    pub(crate) genesis_hash: Hash,
    pub(crate) node_id: String,
}

/// Which block.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum BlockId {
    Height(u64),
    Hash(Hash),
}

/// Which way a list of blocks goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Stretch {
    /// From this height upward.
    From(u64),
    /// Below this height, newest first.
    Before(u64),
}
