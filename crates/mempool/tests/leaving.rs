//! Moves of the head, expiry, and what comes first into a block.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use support::*;
use vision_mempool::{DropReason, Dropped, Limits, Moment, Rejected};
use vision_primitives::{Address, Hash, Height, SignedTransaction, TimestampMs};

/// Reasons by nonce of sender 10's transactions.
fn reasons(dropped: &[Dropped], all: &[SignedTransaction]) -> Vec<(u64, &'static str)> {
    let nonce = |hash: Hash| all.iter().find(|tx| tx.hash() == hash).unwrap().transaction().nonce;
    let mut reasons: Vec<_> = dropped.iter().map(|d| (nonce(d.hash()), d.why.reason())).collect();
    reasons.sort_unstable();
    reasons
}

#[test]
fn a_move_of_the_head_drops_what_it_made_useless() {
    // Sender 10 holds 100 at nonce 5, and nonces 5, 6, 7 and 9 wait, of 20 each.
    let waiting = [5, 6, 7, 9].map(|nonce| transfer(10, nonce, 1, 11, 19));
    type Case = (&'static str, (u64, u64), Vec<(u64, &'static str)>, Vec<u64>);
    let cases: Vec<Case> = vec![
        ("nothing", (100, 5), vec![], vec![5, 6, 7]),
        ("one is in a block", (80, 6), vec![(5, "NONCE_USED")], vec![6, 7]),
        ("the gap is filled", (40, 8), vec![(5, "NONCE_USED"), (6, "NONCE_USED"), (7, "NONCE_USED")], vec![]),
        (
            "up to behind the gap",
            (40, 9),
            vec![(5, "NONCE_USED"), (6, "NONCE_USED"), (7, "NONCE_USED")],
            vec![9],
        ),
        (
            "all used",
            (0, 10),
            vec![(5, "NONCE_USED"), (6, "NONCE_USED"), (7, "NONCE_USED"), (9, "NONCE_USED")],
            vec![],
        ),
        ("another one took most", (59, 6), vec![(5, "NONCE_USED"), (9, "UNAFFORDABLE")], vec![6, 7]),
        (
            "another one took all",
            (19, 6),
            vec![(5, "NONCE_USED"), (6, "UNAFFORDABLE"), (7, "UNAFFORDABLE"), (9, "UNAFFORDABLE")],
            vec![],
        ),
        ("richer", (1000, 5), vec![], vec![5, 6, 7]),
        ("left: an earlier nonce is free again", (100, 4), vec![], vec![]),
        ("left: out of the window", (100, 0), vec![], vec![]),
    ];
    for (desc, (balance, nonce), expect, selected) in cases {
        let mut world = World::new(Limits::default(), &[(10, 100, 5)]);
        world.take(&waiting);
        let dropped = world.move_to(state(&[(10, balance, nonce)]));
        assert_eq!(reasons(&dropped, &waiting), expect, "{desc}");
        let got: Vec<u64> = world.selected().into_iter().map(|(_, nonce)| nonce).collect();
        assert_eq!(got, selected, "{desc}");
        assert_eq!(world.pool.len(), 4 - expect.len(), "{desc}");
        assert_eq!(world.pool.next_nonce(&id(10), &world.state), nonce + selected.len() as u64, "{desc}");
    }
}

