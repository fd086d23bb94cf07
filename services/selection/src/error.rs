//! Why the service did not start.

/// Why the service did not start, or stopped by itself.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// An address that cannot be listened on.
    #[error("[selection] grpc_listen: {0}")]
    Bind(#[from] vision_host::server::BindError),
    /// The server could not be put together.
    #[error(transparent)]
    Serve(#[from] vision_host::server::ServeError),
}
