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
    /// Whether it is recent enough to count. One that came late, as after this process was frozen, is as old as the look it
    /// tells of.
    pub fn is_fresh(&self, now_ms: u64) -> bool {
        let at_ms = self.received_at_ms.min(self.snapshot.taken_at_ms);
        now_ms.saturating_sub(at_ms) <= VERDICT_MAX_AGE_MS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_recent_look_counts() {
        let cases = [
            ("just now", 100_000, 100_000, true),
            ("as old as may be", 95_000, 100_000, true),
            ("too old", 94_999, 100_000, false),
            ("an old look that came just now", 90_000, 99_999, false),
            ("a look of the future, by a clock set back", 200_000, 99_999, true),
        ];
        for (desc, taken_at_ms, received_at_ms, expect) in cases {
            let snapshot = vision_wire::sync_oracle::Snapshot { taken_at_ms, ..Default::default() };
            assert_eq!(Verdict { snapshot, received_at_ms }.is_fresh(100_000), expect, "{desc}");
        }
    }
}
