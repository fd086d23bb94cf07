//! The five services of a node by name.

/// One of the services of a node.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Service {
    /// Blocks, state, peers.
    Chain,
    /// Proof-of-Sync.
    SyncOracle,
    /// Slots.
    Selection,
    /// The key and the acts.
    Producer,
    /// REST.
    Gateway,
}

impl Service {
    /// All of them, callees before callers.
    pub const ALL: [Self; 5] =
        [Self::Chain, Self::SyncOracle, Self::Selection, Self::Producer, Self::Gateway];

    /// Its name on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Chain => "chain",
            Self::SyncOracle => "sync-oracle",
            Self::Selection => "selection",
            Self::Producer => "producer",
            Self::Gateway => "gateway",
        }
    }

    /// Its section of `config.toml`.
    pub const fn section(self) -> &'static str {
        match self {
            Self::SyncOracle => "sync_oracle",
            other => other.name(),
        }
    }
}
