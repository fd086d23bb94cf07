//! Who a node is, and what its wall clock shows.

use vision_primitives::{NodeId, SecretKey};

use crate::scenario::WALL_MS;

/// Who a node is.
pub(crate) struct Who {
    pub index: usize,
    pub key: SecretKey,
    pub id: NodeId,
    /// Whether it misbehaves: its promises are not counted on.
    pub honest: bool,
}

/// A node's wall clock.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct WallClock {
    /// How far it is ahead, milliseconds.
    pub offset_ms: i64,
    /// How much it gains, millionths.
    pub drift_ppm: i64,
    /// Since when, microseconds.
    pub drift_since_us: u64,
}

impl WallClock {
    pub(crate) fn now_ms(&self, now_us: u64) -> u64 {
        let gained_us = i128::from(self.drift_ppm) * i128::from(now_us - self.drift_since_us) / 1_000_000;
        let ahead_ms = i64::try_from(gained_us / 1000).unwrap_or_default() + self.offset_ms;
        (WALL_MS + now_us / 1000).saturating_add_signed(ahead_ms)
    }
}
