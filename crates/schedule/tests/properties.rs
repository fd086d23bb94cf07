//! What holds for every schedule.

use std::collections::BTreeSet;

use proptest::prelude::*;
use vision_primitives::{Hash, NodeId, Pool, Slot, TimestampMs, hash};
use vision_schedule::{Schedule, SlotError, SlotTiming, draw};

fn ids(n: u64) -> impl Iterator<Item = NodeId> {
    (0..n).map(|i| hash(&[&i.to_le_bytes()]))
}

fn timing() -> impl Strategy<Value = SlotTiming> {
    (0_u64..600_000, 100_u64..60_000, 1_u64..=64).prop_flat_map(|(interval, w, m)| {
        (0..w / 2).prop_flat_map(move |min| {
            (min + 1..=w / 2).prop_map(move |max| SlotTiming {
                block_interval_ms: interval,
                claim_timeout_ms: w,
                main_slots: m,
                jitter_min_ms: min,
                jitter_max_ms: max,
            })
        })
    })
}

fn schedule() -> impl Strategy<Value = Schedule> {
    let parent = prop_oneof![0..1_u64 << 45, u64::MAX - 1_000_000..=u64::MAX];
    (any::<[u8; 32]>(), 1_u64..40, 0_u64..40, parent, timing()).prop_map(|(seed, n, more, parent, timing)| {
        Schedule::new(Hash(seed), Pool::new(ids(n)), Pool::new(ids(n + more)), TimestampMs(parent), timing)
            .expect("a schedule")
    })
}

fn any_slot() -> impl Strategy<Value = u64> {
    prop_oneof![0_u64..200, any::<u64>(), u64::MAX - 10..=u64::MAX]
}

proptest! {
    #[test]
    fn each_id_owns_one_slot_of_a_lap(seed: [u8; 32], active in 1_u64..30, more in 0_u64..30, m in 1_u64..65,
    lap in 0_u64..1 << 50) {
        let timing = SlotTiming {
            block_interval_ms: 0, claim_timeout_ms: 100, main_slots: m, jitter_min_ms: 0, jitter_max_ms: 1,
        };
        let registered = active + more;
        let schedule = Schedule::new(
            Hash(seed), Pool::new(ids(active)), Pool::new(ids(registered)), TimestampMs(0), timing,
        ).expect("a schedule");
        let all: BTreeSet<_> = ids(registered).collect();
        let first = m + lap * registered;
        let owners: BTreeSet<_> = (first..first + registered).map(|k| schedule.owner(Slot(k))).collect();
        prop_assert_eq!(&owners, &all, "a lap of the tail");

        let main: Vec<_> = (0..m).map(|k| schedule.owner(Slot(k))).collect();
        for lap in main.chunks(active as usize) {
            let distinct: BTreeSet<_> = lap.iter().collect();
            prop_assert_eq!(distinct.len(), lap.len(), "a lap of the main slots, perhaps cut short");
        }
        let active: BTreeSet<_> = ids(active).collect();
        prop_assert!(main.iter().all(|id| active.contains(id)));
    }

    #[test]
    fn walking_and_asking_agree(schedule in schedule(), from in any_slot()) {
        for (k, owner) in schedule.owners(Slot(from)).take(50) {
            prop_assert_eq!(schedule.owner(k), owner);
        }
    }

    #[test]
    fn many_slots_at_once_are_the_same_slots(schedule in schedule(),
    slots in prop::collection::vec(any_slot(), 0..40)) {
        let slots: Vec<_> = slots.into_iter().map(Slot).collect();
        let one_by_one: Vec<_> = slots.iter().map(|slot| schedule.window(*slot)).collect();
        prop_assert_eq!(schedule.windows(&slots), one_by_one);
    }

    #[test]
    fn an_instant_lies_in_the_slot_found(schedule in schedule(), ahead in prop_oneof![0_u64..10_000_000,
    any::<u64>()]) {
        let now = schedule.start(Slot(0)).plus_ms(ahead);
        prop_assume!(now < TimestampMs(u64::MAX));
        let slot = schedule.slot_at(now);
        prop_assert!(schedule.start(slot) <= now && now < schedule.window(slot).closes_at);
        prop_assert_eq!(schedule.slot_at(TimestampMs(0)), Slot(0));
    }

    #[test]
    fn check_accepts_exactly_the_window(schedule in schedule(), slot in any_slot(), at in any::<u64>()) {
        let slot = Slot(slot);
        let window = schedule.window(slot);
        prop_assert_eq!(window.opens_at, schedule.start(slot).plus_ms(schedule.jitter_ms(&window.owner)));
        let edges = [window.opens_at.get(), window.closes_at.get()];
        let near = edges.into_iter().flat_map(|e| [e.saturating_sub(1), e, e.saturating_add(1)]);
        for stamp in near.chain([0, at, u64::MAX]) {
            let inside = window.opens_at.get() <= stamp && stamp < window.closes_at.get();
            let verdict = schedule.check(slot, &window.owner, TimestampMs(stamp));
            prop_assert_eq!(verdict.is_ok(), inside, "{:?}", verdict);
            if inside {
                prop_assert_eq!(schedule.slot_at(TimestampMs(stamp)), slot);
            }
            let stranger = schedule.check(slot, &hash(&[b"stranger"]), TimestampMs(stamp));
            let not_owner = matches!(stranger, Err(SlotError::NotOwner { .. }));
            prop_assert!(not_owner);
        }
    }

    #[test]
    fn drawings_lead_to_the_owners(seed: [u8; 32], n in 1_u64..40, more in 0_u64..20, timing in timing()) {
        let (active, registered) = (Pool::new(ids(n)), Pool::new(ids(n + more)));
        let schedule = Schedule::new(Hash(seed), active.clone(), registered.clone(), TimestampMs(0), timing)
            .expect("a schedule");
        let m = timing.main_slots;
        for (base, end, pool) in [(0, m, active.ids().to_vec()), (m, m + 100, registered.ids().to_vec())] {
            let mut lap = pool.clone();
            for slot in base..end {
                let drawing = schedule.drawing(Slot(slot));
                let at = (slot - base) as usize;
                prop_assert_eq!(drawing.number, draw(&Hash(seed), slot).first_u64());
                prop_assert_eq!((drawing.lap as usize, drawing.place as usize), (at / pool.len(),
                at % pool.len()));
                if drawing.place == 0 {
                    lap.clone_from(&pool);
                }
                lap.swap(drawing.place as usize, drawing.picked as usize);
                prop_assert_eq!(lap[drawing.place as usize], schedule.owner(Slot(slot)));
            }
        }
    }

    #[test]
    fn missed_owners_are_those_passed_over(schedule in schedule(), slot in any_slot()) {
        let missed = schedule.missed_owners(Slot(slot));
        let passed: BTreeSet<_> =
            (0..slot.min(schedule.timing().main_slots)).map(|k| schedule.owner(Slot(k))).collect();
        prop_assert_eq!(missed.len(), passed.len(), "no id twice");
        prop_assert_eq!(missed.into_iter().collect::<BTreeSet<_>>(), passed);
    }
}

