//! What a sender may let wait: which nonces, as much as it can pay, and what takes another's place.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use support::*;
use vision_mempool::Limits;
use vision_primitives::{MAX_DATA_BYTES, SignedTransaction};

const MAX: u64 = u64::MAX;

/// Sender 10 with (balance, nonce), what waits already, one more, and what becomes of it.
type Case = (&'static str, (u64, u64), Vec<SignedTransaction>, SignedTransaction, &'static str);

fn check(cases: Vec<Case>) {
    for (desc, (balance, nonce), waiting, transaction, expect) in cases {
        let mut world = World::new(Limits::default(), &[(10, balance, nonce)]);
        world.take(&waiting);
        let before = world.waiting();
        let got = reason(&mut world, &transaction);
        assert!(
            got == expect || got.starts_with(&format!("{expect} ")) && !expect.starts_with("taken"),
            "{desc}: {got}"
        );
        if !expect.starts_with("taken") {
            assert_eq!(world.waiting(), before, "{desc}");
        }
    }
}

#[test]
fn which_nonces_may_wait() {
    check(vec![
        ("the next nonce", (100, 5), vec![], data(10, 5, 1, 1), "taken"),
        ("known", (100, 5), vec![data(10, 5, 1, 1)], data(10, 5, 1, 1), "KNOWN"),
        ("used", (100, 5), vec![], data(10, 4, 1, 1), "NONCE_TOO_LOW"),
        ("the last of the window", (100, 5), vec![], data(10, 68, 1, 1), "taken"),
        ("past the window", (100, 5), vec![], data(10, 69, 1, 1), "NONCE_GAP NonceGap { next: 5, got: 69 }"),
        ("the last nonce", (100, MAX - 1), vec![], data(10, MAX - 1, 1, 1), "taken"),
        ("no nonce", (100, MAX - 1), vec![], data(10, MAX, 1, 1), "NONCE_EXHAUSTED"),
        ("all nonces used", (100, MAX), vec![], data(10, MAX, 1, 1), "NONCE_EXHAUSTED"),
        ("free", (100, 0), vec![], data(10, 0, 0, 1), "FEE_TOO_LOW"),
        ("long", (100, 0), vec![], data(10, 0, 1, MAX_DATA_BYTES + 1), "DATA_TOO_LARGE"),
    ]);
}

#[test]
fn a_sender_lets_no_more_wait_than_it_can_pay() {
    check(vec![
        ("everything", (100, 0), vec![], transfer(10, 0, 1, 11, 99), "taken"),
        (
            "more",
            (100, 0),
            vec![],
            transfer(10, 0, 1, 11, 100),
            "INSUFFICIENT_BALANCE Fault(InsufficientBalance { balance: 100, needed: 101 })",
        ),
        ("everything there can be", (MAX, 0), vec![], transfer(10, 0, 1, 11, MAX - 1), "taken"),
        ("one more than there can be", (MAX, 0), vec![], transfer(10, 0, 1, 11, MAX), "INSUFFICIENT_BALANCE"),
        ("twice what there can be", (MAX, 0), vec![], transfer(10, 0, MAX, 11, MAX), "INSUFFICIENT_BALANCE"),
        (
            "sums past the range",
            (MAX, 0),
            vec![transfer(10, 0, 1, 11, MAX - 1)],
            transfer(10, 1, MAX, 11, MAX),
            "INSUFFICIENT_BALANCE",
        ),
        ("shared", (100, 0), vec![transfer(10, 0, 1, 11, 49)], transfer(10, 1, 1, 11, 49), "taken"),
        (
            "shared, more",
            (100, 0),
            vec![transfer(10, 0, 1, 11, 49)],
            transfer(10, 1, 1, 11, 50),
            "INSUFFICIENT_BALANCE",
        ),
        (
            "shared with a later one",
            (100, 0),
            vec![transfer(10, 9, 1, 11, 49)],
            transfer(10, 1, 1, 11, 50),
            "INSUFFICIENT_BALANCE",
        ),
        ("to oneself", (100, 0), vec![], transfer(10, 0, 1, 10, 99), "taken"),
        ("to oneself, more", (100, 0), vec![], transfer(10, 0, 1, 10, 100), "INSUFFICIENT_BALANCE"),
        (
            "to oneself, then away",
            (100, 0),
            vec![transfer(10, 0, 1, 10, 99)],
            transfer(10, 1, 1, 11, 98),
            "taken",
        ),
        (
            "away, then to oneself",
            (100, 0),
            vec![transfer(10, 0, 1, 11, 50)],
            transfer(10, 1, 1, 10, 48),
            "taken",
        ),
        (
            "away, then to oneself, more",
            (100, 0),
            vec![transfer(10, 0, 1, 11, 50)],
            transfer(10, 1, 1, 10, 49),
            "INSUFFICIENT_BALANCE",
        ),
        (
            "away before it",
            (100, 0),
            vec![transfer(10, 1, 1, 10, 99)],
            data(10, 0, 1, 1),
            "INSUFFICIENT_BALANCE",
        ),
    ]);
}

#[test]
fn what_takes_the_place_of_another_pays_a_tenth_more() {
    check(vec![
        ("the same fee", (1000, 0), vec![data(10, 0, 100, 1)], data(10, 0, 100, 2), "UNDERPRICED"),
        (
            "under a tenth more",
            (1000, 0),
            vec![transfer(10, 0, 100, 11, 1)],
            transfer(10, 0, 109, 11, 1),
            "UNDERPRICED Underpriced { needed: 110 }",
        ),
        (
            "a tenth more",
            (1000, 0),
            vec![transfer(10, 0, 100, 11, 1)],
            transfer(10, 0, 110, 11, 1),
            "taken -1",
        ),
        (
            "instead of, not besides",
            (110, 0),
            vec![transfer(10, 0, 50, 11, 50)],
            transfer(10, 0, 60, 11, 50),
            "taken -1",
        ),
        (
            "dearer than the account",
            (109, 0),
            vec![transfer(10, 0, 50, 11, 50)],
            transfer(10, 0, 60, 11, 50),
            "INSUFFICIENT_BALANCE",
        ),
        (
            "a tenth past the range",
            (MAX, 0),
            vec![data(10, 0, MAX - 1, 1)],
            data(10, 0, MAX, 1),
            "UNDERPRICED Underpriced { needed: 18446744073709551615 }",
        ),
        (
            "longer, the same per byte",
            (9000, 0),
            vec![data(10, 0, 1000, 0)],
            data(10, 0, 1100, 117),
            "UNDERPRICED",
        ),
        (
            "longer, a tenth more per byte",
            (9000, 0),
            vec![data(10, 0, 1000, 0)],
            data(10, 0, 2200, 117),
            "taken -1",
        ),
    ]);
}

#[test]
fn a_sender_fills_its_window_and_no_more() {
    let mut world = World::new(Limits::default(), &[(10, 1_000_000, 0)]);
    for nonce in (0..200).rev() {
        let _ = world.admit(&data(10, nonce, 1, 1));
    }
    assert_eq!(world.pool.len(), 64);
    assert_eq!(world.pool.next_nonce(&id(10), &world.state), 64);
    assert_eq!(world.selected(), (0..64).map(|nonce| (10, nonce)).collect::<Vec<_>>());
}
