//! What is taken, what takes another's place, and what leaves for want of room.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use support::*;
use vision_ledger::{Producer, ProducerStatus, State};
use vision_mempool::Limits;
use vision_primitives::{Action, Height, SignedTransaction};

/// A full pool of four, and what a fifth one displaces; `data(.., 0)` are all equally long.
#[test]
fn what_leaves_for_want_of_room() {
    let limits = Limits { transactions: 4, ..Limits::default() };
    let d = |from, nonce, fee| data(from, nonce, fee, 0);
    let four = || vec![d(10, 0, 5), d(11, 0, 6), d(12, 0, 7), d(13, 0, 8)];
    type Case =
        (&'static str, Vec<SignedTransaction>, SignedTransaction, Result<Vec<(u8, u64)>, &'static str>);
    let cases: Vec<Case> = vec![
        ("pays as much as the lowest", four(), d(20, 0, 5), Err("POOL_FULL")),
        ("pays more", four(), d(20, 0, 6), Ok(vec![(10, 0)])),
        ("pays more in whole, not per byte", four(), data(20, 0, 9, 200), Err("POOL_FULL")),
        ("waits behind one that pays less", four(), d(10, 1, 99), Err("POOL_FULL")),
        ("waits behind one that pays enough", four(), d(11, 1, 99), Ok(vec![(10, 0)])),
        ("waits behind a gap", four(), d(20, 1, 99), Err("POOL_FULL")),
        ("takes a place, so needs none", four(), d(10, 0, 6), Ok(vec![(10, 0)])),
        (
            "the dear one behind the cheap one goes, not the cheap one alone",
            vec![d(10, 0, 1), d(10, 1, 50), d(10, 2, 60), d(11, 0, 2)],
            d(20, 0, 3),
            Ok(vec![(10, 2)]),
        ),
        (
            "a dear last one protects no cheap first one",
            vec![d(10, 0, 1), d(10, 1, 50), d(11, 0, 2), d(12, 0, 2)],
            d(20, 0, 2),
            Ok(vec![(10, 1)]),
        ),
        (
            "behind a gap goes first, however dear",
            vec![d(10, 0, 1), d(11, 0, 1), d(12, 1, 99), d(13, 0, 1)],
            d(20, 0, 1),
            Ok(vec![(12, 1)]),
        ),
        (
            "behind a gap displaces what is behind a gap and cheaper",
            vec![d(10, 0, 1), d(11, 0, 1), d(12, 1, 9), d(13, 0, 1)],
            d(20, 1, 10),
            Ok(vec![(12, 1)]),
        ),
        (
            "of equals the one of whom most wait",
            vec![d(10, 0, 1), d(11, 0, 1), d(11, 1, 1), d(12, 0, 1)],
            d(20, 0, 2),
            Ok(vec![(11, 1)]),
        ),
        (
            "its own later ones may go",
            vec![d(10, 1, 9), d(11, 0, 9), d(12, 0, 9), d(13, 0, 9)],
            d(10, 0, 2),
            Ok(vec![(10, 1)]),
        ),
    ];
    for (desc, waiting, transaction, expect) in cases {
        let mut world = World::new(limits, &[10, 11, 12, 13, 20].map(|seed| (seed, 1_000, 0)));
        world.take(&waiting);
        let before = world.pool.iter().cloned().collect::<Vec<_>>();
        let got = world.admit(&transaction).map_err(|rejected| rejected.reason());
        let left: Result<Vec<_>, _> = got.map(|dropped| {
            let find = |hash| before.iter().find(|tx| tx.hash() == hash).map(name).unwrap();
            dropped.iter().map(|dropped| find(dropped.hash())).collect()
        });
        assert_eq!(left, expect, "{desc}");
        assert!(world.pool.len() <= 4, "{desc}");
    }
}

