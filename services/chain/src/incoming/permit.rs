//! The room that a transaction takes while it is verified and stored.

use tokio::sync::OwnedSemaphorePermit;
use vision_host::metrics::Gauge;

/// Counted while it is held, and given back when the transaction has come through.
pub(crate) struct Permit {
    _room: OwnedSemaphorePermit,
    depth: Gauge,
}

impl Permit {
    /// Counts it from now on.
    pub(crate) fn new(room: OwnedSemaphorePermit, depth: &Gauge) -> Self {
        depth.inc();
        Self { _room: room, depth: depth.clone() }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.depth.dec();
    }
}
