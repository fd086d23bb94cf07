//! What the machine does in each situation.

mod support;

use std::sync::Arc;

use support::{T0, World, block, commit, head, id, prepare, schedule, submit};
use vision_authoring::{Blocked, Failure, Head, Input, Output, Proposal, SNAPSHOT_FRESH_MS};
use vision_primitives::{Slot, TimestampMs, hash};
use vision_schedule::SlotWindow;

/// A head on which node 0 owns this slot among three.
fn head_where_mine_is(slot: u64) -> (Head, SlotWindow) {
    (0..)
        .map(|i| head(5, &format!("try {i}"), T0))
        .find_map(|head| {
            let schedule = schedule(&head, 3);
            let first = schedule.owners(Slot(0)).find(|(_, owner)| *owner == id(0));
            (first?.0 == Slot(slot)).then(|| (head, schedule.window(Slot(slot))))
        })
        .expect("there are many heads")
}

/// Brings the world to the point where the block of the head is to be submitted.
fn up_to_submit(world: &mut World, head: Head, window: &SlotWindow) -> (vision_authoring::Op, Arc<Proposal>) {
    world.follow(head);
    let wait = window.opens_at.since_ms(TimestampMs(world.wall_ms));
    world.pass(wait);
    let (op, ask) = prepare(&world.tick()).expect("its slot is open");
    let out = world.take(Input::Prepared { op, proposal: block(&ask, 0) });
    let (op, _) = commit(&out).expect("the claim comes first");
    assert!(submit(&out).is_none());
    submit(&world.take(Input::Committed { op })).expect("then the block")
}

#[test]
fn a_block_from_the_wait_to_the_success() {
    for (slot, expect) in [(0, "waiting 6/0"), (2, "waiting 6/2")] {
        let (head, window) = head_where_mine_is(slot);
        let mut world = World::new(3);
        assert_eq!(prepare(&world.follow(head)), None, "too early");
        assert_eq!(world.machine.wake_at(world.now()), Some(window.opens_at));
        world.pass(window.opens_at.get() - T0 - 1);
        assert_eq!(prepare(&world.take(Input::Tick)), None, "one millisecond too early");
        world.take(Input::Snapshot { eligible: true, age_ms: 0 });
        world.pass(1);
        let (op, ask) = prepare(&world.take(Input::Tick)).expect("now");
        assert_eq!((ask.parent, ask.window, ask.stamp), (head, window, window.opens_at));
        assert_eq!(prepare(&world.tick()), None, "not again");

        let proposal = block(&ask, 0);
        let (op, _) =
            commit(&world.take(Input::Prepared { op, proposal: proposal.clone() })).expect("a claim");
        let (op, submitted) = submit(&world.take(Input::Committed { op })).expect("a block");
        assert_eq!(submitted, proposal);
        let answer =
            Input::Submitted { op, proposal: submitted, became_head: true, sent_to: 2, send_failed: 1 };
        assert_eq!(world.take(answer), [Output::MarkDone { block: proposal.hash }]);
        assert!(world.tick().is_empty(), "done");
        let slot = slot.to_string();
        let rest = [
            format!("proposing 6/{slot}"),
            "created 6".into(),
            "broadcast 6 2+1".into(),
            "produced 6".into(),
        ];
        assert_eq!(world.log[0], expect);
        assert_eq!(world.log[1..], rest);
    }
}

#[test]
fn the_head_event_may_come_before_the_answer() {
    let (first, window) = head_where_mine_is(0);
    let mut world = World::new(3);
    let (op, proposal) = up_to_submit(&mut world, first, &window);
    let own = Head { hash: proposal.hash, ..head(6, "", world.wall_ms) };
    let out = world.take(Input::Head(own));
    assert!(out.contains(&Output::MarkDone { block: proposal.hash }));
    world.take(Input::Submitted { op, proposal, became_head: true, sent_to: 1, send_failed: 0 });
    assert_eq!(
        world.log.iter().filter(|line| line.starts_with("tip") || line.starts_with("already")).count(),
        0
    );
    assert!(world.log.contains(&"produced 6".to_owned()));
}