#[test]
fn bytes_are_bounded_too() {
    let one = data(10, 0, 1, 0).bytes().len();
    let limits = Limits { bytes: 4 * one, ..Limits::default() };
    let mut world = World::new(limits, &[10, 11, 12, 13, 20].map(|seed| (seed, 1_000_000, 0)));
    world.take(&[10, 11, 12, 13].map(|seed| data(seed, 0, u64::from(seed), 0)));
    let four_times = |extra: usize, fee| data(20, 0, fee, 3 * one + extra);
    assert_eq!(reason(&mut world, &four_times(1, 900_000)), "POOL_FULL Full", "longer than all the room");
    assert_eq!(
        reason(&mut world, &four_times(0, 4 * 13)),
        "POOL_FULL Full",
        "as much per byte as the dearest"
    );
    let three_times = data(20, 0, 3 * 13, 2 * one);
    assert_eq!(reason(&mut world, &three_times), "taken -1 -1 -1", "only as many leave as must");
    assert_eq!((world.pool.bytes(), world.waiting()), (4 * one, vec![(13, 0), (20, 0)]));
    let longer = data(20, 0, 900_000, 2 * one + 1);
    assert_eq!(reason(&mut world, &longer), "taken -1 -1", "a longer one in its place needs room");
    let shorter = data(20, 0, 990_000, 0);
    assert_eq!(reason(&mut world, &shorter), "taken -1");
    assert_eq!((world.pool.bytes(), world.pool.len()), (one, 1));
}

#[test]
fn one_waits_to_register_a_producer() {
    let accounts = [(10, 1_000, 0), (11, 1_000, 0), (1, 1_000, 0)];
    let next = data(10, 0, 5, 0);
    let cases: Vec<(&str, Vec<SignedTransaction>, SignedTransaction, &str)> = vec![
        ("new", vec![], registration(10, 0, 5, 50), "taken"),
        ("a producer", vec![], registration(10, 0, 5, 3), "ALREADY_REGISTERED"),
        (
            "behind a gap",
            vec![],
            registration(10, 1, 5, 50),
            "NONCE_TOO_HIGH Fault(NonceTooHigh { expected: 0, got: 1 })",
        ),
        (
            "behind a gap of two",
            vec![next.clone(), data(10, 3, 5, 0)],
            registration(10, 4, 5, 50),
            "NONCE_TOO_HIGH Fault(NonceTooHigh { expected: 1, got: 4 })",
        ),
        ("behind another", vec![next], registration(10, 1, 5, 50), "taken"),
        (
            "twice by one sender",
            vec![registration(10, 0, 5, 50)],
            registration(10, 1, 99, 50),
            "ALREADY_REGISTERED",
        ),
        (
            "by another who pays little more",
            vec![registration(10, 0, 50, 50)],
            registration(11, 0, 54, 50),
            "UNDERPRICED Underpriced { needed: 55 }",
        ),
        (
            "by another who pays more",
            vec![registration(10, 0, 50, 50)],
            registration(11, 0, 55, 50),
            "taken -1",
        ),
        (
            "by another behind a cheap one",
            vec![registration(10, 0, 50, 50), data(11, 0, 1, 0)],
            registration(11, 1, 99, 50),
            "UNDERPRICED Underpriced { needed: 55 }",
        ),
        ("another producer", vec![registration(10, 0, 50, 50)], registration(11, 0, 1, 51), "taken"),
        ("in its own place", vec![registration(10, 0, 50, 50)], registration(10, 0, 55, 50), "taken -1"),
        ("exit", vec![], exit(1, 0, 5), "taken"),
        ("exit twice", vec![exit(1, 0, 5)], exit(1, 1, 9), "NOT_A_PRODUCER"),
        ("exit of somebody else", vec![], exit(10, 0, 5), "NOT_A_PRODUCER"),
    ];
    for (desc, waiting, transaction, expect) in cases {
        let mut world = World::new(Limits::default(), &accounts);
        world.take(&waiting);
        let got = reason(&mut world, &transaction);
        assert!(
            got == expect || got.starts_with(&format!("{expect} ")) && !expect.starts_with("taken"),
            "{desc}: {got}"
        );
    }
}

