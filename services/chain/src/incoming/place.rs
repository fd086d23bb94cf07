//! A transaction's place on the way.

use tokio::sync::OwnedSemaphorePermit;
use vision_host::metrics::Gauge;

/// Counted while it is held, and given back when the transaction has come through.
pub(crate) struct Place {
    _room: OwnedSemaphorePermit,
    depth: Gauge,
}

impl Place {
    /// Counts it from now on.
    pub(crate) fn new(room: OwnedSemaphorePermit, depth: &Gauge) -> Self {
        depth.inc();
        Self { _room: room, depth: depth.clone() }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.depth.dec();
    }
}
