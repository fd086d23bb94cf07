use vision_primitives::hash;

use super::*;

fn id(turn: Turn) -> Hash {
    hash(&[&(turn.account as u64).to_le_bytes(), &turn.nonce.to_le_bytes()])
}

/// Submits the next one, if there is one.
fn send(book: &mut Book, now_ms: u64) -> Option<Turn> {
    let turn = book.next()?;
    book.submit(turn, id(turn), now_ms);
    Some(turn)
}

fn turn(account: usize, nonce: u64) -> Turn {
    Turn { account, nonce }
}

#[test]
fn accounts_take_turns_and_stop_at_the_window() {
    let mut book = Book::new([5, 9]);
    let first: Vec<_> = (0..4).map_while(|_| send(&mut book, 0)).collect();
    assert_eq!(first, [turn(0, 5), turn(1, 9), turn(0, 6), turn(1, 10)]);
    let more = std::iter::from_fn(|| send(&mut book, 0)).count();
    assert_eq!(more, 2 * 64 - 4);
    book.block(1, &[id(turn(1, 9))], 10);
    assert_eq!((send(&mut book, 10), send(&mut book, 10)), (Some(turn(1, 9 + 64)), None));
}

#[test]
fn every_refusal_is_counted_and_its_nonce_used_again() {
    for cause in ["POOL_FULL", "NONCE_GAP", "OVERLOADED", "INSUFFICIENT_BALANCE"] {
        let mut book = Book::new([0]);
        for _ in 0..3 {
            send(&mut book, 0);
        }
        book.accept(&id(turn(0, 0)));
        book.refuse(&id(turn(0, 1)), cause);
        book.accept(&id(turn(0, 2)));
        assert_eq!((book.accepted, book.refused[cause], book.missing()), (2, 1, 2), "{cause}");
        assert_eq!((send(&mut book, 0), send(&mut book, 0)), (Some(turn(0, 1)), Some(turn(0, 3))), "{cause}");
    }
}

#[test]
fn an_unclear_nonce_is_asked_for() {
    let cases = [
        ("the node has all of it", 3, vec![3, 4]),
        ("the node has nothing of it", 0, vec![0, 1, 2, 3]),
        ("the node has the first", 1, vec![1, 2, 3]),
        ("somebody else sends too", 7, vec![7, 8]),
    ];
    for (desc, pending, expect) in cases {
        let mut book = Book::new([0, 50]);
        for nonce in 0..3 {
            book.submit(turn(0, nonce), id(turn(0, nonce)), 0);
        }
        for nonce in 0..3 {
            book.refuse(&id(turn(0, nonce)), NO_ANSWER);
        }
        assert_eq!(book.next(), Some(turn(1, 50)), "{desc}: the other goes on");
        assert_eq!((book.ask_for(0), book.ask_for(0)), (Some(0), None), "{desc}: asked once");
        book.answer(0, None, 0);
        assert_eq!(book.ask_for(0), Some(0), "{desc}: no answer, asked again");
        book.answer(0, Some(pending), 0);
        book.accounts.truncate(1);
        book.turn = 0;
        let nonces: Vec<u64> = (0..expect.len()).map_while(|_| send(&mut book, 0)).map(|t| t.nonce).collect();
        assert_eq!(nonces, expect, "{desc}");
    }
}

#[test]
fn what_the_node_has_lost_is_missing_and_its_nonce_used_again() {
    let mut book = Book::new([0]);
    for nonce in 0..2 {
        send(&mut book, 0);
        book.accept(&id(turn(0, nonce)));
    }
    assert_eq!(book.ask_for(STALL_MS), None, "not yet");
    assert_eq!(book.ask_for(STALL_MS + 1), Some(0));
    book.answer(0, Some(0), STALL_MS + 1);
    assert_eq!((book.missing(), book.outstanding()), (2, 1));
    assert_eq!(send(&mut book, STALL_MS + 1), Some(turn(0, 0)));
    assert_eq!(book.ask_for(STALL_MS + 2), None, "asked for anew only after a while");
}