#[test]
fn producers_are_free_again_and_the_registry_has_bounds() {
    let accounts = [(10, 1_000, 0), (11, 1_000, 0), (1, 1_000, 0)];
    let mut world = World::new(Limits::default(), &accounts);
    world.take(&[registration(10, 0, 5, 50)]);
    assert_eq!(reason(&mut world, &data(10, 0, 90, 0)), "taken -1");
    assert_eq!(reason(&mut world, &registration(11, 0, 5, 50)), "taken", "the producer is free again");
    let mut world = World::new(Limits::default(), &accounts);
    world.params.max_producers = 3;
    assert!(reason(&mut world, &registration(10, 0, 5, 50)).starts_with("REGISTRY_FULL"));

    let mut world = World::new(Limits::default(), &[(1, 1_000, 0), (2, 1_000, 0), (3, 1_000, 0)]);
    let (results, after, _) = run(&world.state, world.head, &world.params, &[exit(3, 0, 1)]);
    assert_eq!(results, [Ok(())]);
    world.move_to(after);
    assert!(reason(&mut world, &exit(1, 0, 1)).starts_with("LAST_PRODUCER"), "2 is suspended");
    assert_eq!(reason(&mut world, &exit(2, 0, 1)), "taken");
}

#[test]
fn sync_proofs_wait_apart_and_always_have_room() {
    let limits = Limits { transactions: 1, bytes: 200, ..Limits::default() };
    let mut world = World::new(limits, &[(10, 1_000, 0)]);
    world.take(&[data(10, 0, 1, 1), sync_proof(2, 9)]);
    let cases = [
        ("of an active producer", sync_proof(1, 9), "NOT_SUSPENDED"),
        ("of nobody", sync_proof(50, 9), "NOT_A_PRODUCER"),
        (
            "with a fee",
            unsigned(2, 0, 1, sync_proof(2, 9).transaction().action.clone(), 0),
            "SYNC_PROOF_NOT_FREE",
        ),
        ("too old", sync_proof(2, 7), "SYNC_PROOF_HEIGHT"),
        ("too new", sync_proof(2, 11), "SYNC_PROOF_HEIGHT"),
        ("older", sync_proof(2, 8), "KNOWN"),
        ("as new", unsigned(2, 0, 0, sync_proof(2, 9).transaction().action.clone(), 1), "KNOWN"),
    ];
    for (desc, transaction, expect) in cases {
        let got = world.admit(&transaction).map_err(|rejected| rejected.reason());
        assert_eq!(got, Err(expect), "{desc}");
    }
    let newer = sync_proof(2, 10);
    let dropped = world.admit(&newer).unwrap();
    assert_eq!(gone(&dropped), [(sync_proof(2, 9).hash(), "REPLACED")]);
    assert_eq!(
        (world.pool.len(), world.pool.bytes()),
        (2, newer.bytes().len() + data(10, 0, 1, 1).bytes().len())
    );
    assert_eq!(world.pool.get(&newer.hash()), Some(&newer));
    assert!(world.pool.contains(&newer.hash()) && !world.pool.contains(&sync_proof(2, 9).hash()));
    assert_eq!(world.selected(), [(2, 0), (10, 0)], "first in every block");
    assert!(matches!(newer.transaction().action, Action::SyncProof(_)));

    let mut world = World::new(limits, &[]);
    let suspended = Producer {
        status: ProducerStatus::Suspended,
        suspended_at: Height(9),
        ..Producer::of_genesis(public_key(2), id(2))
    };
    world.state = State::from_parts([], [(id(2), suspended)], 0);
    assert!(reason(&mut world, &sync_proof(2, 8)).starts_with("SYNC_PROOF_HEIGHT"), "before the suspension");
    assert_eq!(reason(&mut world, &sync_proof(2, 9)), "taken");
}
