//! What is known of the slots of one height.

use vision_primitives::{NodeId, Slot, TimestampMs};
use vision_schedule::{SlotTiming, SlotWindow};

/// Tail slots asked for at once.
pub const LOOKAHEAD_SLOTS: u64 = 64;

/// Owners and windows: of all main slots, and of a stretch of the tail once that is near.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) main: Vec<SlotWindow>,
    tail: Vec<SlotWindow>,
    pub(crate) active: bool,
    pub(crate) active_pool_size: u64,
}

impl Plan {
    /// Sorts an answer into a plan, keeping what `old` knows besides.
    pub(crate) fn learn(
        old: Option<Self>,
        slots: Vec<SlotWindow>,
        timing: &SlotTiming,
        active: bool,
        active_pool_size: u64,
    ) -> Self {
        let (main, tail): (Vec<_>, Vec<_>) =
            slots.into_iter().partition(|w| w.slot.get() < timing.main_slots);
        let (old_main, old_tail) = old.map(|old| (old.main, old.tail)).unwrap_or_default();
        Self {
            main: if main.is_empty() { old_main } else { main },
            tail: if tail.is_empty() { old_tail } else { tail },
            active,
            active_pool_size,
        }
    }

    /// The first slot of `me` that is not over.
    pub(crate) fn next_own(&self, me: &NodeId, now: TimestampMs) -> Option<&SlotWindow> {
        self.main.iter().chain(&self.tail).find(|w| w.owner == *me && now < w.closes_at)
    }

    /// The lowest main slot of `me`.
    pub(crate) fn my_slot(&self, me: &NodeId) -> Option<Slot> {
        self.main.iter().find(|w| w.owner == *me).map(|w| w.slot)
    }

    /// Start of the slot in which more of the tail must be asked for.
    pub(crate) fn runs_out_at(&self, timing: &SlotTiming, parent: TimestampMs) -> TimestampMs {
        let last = self.tail.last().map_or(Slot(timing.main_slots - 1), |w| w.slot);
        timing.start(parent, last)
    }

    fn covers_tail(&self, from: u64) -> bool {
        match (self.tail.first(), self.tail.last()) {
            (Some(first), Some(last)) => first.slot.get() <= from && from < last.slot.get(),
            _ => false,
        }
    }
}

/// The slots to ask for now; empty when enough is known. The tail is asked for when the last main slot
/// begins, wherever in it the clock stands: a chain that stood still for an hour goes on from there.
pub(crate) fn missing(
    plan: Option<&Plan>,
    timing: &SlotTiming,
    parent: TimestampMs,
    now: TimestampMs,
) -> Vec<Slot> {
    let current = timing.slot_at(parent, now).get();
    let m = timing.main_slots;
    let mut wanted: Vec<Slot> = Vec::new();
    if plan.is_none() {
        wanted.extend((0..m).map(Slot));
    }
    if current.saturating_add(1) >= m {
        let from = current.max(m);
        if !plan.is_some_and(|plan| plan.covers_tail(from)) {
            wanted.extend((from..from.saturating_add(LOOKAHEAD_SLOTS)).map(Slot));
        }
    }
    wanted
}

#[cfg(test)]
mod tests {
    use vision_primitives::{ConsensusParams, Hash, Pool, hash};
    use vision_schedule::Schedule;

    use super::*;

    #[test]
    fn asks_for_what_it_needs_and_no_more() {
        let timing = SlotTiming::from(&ConsensusParams::default());
        let pool = Pool::new([hash(&[b"a"]), hash(&[b"b"])]);
        let schedule = Schedule::new(Hash::ZERO, pool.clone(), pool, TimestampMs(0), timing).unwrap();
        let answer = |slots: &[Slot]| slots.iter().map(|k| schedule.window(*k)).collect::<Vec<_>>();
        let at = |slot: u64| schedule.start(Slot(slot));
        let parent = TimestampMs(0);

        let first = missing(None, &timing, parent, at(0));
        assert_eq!(first, (0..7).map(Slot).collect::<Vec<_>>());
        let plan = Plan::learn(None, answer(&first), &timing, true, 2);
        assert!(missing(Some(&plan), &timing, parent, at(5)).is_empty());
        assert_eq!(plan.runs_out_at(&timing, parent), at(6));

        let more = missing(Some(&plan), &timing, parent, at(6));
        assert_eq!(more, (7..71).map(Slot).collect::<Vec<_>>());
        let plan = Plan::learn(Some(plan), answer(&more), &timing, true, 2);
        assert_eq!(plan.main.len(), 7, "the main slots are kept");
        for (desc, slot, expect) in [
            ("inside", 69, None),
            ("last one known", 70, Some(70)),
            ("far ahead", 5_000, Some(5_000)),
            ("the clock jumped back", 3, None),
        ] {
            let asked = missing(Some(&plan), &timing, parent, at(slot));
            assert_eq!(asked.first().map(|s| s.get()), expect, "{desc}");
        }
        let hour = missing(None, &timing, parent, TimestampMs(3_600_000));
        assert_eq!(hour.len() as u64, 7 + LOOKAHEAD_SLOTS);
        assert_eq!(hour[7], schedule.slot_at(TimestampMs(3_600_000)));
    }
}
