//! The parameters that shape a schedule in time.

use vision_primitives::{ConsensusParams, Slot, TimestampMs};

use crate::ScheduleError;

/// How many times longer a tail slot is than one of the first m.
const TAIL_FACTOR: u64 = 4;
/// Most primary and backup slots; their owners are kept in memory.
const MAX_MAIN_SLOTS: u64 = 1024;

/// Lengths and numbers that a schedule takes from the consensus parameters.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SlotTiming {
    /// Parent's time stamp to the start of slot 0, milliseconds.
    pub block_interval_ms: u64,
    /// W: length of one of the first m slots, milliseconds; a tail slot lasts four times as long.
    pub claim_timeout_ms: u64,
    /// m: the primary and its backups.
    pub main_slots: u64,
    /// Least jitter, milliseconds.
    pub jitter_min_ms: u64,
    /// End of the jitter's range (exclusive), milliseconds.
    pub jitter_max_ms: u64,
}

impl From<&ConsensusParams> for SlotTiming {
    fn from(params: &ConsensusParams) -> Self {
        Self {
            block_interval_ms: params.block_interval_ms,
            claim_timeout_ms: params.claim_timeout_ms,
            main_slots: params.main_slots(),
            jitter_min_ms: params.jitter_min_ms,
            jitter_max_ms: params.jitter_max_ms,
        }
    }
}

impl SlotTiming {
    /// Checks that every window has room for a stamp. Wider than the ranges of the consensus
    /// parameters, which it does not repeat.
    pub(crate) const fn check(&self) -> Result<(), ScheduleError> {
        let (field, value, needed) = if self.main_slots == 0 || self.main_slots > MAX_MAIN_SLOTS {
            ("main_slots", self.main_slots, "1 to 1024")
        } else if self.jitter_min_ms >= self.jitter_max_ms {
            ("jitter_min_ms", self.jitter_min_ms, "less than jitter_max_ms")
        } else if self.jitter_max_ms > self.claim_timeout_ms {
            ("jitter_max_ms", self.jitter_max_ms, "at most claim_timeout_ms")
        } else {
            return Ok(());
        };
        Err(ScheduleError::Timing { field, value, needed })
    }

    /// Start of slot k on a parent: `parent + I + W * min(k, m) + 4 * W * max(0, k - m)`, saturating.
    #[must_use]
    pub fn start(&self, parent: TimestampMs, slot: Slot) -> TimestampMs {
        let main = slot.get().min(self.main_slots);
        let tail = slot.get().saturating_sub(self.main_slots);
        let tail_ms = self.claim_timeout_ms.saturating_mul(TAIL_FACTOR).saturating_mul(tail);
        parent
            .plus_ms(self.block_interval_ms)
            .plus_ms(self.claim_timeout_ms.saturating_mul(main))
            .plus_ms(tail_ms)
    }

    /// End of a slot: the start of the one after it, or the end of time after the last.
    #[must_use]
    pub fn end(&self, parent: TimestampMs, slot: Slot) -> TimestampMs {
        slot.get().checked_add(1).map_or(TimestampMs(u64::MAX), |next| self.start(parent, Slot(next)))
    }

    /// The slot that holds an instant; 0 before the start of slot 0.
    #[must_use]
    pub fn slot_at(&self, parent: TimestampMs, now: TimestampMs) -> Slot {
        let elapsed = now.since_ms(self.start(parent, Slot(0)));
        let main_ms = self.claim_timeout_ms.saturating_mul(self.main_slots);
        // W is at least 1: jitter_min < jitter_max <= W.
        let w = self.claim_timeout_ms.max(1);
        Slot(match elapsed.checked_sub(main_ms) {
            None => elapsed / w,
            Some(tail_ms) => self.main_slots.saturating_add(tail_ms / w.saturating_mul(TAIL_FACTOR)),
        })
    }
}
