//! Why the gateway could not run.

use vision_host::RandomError;
use vision_host::server::{BindError, MAX_CONNECTIONS_PER_ADDRESS, ServeError};
use vision_wire::ChannelError;

/// Why the gateway could not start or stopped by itself.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The port cannot be had.
    #[error("gateway: {0}")]
    Bind(#[from] BindError),
    /// A setting is out of range.
    #[error("[gateway] max_connections_per_address: {0} is not 1 to {MAX_CONNECTIONS_PER_ADDRESS}")]
    ConnectionsPerAddress(usize),
    /// A URL of the configuration.
    #[error("gateway: {0}")]
    Url(#[from] ChannelError),
    /// The server stack.
    #[error("gateway: {0}")]
    Serve(#[from] ServeError),
    /// No randomness for trace ids.
    #[error("gateway: {0}")]
    Random(#[from] RandomError),
}

impl Error {
    /// Whether a setting can be right nowhere: exit code 2.
    #[must_use]
    pub const fn is_usage(&self) -> bool {
        matches!(self, Self::ConnectionsPerAddress(_) | Self::Url(_))
    }
}