#[test]
fn a_reorganisation_keeps_what_waits_up_to_twice_the_window() {
    let mut world = World::new(Limits::default(), &[(10, 1_000, 70)]);
    let waiting: Vec<_> = (70..134).map(|nonce| data(10, nonce, 1, 1)).collect();
    world.take(&waiting);
    assert_eq!(world.move_to(state(&[(10, 1_000, 6)])), []);
    let dropped = world.move_to(state(&[(10, 1_000, 4)]));
    assert_eq!(reasons(&dropped, &waiting), [(132, "EVICTED"), (133, "EVICTED")]);
    // What was in the blocks comes back; a newcomer may be no further above the account's nonce than ever.
    let back: Vec<_> = (4..70).map(|nonce| data(10, nonce, 1, 1)).collect();
    assert_eq!(world.admit(&data(10, 68, 1, 1)), Err(Rejected::NonceGap { next: 4, got: 68 }));
    for transaction in &back {
        assert_eq!(world.admit_again(transaction), Ok(vec![]));
    }
    let again = world.admit_again(&data(10, 132, 1, 1));
    assert_eq!(again, Err(Rejected::NonceGap { next: 4, got: 132 }));
    assert_eq!((world.pool.len(), world.selected().len()), (128, 128));
}

#[test]
fn what_comes_back_has_room_for_half_as_many_more() {
    let one = data(10, 0, 5, 0).bytes().len();
    let by_count = Limits { transactions: 4, ..Limits::default() };
    let by_bytes = Limits { bytes: 4 * one, ..Limits::default() };
    for limits in [by_count, by_bytes] {
        let mut world = World::new(limits, &[(10, 1_000, 0), (11, 1_000, 0), (12, 1_000, 0)]);
        world.take(&[0, 1, 2, 3].map(|nonce| data(10, nonce, 5, 0)));
        assert_eq!(world.admit(&data(11, 0, 5, 0)), Err(Rejected::Full));
        for nonce in [0, 1] {
            assert_eq!(world.admit_again(&data(11, nonce, 5, 0)), Ok(vec![]));
        }
        assert_eq!(world.admit_again(&data(11, 2, 5, 0)), Err(Rejected::Full));
        // A newcomer that is worth more takes the room of one, not of all that are too many.
        let dropped = world.admit(&data(12, 0, 9, 0)).expect("worth more");
        assert_eq!((dropped.len(), world.pool.len()), (1, 6));
        assert_eq!(world.admit(&data(12, 1, 5, 0)), Err(Rejected::Full));
        // When enough has left, the limits are what they were.
        world.move_to(state(&[(10, 1_000, 4), (11, 1_000, 0), (12, 1_000, 0)]));
        let left = world.pool.len();
        for nonce in 1..=(4 - left) as u64 {
            assert_eq!(world.admit(&data(12, nonce, 5, 0)), Ok(vec![]));
        }
        assert_eq!(world.admit(&data(12, 9, 5, 0)), Err(Rejected::Full));
    }
}

#[test]
fn registrations_and_exits_that_no_longer_apply_go() {
    let accounts = [(10, 1_000, 0), (11, 1_000, 0), (3, 1_000, 0)];
    let mut world = World::new(Limits::default(), &accounts);
    let first = registration(10, 1, 5, 50);
    world.take(&[data(10, 0, 5, 0), first.clone(), data(10, 2, 5, 0), exit(3, 0, 5), data(3, 1, 5, 0)]);
    // Somebody else's registration is in a block, and the only other active producer leaves.
    let block = [registration(11, 0, 1, 50), exit(1, 0, 1)];
    let rich = state(&[(10, 1_000, 0), (11, 1_000, 0), (3, 1_000, 0), (1, 1_000, 0)]);
    world.move_to(rich.clone());
    let (results, after, _) = run(&rich, world.head, &world.params, &block);
    assert!(results.iter().all(Result::is_ok), "{results:?}");
    let mut dropped = gone(&world.move_to(after));
    dropped.sort_unstable_by_key(|(_, why)| *why);
    // Producer 2 is suspended and makes no block, so 3 is the last.
    assert_eq!(dropped, [(first.hash(), "ALREADY_REGISTERED"), (exit(3, 0, 5).hash(), "LAST_PRODUCER")]);
    assert_eq!(world.waiting(), [(3, 1), (10, 0), (10, 2)]);
    assert_eq!(world.selected(), [(10, 0)], "what waited behind them is behind a gap");
    assert_eq!(world.admit(&registration(11, 1, 5, 51)), Ok(vec![]));
}