#[test]
fn nothing_is_produced_without_a_fresh_yes() {
    let (head, window) = head_where_mine_is(0);
    type Edit = fn(&mut World);
    const FRESH: u64 = SNAPSHOT_FRESH_MS;
    // How long before its slot opens the node gets a yes, what happens then, what time passes then, and what
    // blocks it.
    let cases: [(&str, u64, Edit, u64, Option<Blocked>); 11] = [
        ("no verdict", 1, |w| drop(w.take(Input::SnapshotLost)), 1, Some(Blocked::NoSnapshot)),
        (
            "a no",
            1,
            |w| drop(w.take(Input::Snapshot { eligible: false, age_ms: 0 })),
            1,
            Some(Blocked::NotEligible),
        ),
        ("the clock is set forward", 1, |w| w.wall_ms += 501, 1, Some(Blocked::ClockSet)),
        ("the clock is set back", 1, |w| w.wall_ms -= 501, 502, Some(Blocked::ClockSet)),
        ("the clock is slewed", 1, |w| w.wall_ms += 500, 1, None),
        ("an old yes", FRESH + 1, |_| {}, FRESH + 1, Some(Blocked::NoSnapshot)),
        ("no chain", 1, |w| drop(w.take(Input::HeadLost)), 1, Some(Blocked::NoHead)),
        (
            "a yes that came late",
            1,
            |w| drop(w.take(Input::Snapshot { eligible: true, age_ms: FRESH + 1 })),
            1,
            Some(Blocked::NoSnapshot),
        ),
        (
            "a yes that came late and has grown old",
            11,
            |w| drop(w.take(Input::Snapshot { eligible: true, age_ms: FRESH - 10 })),
            11,
            Some(Blocked::NoSnapshot),
        ),
        (
            "a yes that came late but in time",
            1,
            |w| drop(w.take(Input::Snapshot { eligible: true, age_ms: FRESH - 1 })),
            1,
            None,
        ),
        ("a fresh yes", FRESH, |_| {}, FRESH, None),
    ];
    for (desc, before_ms, edit, passes_ms, expect) in cases {
        let mut world = World::new(3);
        world.wall_ms = window.opens_at.get() - before_ms;
        world.follow(head);
        edit(&mut world);
        world.pass(passes_ms);
        assert_eq!(world.machine.blocked(world.now()), expect, "{desc}");
        assert_eq!(prepare(&world.take(Input::Tick)).is_some(), expect.is_none(), "{desc}");
        if expect.is_some() {
            let mut late = world.take(Input::Head(head));
            late.extend(world.take(Input::Snapshot { eligible: true, age_ms: 0 }));
            assert!(prepare(&late).is_some(), "{desc}: and goes on as soon as there is one");
        }
    }
}

#[test]
fn a_moved_head_ends_what_was_under_way() {
    let (first, window) = head_where_mine_is(0);
    let next = head(6, "another", T0 + 2000);

    let mut world = World::new(3);
    world.follow(first);
    world.take(Input::Head(next));
    assert_eq!(world.log[..2], ["waiting 6/0", "already 6"], "while it waits");
    world.wall_ms = window.opens_at.get();
    let out = world.tick();
    assert!(prepare(&out).is_none_or(|(_, ask)| ask.parent == next));

    let mut world = World::new(3);
    world.follow(first);
    world.wall_ms = window.opens_at.get();
    let (op, ask) = prepare(&world.tick()).expect("open");
    world.take(Input::Head(next));
    assert!(world.log.contains(&"tip changed 6".to_owned()), "while it prepares: {:?}", world.log);
    let out = world.take(Input::Prepared { op, proposal: block(&ask, 0) });
    assert!(commit(&out).is_none(), "the answer is no longer wanted");

    let mut world = World::new(3);
    world.follow(first);
    world.wall_ms = window.opens_at.get();
    let (op, ask) = prepare(&world.tick()).expect("open");
    let (op, _) = commit(&world.take(Input::Prepared { op, proposal: block(&ask, 0) })).expect("a claim");
    world.take(Input::Head(next));
    assert!(world.log.contains(&"tip changed 6".to_owned()), "while it claims");
    assert!(submit(&world.take(Input::Committed { op })).is_none(), "not signed");
    // Back on the old head, the block promised to it is the one to submit.
    assert_eq!(submit(&world.take(Input::Head(first))).map(|(_, p)| p), Some(block(&ask, 0)));
}

#[test]
fn a_missed_slot_is_given_up_for_the_next_own_one() {
    let genesis = head(0, "genesis", T0);
    let schedule = schedule(&genesis, 3);
    let mine: Vec<SlotWindow> = schedule
        .owners(Slot(0))
        .filter(|(_, owner)| *owner == id(0))
        .map(|(slot, _)| schedule.window(slot))
        .take(12)
        .collect();
    let hour = schedule.window(schedule.slot_at(TimestampMs(T0 + 3_600_000)));
    let (_, tail) =
        schedule.owners(hour.slot).enumerate().find(|(_, (_, owner))| *owner == id(0)).expect("one");
    let in_an_hour = schedule.window(tail.0);
    let cases = [
        ("at its opening", mine[0].opens_at.get(), mine[0], mine[0].opens_at.get()),
        ("a lost wake-up", mine[0].opens_at.get() + 300, mine[0], mine[0].opens_at.get() + 300),
        ("the last instant", mine[0].closes_at.get() - 1, mine[0], mine[0].closes_at.get() - 1),
        ("over", mine[0].closes_at.get(), mine[1], mine[1].opens_at.get()),
        ("far in the tail", mine[10].closes_at.get(), mine[11], mine[11].opens_at.get()),
        ("an hour later", T0 + 3_600_000, in_an_hour, in_an_hour.opens_at.get().max(T0 + 3_600_000)),
    ];
    for (desc, start, expect, stamp) in cases {
        let mut world = World::new(3);
        world.wall_ms = start;
        let mut found = prepare(&world.follow(genesis));
        // No wake-up comes by itself: the machine must say when.
        for _ in 0..8 {
            if found.is_none() {
                let wake = world.machine.wake_at(world.now()).expect(desc);
                world.pass(wake.since_ms(TimestampMs(world.wall_ms)));
                found = prepare(&world.tick());
            }
        }
        let (_, ask) = found.expect(desc);
        assert_eq!((ask.window, ask.stamp), (expect, TimestampMs(stamp)), "{desc}");
    }
}

