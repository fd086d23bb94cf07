//! Why the chain service cannot start or go on.

use std::path::PathBuf;

use crate::store::StoreError;

/// Ends the service.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file of the home is missing or wrong.
    #[error("{}: {why}", path.display())]
    Home {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// A secret file of the home cannot be used.
    #[error(transparent)]
    HomeFile(vision_host::files::FileError),
    /// A setting is out of range.
    #[error("[chain] {field}: {why}")]
    Setting {
        /// The setting.
        field: &'static str,
        /// What is wrong with it.
        why: String,
    },
    /// The node's name is none.
    #[error("[node] name: {0}")]
    Name(String),
    /// The genesis file is not usable.
    #[error("{}: {error}", path.display())]
    Genesis {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        error: vision_primitives::GenesisError,
    },
    /// The store cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// What the store holds does not fit together.
    #[error(
        "the store is corrupt: {0}; move data/chain.redb away and start again: the node fetches the chain \
         from its peers"
    )]
    Restore(String),
    /// An address cannot be listened on.
    #[error(transparent)]
    Bind(#[from] vision_host::server::BindError),
    /// The server failed.
    #[error(transparent)]
    Serve(#[from] vision_host::server::ServeError),
    /// The thread that owns the chain has ended.
    #[error("the chain's own thread has ended: {0}")]
    Core(String),
}

impl Error {
    /// Whether starting was refused because the home is another process's or another chain's: exit code 5.
    #[must_use]
    pub const fn is_safety_refusal(&self) -> bool {
        matches!(self, Self::Store(StoreError::InUse(_) | StoreError::OtherGenesis { .. }))
    }

    /// Whether a setting can be right nowhere: exit code 2.
    #[must_use]
    pub const fn is_usage(&self) -> bool {
        matches!(self, Self::Setting { .. } | Self::Name(_))
    }
}