#[test]
fn a_registration_does_not_outlive_what_it_waits_behind() {
    let mut world = World::new(Limits::default(), &[(10, 1_000, 0), (11, 1_000, 0)]);
    let (first, second) = (data(10, 0, 5, 0), registration(10, 1, 500, 50));
    world.take(std::slice::from_ref(&first));
    world.now = later(NOW, 10);
    world.take(std::slice::from_ref(&second));
    let dropped = world.pool.expire(later(NOW, 3_600_000));
    assert_eq!(gone(&dropped), [(first.hash(), "EXPIRED"), (second.hash(), "NONCE_TOO_HIGH")]);
    world.take(&[registration(11, 0, 5, 50)]);
}

#[test]
fn what_waits_behind_a_dropped_registration_is_worth_its_own_price() {
    let limits = Limits { transactions: 3, ..Limits::default() };
    let mut world = World::new(limits, &[(10, 1_000, 0), (11, 1_000, 0), (12, 1_000, 0)]);
    world.take(&[data(10, 0, 5, 0)]);
    world.now = later(NOW, 10);
    world.take(&[registration(10, 1, 1, 50), data(10, 2, 50, 0)]);
    assert_eq!(world.pool.expire(later(NOW, 3_600_000)).len(), 2);
    world.take(&[data(11, 1, 20, 0), data(11, 2, 20, 0)]);
    let dropped = world.admit(&data(12, 1, 30, 0)).unwrap();
    assert_eq!(gone(&dropped), [(data(11, 2, 20, 0).hash(), "EVICTED")]);
}

#[test]
fn a_newer_registration_frees_what_waited_behind_the_older_one() {
    let mut world = World::new(Limits::default(), &[(10, 1_000, 0), (11, 1_000, 0)]);
    let old = registration(10, 0, 50, 50);
    world.take(&[old.clone(), data(10, 1, 5, 0)]);
    let new = registration(11, 0, 55, 50);
    let dropped = world.admit(&new).unwrap();
    assert_eq!(dropped, [Dropped { transaction: old, why: DropReason::Replaced { by: new.hash() } }]);
    assert_eq!((world.selected(), world.waiting()), (vec![(11, 0)], vec![(10, 1), (11, 0)]));
}

#[test]
fn sync_proofs_go_when_they_are_useless() {
    let mut world = World::new(Limits::default(), &[(10, 1_000, 0)]);
    let proof = sync_proof(2, 10);
    world.take(std::slice::from_ref(&proof));
    for _ in 0..world.params.max_desync_blocks {
        assert_eq!(world.move_to(world.state.clone()), []);
        assert_eq!(world.selected(), [(2, 0)]);
    }
    let dropped = world.move_to(world.state.clone());
    assert_eq!(gone(&dropped), [(proof.hash(), "PROOF_USELESS")]);
    assert!(world.pool.is_empty() && world.pool.bytes() == 0);

    let proof = sync_proof(2, world.head);
    world.take(std::slice::from_ref(&proof));
    let (results, after, _) = run(&world.state, world.head, &world.params, [&proof]);
    assert_eq!(results, [Ok(())]);
    assert_eq!(gone(&world.move_to(after)), [(proof.hash(), "PROOF_USELESS")], "it is in a block");
}