#[test]
fn what_makes_no_schedule() {
    let good = SlotTiming {
        block_interval_ms: 0,
        claim_timeout_ms: 100,
        main_slots: 7,
        jitter_min_ms: 0,
        jitter_max_ms: 50,
    };
    let (none, some) = (Pool::new([]), Pool::new(ids(3)));
    let cases = [
        ("nobody", &none, good, Some("both the active and the registered pool are empty")),
        ("m = 0", &some, SlotTiming { main_slots: 0, ..good }, Some("main_slots is 0, must be 1 to 1024")),
        (
            "no jitter",
            &some,
            SlotTiming { jitter_min_ms: 50, ..good },
            Some("jitter_min_ms is 50, must be less than jitter_max_ms"),
        ),
        (
            "jitter past the slot",
            &some,
            SlotTiming { jitter_max_ms: 101, ..good },
            Some("jitter_max_ms is 101, must be at most claim_timeout_ms"),
        ),
        ("good", &some, good, None),
    ];
    for (desc, pool, timing, expect) in cases {
        let made = Schedule::new(Hash::ZERO, pool.clone(), pool.clone(), TimestampMs(0), timing);
        assert_eq!(made.err().map(|e| e.to_string()).as_deref(), expect, "{desc}");
    }
}

#[test]
fn the_cost_counts_each_lap_once() {
    let timing = SlotTiming {
        block_interval_ms: 0,
        claim_timeout_ms: 100,
        main_slots: 7,
        jitter_min_ms: 0,
        jitter_max_ms: 50,
    };
    let pool = Pool::new(ids(10));
    let schedule = Schedule::new(Hash::ZERO, pool.clone(), pool, TimestampMs(0), timing).expect("a schedule");
    let cases: [(&[u64], u64); 7] = [
        (&[], 0),
        (&[0], 1),
        (&[6, 2, 6], 7),
        (&[7], 1),
        (&[16, 7, 10], 10),
        (&[6, 16, 17], 7 + 10 + 1),
        (&[u64::MAX, u64::MAX], (u64::MAX - 7) % 10 + 1),
    ];
    for (slots, expect) in cases {
        let slots: Vec<_> = slots.iter().copied().map(Slot).collect();
        assert_eq!(schedule.cost(&slots), expect, "{slots:?}");
    }
}

#[test]
fn an_empty_pool_stands_aside_for_the_other() {
    let timing = SlotTiming {
        block_interval_ms: 0,
        claim_timeout_ms: 100,
        main_slots: 7,
        jitter_min_ms: 0,
        jitter_max_ms: 50,
    };
    let make = |active: u64, registered: u64| {
        let pools = (Pool::new(ids(active)), Pool::new(ids(registered)));
        Schedule::new(Hash::ZERO, pools.0, pools.1, TimestampMs(0), timing).expect("a schedule")
    };
    let owners = |s: &Schedule| s.owners(Slot(0)).take(40).collect::<Vec<_>>();
    assert_eq!(owners(&make(0, 5)), owners(&make(5, 5)));
    assert_eq!(owners(&make(5, 0)), owners(&make(5, 5)));
    assert_ne!(owners(&make(4, 5)), owners(&make(5, 5)));
}
