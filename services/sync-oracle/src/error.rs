//! Why the service did not start.

use crate::{MAX_SNAPSHOT_INTERVAL_MS, MIN_SNAPSHOT_INTERVAL_MS};

/// Why the service did not start, or stopped by itself.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A tick interval out of range.
    #[error(
        "[sync_oracle] snapshot_interval_ms is {0}, must be {MIN_SNAPSHOT_INTERVAL_MS} to \
         {MAX_SNAPSHOT_INTERVAL_MS}"
    )]
    SnapshotInterval(u64),
    /// A URL of the chain service that cannot be called.
    #[error("[sync_oracle] chain: {0}")]
    Chain(#[from] vision_wire::ChannelError),
    /// An address that cannot be listened on.
    #[error("[sync_oracle] grpc_listen: {0}")]
    Bind(#[from] vision_host::server::BindError),
    /// The server could not be put together.
    #[error(transparent)]
    Serve(#[from] vision_host::server::ServeError),
}

impl Error {
    /// Whether a setting can be right nowhere: exit code 2.
    #[must_use]
    pub const fn is_usage(&self) -> bool {
        matches!(self, Self::SnapshotInterval(_) | Self::Chain(_))
    }
}