#[test]
fn what_waited_too_long_goes() {
    let limits = Limits { lifetime_ms: 1_000, ..Limits::default() };
    let mut world = World::new(limits, &[(10, 1_000, 0), (11, 1_000, 0)]);
    world.take(&[data(10, 0, 5, 0), data(10, 2, 5, 0)]);
    world.now = later(NOW, 400);
    world.take(&[data(10, 1, 5, 0), data(11, 0, 5, 0)]);
    assert_eq!(world.pool.expire(Moment { wall: TimestampMs(0), ..world.now }), [], "a clock set back");
    let ahead = Moment { wall: NOW.wall.plus_ms(86_400_000), ..later(NOW, 999) };
    assert_eq!(world.pool.expire(ahead), [], "a clock set a day ahead");
    let dropped = world.pool.expire(later(NOW, 1_000));
    assert_eq!(
        gone(&dropped),
        [(data(10, 0, 5, 0).hash(), "EXPIRED"), (data(10, 2, 5, 0).hash(), "EXPIRED")]
    );
    assert_eq!((world.waiting(), world.selected()), (vec![(10, 1), (11, 0)], vec![(11, 0)]));
    assert_eq!(world.pool.expire(later(NOW, 1_400)).len(), 2);
    assert!(world.pool.is_empty());
}

#[test]
fn what_takes_a_place_has_a_lifetime_of_its_own() {
    let limits = Limits { lifetime_ms: 1_000, ..Limits::default() };
    let mut world = World::new(limits, &[(10, 1_000, 0)]);
    world.take(&[data(10, 0, 5, 0)]);
    world.now = later(NOW, 400);
    let newer = data(10, 0, 6, 0);
    assert_eq!(world.admit(&newer).map(|dropped| dropped.len()), Ok(1));
    assert_eq!(world.pool.expire(later(NOW, 1_399)), []);
    assert_eq!(gone(&world.pool.expire(later(NOW, 1_400))), [(newer.hash(), "EXPIRED")]);
}

#[test]
fn the_best_come_first_under_nonce_order() {
    let mut world = World::new(Limits::default(), &[10, 11, 12, 13].map(|seed| (seed, 10_000, 0)));
    world.take(&[
        data(10, 0, 100, 0),
        data(10, 1, 900, 0),
        data(11, 0, 200, 0),
        data(11, 1, 100, 0),
        data(12, 0, 100, 0),
        data(13, 1, 999, 0),
    ]);
    let all = [(11, 0), (10, 0), (10, 1), (11, 1), (12, 0)];
    assert_eq!(world.selected(), all, "by fee per byte, of equals the oldest");
    let one = data(10, 0, 100, 0).bytes().len();
    let select = |txs, bytes| world.pool.select(&world.state, txs, bytes).map(name).collect::<Vec<_>>();
    assert_eq!(select(2, usize::MAX), all[..2]);
    assert_eq!(select(0, usize::MAX), []);
    assert_eq!(select(9, 3 * one), all[..3]);
    assert_eq!(select(9, 3 * one - 1), all[..2]);

    // On a state that the pool has not seen yet.
    let newer = state(&[(10, 10_000, 1), (11, 250, 0), (12, 50, 0), (13, 10_000, 1)]);
    let newer: Vec<_> = world.pool.select(&newer, 9, usize::MAX).map(name).collect();
    assert_eq!(newer, [(13, 1), (10, 1), (11, 0)]);
}

#[test]
fn a_long_one_ends_its_senders_turn_only() {
    let mut world = World::new(Limits::default(), &[(10, 10_000, 0), (11, 10_000, 0)]);
    world.take(&[data(10, 0, 5_000, 500), data(10, 1, 5_000, 0), data(11, 0, 1, 0), data(11, 1, 1, 0)]);
    let one = data(11, 0, 1, 0).bytes().len();
    let got: Vec<_> = world.pool.select(&world.state, 9, 3 * one).map(name).collect();
    assert_eq!(got, [(11, 0), (11, 1)]);
}

#[test]
fn a_sender_seen_on_a_newer_state_is_selected_on_it() {
    let mut world = World::new(Limits::default(), &[(10, 100, 0), (11, 100, 0)]);
    world.take(&[data(10, 0, 1, 0), data(10, 1, 1, 0), data(11, 0, 1, 0)]);
    let first = world.state.clone();
    // The head has moved, the pool has not seen it yet, and admits.
    world.state = state(&[(10, 99, 1), (11, 100, 0)]);
    let dropped = world.admit(&data(10, 2, 1, 0)).unwrap();
    assert_eq!(gone(&dropped), [(data(10, 0, 1, 0).hash(), "NONCE_USED")]);
    assert_eq!(world.selected(), [(10, 1), (11, 0), (10, 2)]);
    assert_eq!(world.pool.select(&first, 9, usize::MAX).map(name).collect::<Vec<_>>(), [(11, 0)]);
}