#[test]
fn blocks_include_and_may_be_left() {
    let mut book = Book::new([0]);
    let sent: Vec<Hash> = (0..3).map(|at| id(send(&mut book, 100 * at).expect("free"))).collect();
    book.accept(&sent[0]);
    book.accept(&sent[1]);
    book.block(1, &[sent[0]], 1000);
    // In a block before its answer came.
    book.block(2, &[sent[2], Hash::ZERO, sent[1]], 1200);
    book.accept(&sent[2]);
    assert_eq!((book.accepted, book.included, book.missing()), (3, 3, 0));
    assert_eq!(book.latencies_ms(), [Some(1000), Some(1100), Some(1100)]);
    book.leave(1);
    assert_eq!(book.included, 3, "only the last one can be left");
    book.leave(2);
    assert_eq!((book.included, book.missing(), book.latencies_ms()[2]), (1, 2, Some(1000)));
    book.block(2, &[sent[1]], 1500);
    assert_eq!((book.accepted, book.included, book.missing()), (3, 2, 1));
    assert_eq!((book.latencies_ms()[2], book.last_included_ms), (Some(1400), 1500));
}

#[test]
fn what_a_node_says_that_it_dropped_is_not_missing() {
    let mut book = Book::new([0]);
    let sent: Vec<Hash> = (0..3).map(|_| id(send(&mut book, 0).expect("free"))).collect();
    book.accept(&sent[0]);
    book.accept(&sent[1]);
    let mut open = book.accepted_and_open();
    open.sort_unstable();
    let mut expect = vec![(0, sent[0]), (0, sent[1])];
    expect.sort_unstable();
    assert_eq!(open, expect, "the third has no answer yet");
    book.drop(&sent[1], "EVICTED");
    book.drop(&sent[1], "EVICTED");
    assert_eq!((book.dropped["EVICTED"], book.missing()), (1, 1));
    book.keep_waiting(&sent[0]);
    book.keep_waiting(&sent[0]);
    assert_eq!((book.waiting, book.missing()), (1, 0), "nobody has promised anything of the third");
}

#[test]
fn a_hole_is_filled_when_something_waits_behind_it() {
    let mut book = Book::new([0, 50]);
    for _ in 0..6 {
        send(&mut book, 0);
    }
    assert_eq!(book.next_hole(), None);
    book.refuse(&id(turn(1, 52)), "POOL_FULL");
    assert_eq!(book.next_hole(), None, "nothing is behind it");
    book.refuse(&id(turn(0, 1)), "POOL_FULL");
    assert_eq!(book.next_hole(), Some(turn(0, 1)));
    book.submit(turn(0, 1), id(turn(0, 1)), 0);
    assert_eq!(book.next_hole(), None);
}

#[test]
fn an_answer_that_comes_late_changes_nothing() {
    let mut book = Book::new([0]);
    let sent = id(send(&mut book, 0).expect("free"));
    book.block(1, &[sent], 10);
    book.refuse(&sent, "TRANSACTION_KNOWN");
    assert_eq!((book.accepted, book.refused.len(), book.next()), (1, 0, Some(turn(0, 1))));
}

#[test]
fn what_is_lost_is_counted_once_however_it_ends() {
    // The node took the first, dropped it again, and says so by the nonce it expects.
    let lost = || {
        let mut book = Book::new([0]);
        send(&mut book, 0);
        book.accept(&id(turn(0, 0)));
        book.answer(0, Some(0), STALL_MS + 1);
        assert_eq!((book.accepted, book.outstanding(), book.missing()), (1, 0, 1));
        book
    };
    type End = fn(&mut Book);
    let ends: [(&str, End, _); 4] = [
        ("nobody knows it", |_| {}, (1, 0, 1)),
        ("a block has it all the same", |book| book.block(1, &[id(turn(0, 0))], 20_000), (1, 1, 0)),
        (
            "the same again, into a block",
            |book| {
                assert_eq!(send(book, 20_000), Some(turn(0, 0)));
                book.accept(&id(turn(0, 0)));
                book.block(1, &[id(turn(0, 0))], 20_000);
            },
            (1, 1, 0),
        ),
        (
            "the same again, refused",
            |book| {
                assert_eq!(send(book, 20_000), Some(turn(0, 0)));
                book.refuse(&id(turn(0, 0)), "POOL_FULL");
            },
            (0, 0, 0),
        ),
    ];
    for (desc, end, expect) in ends {
        let mut book = lost();
        end(&mut book);
        assert_eq!((book.accepted, book.included, book.missing()), expect, "{desc}");
    }
}

#[test]
fn what_has_no_answer_is_no_promise() {
    let mut book = Book::new([0]);
    send(&mut book, 0);
    send(&mut book, 0);
    book.accept(&id(turn(0, 0)));
    book.give_up_unanswered();
    assert_eq!((book.refused[NO_ANSWER], book.missing()), (1, 1));
    book.include_unseen(&id(turn(0, 0)));
    assert_eq!((book.included, book.missing()), (1, 0));
}
