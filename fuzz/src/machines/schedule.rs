//! Whatever pools and timing: every lap deals each slot to somebody and to nobody twice, windows follow each
//! other, and all ways to ask for an owner agree.

use std::collections::BTreeSet;

use arbitrary::Arbitrary;
use vision_primitives::{Hash, NodeId, Pool, Slot, TimestampMs, hash};
use vision_schedule::{Schedule, ScheduleError, SlotError, SlotTiming};

use crate::{Few, input};

/// So that a case is short.
const MAX_IDS: u8 = 24;

#[derive(Arbitrary, Debug)]
struct Input {
    seed: [u8; 32],
    active: u8,
    registered: u8,
    parent: u64,
    timing: Timing,
    slots: Few<u64>,
    stamp: u64,
}

#[derive(Arbitrary, Debug)]
enum Timing {
    Usual { backups: u8, timeout_ms: u16, jitter_ms: u8 },
    Any { block_interval_ms: u64, claim_timeout_ms: u64, main_slots: u64, jitter: [u64; 2] },
}

fn timing(timing: &Timing) -> SlotTiming {
    match *timing {
        Timing::Usual { backups, timeout_ms, jitter_ms } => SlotTiming {
            block_interval_ms: 2_000,
            claim_timeout_ms: u64::from(timeout_ms),
            main_slots: 1 + u64::from(backups % 30),
            jitter_min_ms: 0,
            jitter_max_ms: u64::from(jitter_ms),
        },
        Timing::Any { block_interval_ms, claim_timeout_ms, main_slots, jitter } => SlotTiming {
            block_interval_ms,
            claim_timeout_ms,
            main_slots: main_slots % 2_000,
            jitter_min_ms: jitter[0],
            jitter_max_ms: jitter[1],
        },
    }
}

fn pool(len: u8, kind: u8) -> Pool {
    Pool::new((0..len % MAX_IDS).map(|at| hash(&[&[at % 16, kind]])))
}

/// Each owns one slot of a lap.
fn check_lap(schedule: &Schedule, pool: &Pool, from: Slot) {
    let lap: Vec<NodeId> = schedule.owners(from).take(pool.len()).map(|(_, owner)| owner).collect();
    let distinct: BTreeSet<NodeId> = lap.iter().copied().collect();
    assert_eq!(distinct.into_iter().collect::<Vec<_>>(), pool.ids());
}

fn check_slot(schedule: &Schedule, slot: Slot, stamp: TimestampMs) {
    let window = schedule.window(slot);
    assert_eq!(window.owner, schedule.owner(slot));
    assert_eq!(schedule.owners(slot).next(), Some((slot, window.owner)));
    let SlotTiming { jitter_min_ms, jitter_max_ms, .. } = *schedule.timing();
    assert!((jitter_min_ms..jitter_max_ms).contains(&window.jitter_ms));
    let start = schedule.start(slot);
    assert!(start <= window.opens_at && window.opens_at <= window.closes_at);
    let is_at_the_end = window.closes_at == TimestampMs(u64::MAX);
    assert!(is_at_the_end || window.opens_at < window.closes_at, "there is room for a stamp");
    if !is_at_the_end {
        assert_eq!(schedule.slot_at(start), slot);
        assert_eq!(schedule.check(slot, &window.owner, window.opens_at), Ok(()));
    }
    let is_in = (window.opens_at..window.closes_at).contains(&stamp);
    assert_eq!(schedule.check(slot, &window.owner, stamp).is_ok(), is_in);
    let stranger = schedule.check(slot, &Hash::ZERO, stamp);
    assert!(matches!(stranger, Err(SlotError::NotOwner { .. })));
    let drawing = schedule.drawing(slot);
    assert!(drawing.place <= drawing.picked);
}

pub(crate) fn run(bytes: &[u8]) {
    let Some(input) = input::<Input>(bytes) else { return };
    let (timing, parent) = (timing(&input.timing), TimestampMs(input.parent));
    let (active, registered) = (pool(input.active, 0), pool(input.registered, input.active % 2));
    let schedule = match Schedule::new(Hash(input.seed), active.clone(), registered.clone(), parent, timing) {
        Ok(schedule) => schedule,
        Err(ScheduleError::EmptyPool) => return assert!(active.is_empty() && registered.is_empty()),
        Err(error) => return assert!(!error.to_string().is_empty()),
    };
    let main = if active.is_empty() { &registered } else { &active };
    let tail = if registered.is_empty() { &active } else { &registered };
    let m = timing.main_slots;
    if m >= main.len() as u64 {
        check_lap(&schedule, main, Slot(0));
    }
    check_lap(&schedule, tail, Slot(m));
    check_lap(&schedule, tail, Slot(m + tail.len() as u64));

    let slots: Vec<Slot> = input.slots.0.iter().copied().map(Slot).collect();
    slots.iter().for_each(|slot| check_slot(&schedule, *slot, TimestampMs(input.stamp)));
    (0..m.min(8) + 2).for_each(|slot| check_slot(&schedule, Slot(slot), TimestampMs(input.stamp)));
    let windows: Vec<_> = slots.iter().map(|slot| schedule.window(*slot)).collect();
    assert_eq!(schedule.windows(&slots), windows);
    assert!(schedule.cost(&slots) >= slots.iter().collect::<BTreeSet<_>>().len() as u64);
    for slot in &slots {
        let missed = schedule.missed_owners(*slot);
        assert!(missed.len() as u64 <= slot.get().min(m));
        assert!(missed.iter().all(|id| main.contains(id)));
    }
}

pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let usual = |active: u8, registered: u8| {
        let timing = [0, 0, 0, 0, 3, 0xb0, 4, 100];
        let parent = 1_700_000_000_000_u64.to_le_bytes();
        [&[7; 32][..], &[active, registered], &parent, &timing, &[1, 0, 0, 0, 0, 0, 0, 0, 9]].concat()
    };
    vec![usual(3, 3), usual(0, 5), usual(7, 0), usual(20, 23)]
}
