//! What this node's sync-oracle thinks of it.

use vision_host::Clock;
use vision_host::text::cut_to;
use vision_wire::sync_oracle::{Snapshot, SyncState};

/// A verdict of the oracle older than this does not count, milliseconds.
const VERDICT_MAX_AGE_MS: u64 = 5_000;

/// Most characters of a reason that are shown.
const MAX_BECAUSE_CHARS: usize = 400;

/// What is said while the sync-oracle says nothing.
pub(crate) const ORACLE_SILENT: &str =
    "ORACLE_SILENT: the sync-oracle has been silent for 5 s: start it or read its log";

/// What the sync-oracle last reported.
#[derive(Clone, Debug)]
pub(crate) struct Verdict {
    /// Its snapshot.
    pub snapshot: Snapshot,
    /// Why this node makes no block, be it the oracle's reason or the producer's; empty if it may.
    makes_no_block_because: String,
    /// How old the look it reports on was when it came, milliseconds: it may have come late, as after this
    /// process was frozen.
    age_ms: u64,
    /// When it came, by the clock that never jumps.
    received_ms: u64,
}

impl Verdict {
    /// One that comes now.
    pub(crate) fn received(snapshot: Snapshot, makes_no_block_because: String, clock: &Clock) -> Self {
        // Two processes have only the wall clock in common; from here on the other one counts.
        let age_ms = clock.now_ms().saturating_sub(snapshot.taken_at_ms);
        // An oracle that knows nothing of the producer reports its own reason alone.
        let because = match makes_no_block_because.is_empty() {
            true => &snapshot.not_eligible_because,
            false => &makes_no_block_because,
        };
        let makes_no_block_because = cut_to(because, MAX_BECAUSE_CHARS);
        Self { snapshot, makes_no_block_because, age_ms, received_ms: clock.monotonic_ms() }
    }

    /// Why this node makes no block by what was reported last (empty if it may), and how many peers count for
    /// it.
    pub(crate) fn word(last: Option<&Self>, monotonic_ms: u64) -> (&str, u64) {
        match last.filter(|verdict| verdict.is_fresh(monotonic_ms)) {
            None => (ORACLE_SILENT, 0),
            Some(verdict) => (&verdict.makes_no_block_because, verdict.snapshot.ready_peers),
        }
    }

    /// Until when, by the monotonic clock and included, this node may call a block LATE (section 5): it is at
    /// the tip and has ready peers.
    pub(crate) fn in_sync_until_ms(&self) -> Option<u64> {
        let at_tip = matches!(self.snapshot.state(), SyncState::AtTip | SyncState::TooFarAhead);
        let counts_for_ms = VERDICT_MAX_AGE_MS.checked_sub(self.age_ms)?;
        (at_tip && self.snapshot.ready_peers > 0).then(|| self.received_ms.saturating_add(counts_for_ms))
    }

    /// Whether it is recent enough to count, by the monotonic clock.
    pub(crate) const fn is_fresh(&self, monotonic_ms: u64) -> bool {
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
            let (snapshot, makes_no_block_because) = (Snapshot::default(), String::new());
            let verdict = Verdict { snapshot, makes_no_block_because, age_ms, received_ms };
            assert_eq!(verdict.is_fresh(100_000), expect, "{desc}");
        }
    }

    #[test]
    fn a_block_is_late_only_for_a_node_at_the_tip_with_peers_as_long_as_the_verdict_counts() {
        let cases = [
            ("at the tip", SyncState::AtTip, 1, 1_000, Some(104_000)),
            ("too far ahead", SyncState::TooFarAhead, 1, 0, Some(105_000)),
            ("behind", SyncState::Behind, 1, 0, None),
            ("alone", SyncState::AtTip, 0, 0, None),
            ("as old as may be", SyncState::AtTip, 1, VERDICT_MAX_AGE_MS, Some(100_000)),
            ("too old", SyncState::AtTip, 1, VERDICT_MAX_AGE_MS + 1, None),
        ];
        for (desc, state, ready_peers, age_ms, expect) in cases {
            let snapshot = Snapshot { state: state.into(), ready_peers, ..Default::default() };
            let makes_no_block_because = String::new();
            let verdict = Verdict { snapshot, makes_no_block_because, age_ms, received_ms: 100_000 };
            assert_eq!(verdict.in_sync_until_ms(), expect, "{desc}");
            if let Some(until_ms) = expect {
                assert!(verdict.is_fresh(until_ms) && !verdict.is_fresh(until_ms + 1), "{desc}");
            }
        }
    }

    #[test]
    fn a_look_of_the_future_grows_old_too() {
        let clock = Clock::system(0);
        // The wall clock was set back an hour after the oracle had looked.
        let snapshot = Snapshot { taken_at_ms: clock.now_ms() + 3_600_000, ..Default::default() };
        let verdict = Verdict::received(snapshot, String::new(), &clock);
        let now_ms = clock.monotonic_ms();
        assert!(verdict.is_fresh(now_ms));
        assert!(!verdict.is_fresh(now_ms + VERDICT_MAX_AGE_MS + 1));
    }

    #[test]
    fn the_last_word_is_the_producers_if_the_oracle_has_none_and_grows_old() {
        let clock = Clock::system(0);
        let reported = |oracle: &str, joined: &str| {
            let snapshot = Snapshot {
                taken_at_ms: clock.now_ms(),
                not_eligible_because: oracle.into(),
                ready_peers: 2,
                ..Default::default()
            };
            Verdict::received(snapshot, joined.into(), &clock)
        };
        let cases = [
            (None, 0, (ORACLE_SILENT, 0)),
            (Some(reported("", "")), 0, ("", 2)),
            (Some(reported("BEHIND: 9", "")), 0, ("BEHIND: 9", 2)),
            (Some(reported("", "SIGNING_FLOOR: 5")), 0, ("SIGNING_FLOOR: 5", 2)),
            (Some(reported("BEHIND: \u{1b}[2J", "")), 0, ("BEHIND: ?[2J", 2)),
            (Some(reported("", "")), VERDICT_MAX_AGE_MS + 1_000, (ORACLE_SILENT, 0)),
        ];
        for (verdict, later_ms, expect) in cases {
            let now_ms = clock.monotonic_ms() + later_ms;
            assert_eq!(Verdict::word(verdict.as_ref(), now_ms), expect, "{verdict:?}");
        }
    }
}
