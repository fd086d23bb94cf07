//! What this node's sync-oracle thinks of it.

/// A verdict of the oracle older than this does not count, milliseconds.
const VERDICT_MAX_AGE_MS: u64 = 5_000;

/// What the sync-oracle told last.
#[derive(Clone, Debug)]
pub struct Verdict {
    /// Its snapshot.
    pub snapshot: vision_wire::sync_oracle::Snapshot,
    /// When it came, by this node's clock.
    pub received_at_ms: u64,
}

impl Verdict {
    /// Whether it is recent enough to count.
    pub const fn is_fresh(&self, now_ms: u64) -> bool {
        now_ms.saturating_sub(self.received_at_ms) <= VERDICT_MAX_AGE_MS
    }
}