#[test]
fn a_jumping_clock_moves_the_slot_and_no_more() {
    let (head, window) = head_where_mine_is(0);
    let mut world = World::new(3);
    world.wall_ms = window.opens_at.get() - 100;
    world.follow(head);
    world.wall_ms -= 3_600_000;
    world.mono_ms += 250;
    assert!(world.tick().is_empty(), "an hour back: it waits longer");
    assert_eq!(world.machine.wake_at(world.now()), Some(window.opens_at));
    world.wall_ms += 7_200_000;
    world.mono_ms += 250;
    world.tick();
    let out = world.tick();
    if let Some((_, ask)) = prepare(&out) {
        assert!(ask.stamp >= ask.window.opens_at && ask.stamp < ask.window.closes_at);
    }
    world.wall_ms = window.opens_at.get();
    world.mono_ms += 250;
    let again = prepare(&world.tick());
    assert!(again.is_some() || prepare(&out).is_some(), "it goes on by the clock as it is now");
}

#[test]
fn failures_are_retried_after_a_pause_and_never_in_a_hot_loop() {
    let head = head(5, "x", T0);
    let mut world = World::new(1);
    let (mut op, first) = up_to_submit(&mut world, head, &schedule(&head, 1).window(Slot(0)));
    let mut submissions = 1;
    for _ in 0..200 {
        let failure = Failure::Unavailable("gone".into());
        let mut out = world.take(Input::SubmitFailed { op, proposal: first.clone(), failure });
        for _ in 0..20 {
            out.extend(world.tick());
        }
        assert_eq!(submit(&out), None, "a pause comes first");
        let before = world.mono_ms;
        let (next, again) = loop {
            world.pass(50);
            if let Some(found) = submit(&world.tick()) {
                break found;
            }
        };
        assert!(world.mono_ms - before <= 2_050, "and it is not long");
        assert_eq!(again, first, "the same block, for no other may be signed");
        op = next;
        submissions += 1;
    }
    assert_eq!(submissions, 201);
    let failure = Failure::Refused("INVALID_BLOCK".into());
    world.take(Input::SubmitFailed { op, proposal: first, failure });
    for _ in 0..100 {
        world.pass(250);
        let out = world.tick();
        assert!(submit(&out).is_none() && prepare(&out).is_none(), "nothing more on this head");
    }
    assert_eq!(world.log.last().map(String::as_str), Some("failed 6"));
}

#[test]
fn an_answer_that_never_comes_is_given_up() {
    let head = head(5, "x", T0);
    let mut world = World::new(1);
    world.follow(head);
    world.pass(2_300);
    assert!(prepare(&world.tick()).is_some());
    let mut again = None;
    for _ in 0..100 {
        world.pass(250);
        again = again.or(prepare(&world.tick()));
    }
    assert!(again.is_some());
}

#[test]
fn a_claim_that_cannot_be_written_is_not_signed() {
    let head = head(5, "x", T0);
    let mut world = World::new(1);
    world.follow(head);
    world.pass(2_300);
    let (op, ask) = prepare(&world.tick()).expect("open");
    let proposal = block(&ask, 0);
    let (op, _) = commit(&world.take(Input::Prepared { op, proposal: proposal.clone() })).expect("a claim");
    assert!(world.take(Input::CommitFailed { op }).is_empty());
    world.pass(250);
    let out = world.tick();
    let (op, again) = commit(&out).expect("tried again");
    assert!(submit(&out).is_none() && prepare(&out).is_none());
    assert_eq!(again, proposal);
    assert!(submit(&world.take(Input::Committed { op })).is_some());
}

#[test]
fn after_a_restart_the_promised_block_is_submitted_and_no_other() {
    let (head, window) = head_where_mine_is(0);
    let mut world = World::new(3);
    let (_, proposal) = up_to_submit(&mut world, head, &window);
    let guard = world.machine.guard().clone();

    let mut with_bytes = World::with(3, guard.clone(), Some(proposal.clone()));
    with_bytes.wall_ms = window.opens_at.get() + 60_000;
    let out = with_bytes.follow(head);
    assert_eq!(submit(&out).map(|(_, p)| p), Some(proposal.clone()));
    assert_eq!(prepare(&out), None);

    let mut without = World::with(3, guard, None);
    let stray = Proposal { hash: hash(&[b"stray"]), ..(*proposal).clone() };
    let mut stray = World::with(3, without.machine.guard().clone(), Some(Arc::new(stray)));
    for world in [&mut without, &mut stray] {
        world.follow(head);
        for _ in 0..100 {
            world.pass(250);
            let out = world.tick();
            assert!(prepare(&out).is_none() && submit(&out).is_none());
        }
    }
}
