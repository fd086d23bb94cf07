//! What this node's sync-oracle thinks of it.

use vision_host::Clock;
use vision_wire::sync_oracle::Snapshot;

/// A verdict of the oracle older than this does not count, milliseconds.
const VERDICT_MAX_AGE_MS: u64 = 5_000;

/// What the sync-oracle told last.
#[derive(Clone, Debug)]
pub struct Verdict {
    /// Its snapshot.
    pub snapshot: Snapshot,
    /// How old the look it tells of was when it came, milliseconds: it may have come late, as after this process was frozen.
    age_ms: u64,
    /// When it came, by the clock that never jumps.
    received_ms: u64,
}

impl Verdict {
    /// One that comes now.
    pub fn received(snapshot: Snapshot, clock: &Clock) -> Self {
        // Two processes have only the wall clock in common; from here on the other one counts.
        let age_ms = clock.now_ms().saturating_sub(snapshot.taken_at_ms);
        Self { snapshot, age_ms, received_ms: clock.monotonic_ms() }
    }

    /// Whether it is recent enough to count, by the monotonic clock.
    pub const fn is_fresh(&self, monotonic_ms: u64) -> bool {
        let since_ms = monotonic_ms.saturating_sub(self.received_ms);
        self.age_ms.saturating_add(since_ms) <= VERDICT_MAX_AGE_MS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_recent_look_counts() {
        let cases = [
            ("just now", 0, 100_000, true),
            ("as old as may be", 0, 95_000, true),
            ("too old", 0, 94_999, false),
            ("an old look that came just now", 5_001, 100_000, false),
            ("a look that was half as old when it came", 2_500, 97_500, true),
            ("and a moment later", 2_501, 97_500, false),
        ];
        for (desc, age_ms, received_ms, expect) in cases {
            let verdict = Verdict { snapshot: Snapshot::default(), age_ms, received_ms };
            assert_eq!(verdict.is_fresh(100_000), expect, "{desc}");
        }
    }

    #[test]
    fn a_look_of_the_future_grows_old_too() {
        let clock = Clock::system(0);
        // The wall clock was set back an hour after the oracle had looked.
        let snapshot = Snapshot { taken_at_ms: clock.now_ms() + 3_600_000, ..Default::default() };
        let verdict = Verdict::received(snapshot, &clock);
        let now_ms = clock.monotonic_ms();
        assert!(verdict.is_fresh(now_ms));
        assert!(!verdict.is_fresh(now_ms + VERDICT_MAX_AGE_MS + 1));
    }
}