#[test]
fn an_extended_head_needs_only_the_touched_accounts() {
    let accounts = [(10, 100, 0), (11, 100, 0)];
    let touched: [Address; 1] = [id(10)];
    type Case = (&'static str, Hash, usize);
    let root = state(&accounts).root();
    // Both accounts have used nonce 0; who looks at the touched ones alone sees one of them.
    let cases: [Case; 2] = [("from the head it knows", root, 1), ("from another head", Hash::ZERO, 2)];
    for (desc, from, expect) in cases {
        let mut world = World::new(Limits::default(), &accounts);
        world.take(&[data(10, 0, 1, 0), data(11, 0, 1, 0)]);
        world.state = state(&[(10, 99, 1), (11, 99, 1)]);
        let context =
            vision_mempool::Context { state: &world.state, head: Height(11), params: &world.params };
        assert_eq!(world.pool.head_extended(&context, &from, &touched).len(), expect, "{desc}");
    }
}

#[test]
fn what_waits_behind_a_gap_names_the_missing_nonce() {
    let mut world = World::new(Limits::default(), &[(10, 1_000, 3)]);
    let all = [3, 4, 6, 9].map(|nonce| data(10, nonce, 5, 0));
    world.take(&all);
    world.take(&[sync_proof(2, 9)]);
    let missing = |world: &World| all.each_ref().map(|one| world.pool.missing_nonce(&one.hash()));
    assert_eq!(missing(&world), [None, None, Some(5), Some(5)]);
    world.take(&[data(10, 5, 5, 0)]);
    assert_eq!(missing(&world), [None, None, None, Some(7)]);
    world.move_to(state(&[(10, 1_000, 4)]));
    assert_eq!(missing(&world), [None, None, None, Some(7)], "the first is in a block and waits no more");
    world.move_to(state(&[(10, 1_000, 2)]));
    assert_eq!(missing(&world), [None, Some(2), Some(2), Some(2)], "after a reorganisation");
    assert_eq!(world.pool.missing_nonce(&sync_proof(2, 9).hash()), None);
}

#[test]
fn a_pool_that_spares_what_waits_takes_only_what_there_is_room_for() {
    let limits = Limits { transactions: 2, ..Limits::default() };
    let mut world = World::new(limits, &[10, 11, 12, 13].map(|seed| (seed, 1_000, 0)));
    world.take(&[data(10, 0, 5, 0), data(11, 1, 5, 0)]);
    world.pool.spare_what_waits(true);
    assert_eq!(world.admit(&data(12, 1, 90, 0)), Err(Rejected::Full), "it waits behind a gap itself");
    // What waits behind a gap costs its sender nothing: it must not keep out what a block can have.
    let evicted = gone(&world.admit(&data(13, 0, 1, 0)).unwrap());
    assert_eq!(evicted, [(data(11, 1, 5, 0).hash(), "EVICTED")]);
    assert_eq!(world.admit(&data(12, 0, 90, 0)), Err(Rejected::Full), "what a block can have is spared");
    let replaced = gone(&world.admit(&data(10, 0, 9, 0)).unwrap());
    assert_eq!(replaced, [(data(10, 0, 5, 0).hash(), "REPLACED")], "a sender may replace its own");
    world.pool.spare_what_waits(false);
    let evicted = gone(&world.admit(&data(12, 0, 90, 0)).unwrap());
    assert_eq!(evicted, [(data(13, 0, 1, 0).hash(), "EVICTED")]);
}
