//! Misses, suspensions and returns (`docs/protocol.md`, section 7).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use support::{Ledger, block_hash, genesis};
use vision_ledger::{
    BlockContext, Executor, LedgerError, MAX_RETURN_WAIT_BLOCKS, ProducerStatus as S,
    SUSPENSION_HALF_LIFE_BLOCKS, TransactionFault as F,
};
use vision_primitives::*;

/// A ledger of n producers at height 2, and their ids ascending.
fn ledger(n: u8) -> (Ledger, Vec<NodeId>) {
    let mut ledger = Ledger::new(genesis(n));
    let ids = ledger.ids();
    ledger.block(ids[0], &[], &[]);
    (ledger, ids)
}

#[test]
fn misses_are_counted_and_reset() {
    let mut first = Ledger::new(genesis(3));
    let ids = first.ids();
    first.block(ids[0], &[ids[1], ids[2]], &[]);
    assert_eq!(first.producer(&ids[1]).missed, 0, "nobody misses at height 1");

    let (mut ledger, ids) = ledger(3);
    ledger.block(ids[0], &[ids[1]], &[]);
    ledger.block(ids[0], &[ids[1], ids[2]], &[]);
    assert_eq!([1, 2].map(|i| ledger.producer(&ids[i]).missed), [2, 1]);
    ledger.block(ids[1], &[ids[2]], &[]);
    assert_eq!([1, 2].map(|i| ledger.producer(&ids[i]).missed), [0, 2], "a block resets its producer");
    ledger.block(ids[2], &[ids[2]], &[]);
    assert_eq!(ledger.producer(&ids[2]).missed, 0, "also when it missed an earlier slot of the same height");
    assert_eq!(ledger.state.active().len(), 3);
}

#[test]
fn whoever_missed_a_slot_has_a_record() {
    let (ledger, ids) = ledger(3);
    let stranger = Hash([9; 32]);
    let context = BlockContext {
        genesis_hash: ledger.genesis_hash,
        height: Height(ledger.height),
        producer: ids[0],
        missed_owners: &[ids[1], stranger],
        recent: &|_| None,
    };
    let executor = Executor::new(&ledger.state, &ledger.genesis.params, ledger.genesis.finality, context);
    assert_eq!(executor.finish().err(), Some(LedgerError::UnknownProducer(stranger)));
}

#[test]
fn three_misses_suspend() {
    let (mut ledger, ids) = ledger(3);
    let active_before = ledger.state.active().clone();
    for missed in 1..=3 {
        assert_eq!(ledger.status(&ids[1]), S::Active);
        ledger.block(ids[0], &[ids[1]], &[]);
        assert_eq!(ledger.producer(&ids[1]).missed, missed);
    }
    let height = Height(ledger.height - 1);
    let record = ledger.producer(&ids[1]).clone();
    assert_eq!((record.status, record.suspensions, record.suspended_at), (S::Suspended, 1, height));
    assert_eq!(record.may_return_at, Height(height.get() + 2));
    assert_eq!(ledger.state.active().ids(), [ids[0], ids[2]]);
    assert_ne!(ledger.state.active().root(), active_before.root());
    assert_eq!(ledger.state.registered().ids(), ids);

    ledger.block(ids[0], &[ids[1]], &[]);
    assert_eq!(ledger.producer(&ids[1]).missed, 3, "a suspended producer is charged nothing");
    ledger.block(ids[1], &[], &[]);
    assert_eq!(ledger.status(&ids[1]), S::Suspended, "a tail block does not reinstate");
}

#[test]
fn at_most_the_bound_is_suspended_in_ascending_order_and_the_rest_later() {
    let cases = [
        (3, Finality::Cft, 1),
        (4, Finality::Bft, 1),
        (5, Finality::Cft, 2),
        (7, Finality::Bft, 2),
        (2, Finality::Cft, 0),
    ];
    for (n, finality, bound) in cases {
        let mut genesis = genesis(n);
        genesis.finality = finality;
        let mut ledger = Ledger::new(genesis);
        let ids = ledger.ids();
        let (alive, dead) = (ids[0], ids[1..].to_vec());
        ledger.advance_to(2, alive);
        // Descending on purpose: the order of suspension is that of the ids.
        let missed: Vec<_> = dead.iter().rev().copied().collect();
        for _ in 0..5 {
            ledger.block(alive, &missed, &[]);
        }
        let suspended: Vec<_> = dead.iter().filter(|id| ledger.status(id) == S::Suspended).copied().collect();
        assert_eq!(suspended, dead[..bound], "n {n} {finality:?}");
        for id in &dead[bound..] {
            assert_eq!(ledger.producer(id).missed, 5, "n {n}: the rest keep counting");
        }
        if bound == 0 {
            continue;
        }
        // The first comes back; a block without any miss re-examines the next in order.
        let proof = ledger.sync_proof(&dead[0]);
        let (results, _) = ledger.block(alive, &[], &[proof]);
        assert_eq!(results, [Ok(())]);
        assert_eq!(ledger.status(&dead[0]), S::Active, "n {n}");
        assert_eq!(ledger.producer(&dead[0]).missed, 0);
        assert_eq!(ledger.status(&dead[bound]), S::Suspended, "n {n}: its place is taken at once");
    }
}

#[test]
fn an_exit_tightens_the_bound_but_reinstates_nobody() {
    let (mut ledger, ids) = ledger(5);
    for _ in 0..3 {
        ledger.block(ids[0], &[ids[1], ids[2]], &[]);
    }
    let exit = ledger.sign(&ledger.key_of(&ids[3]), 0, 1, Action::ExitProducer);
    let (results, _) = ledger.block(ids[0], &[ids[3], ids[4]], &[exit]);
    assert_eq!(results, [Ok(())]);
    assert_eq!(
        (ledger.status(&ids[3]), ledger.producer(&ids[3]).missed),
        (S::Exited, 0),
        "no miss after leaving"
    );
    assert_eq!(ledger.state.registered().ids(), [ids[0], ids[1], ids[2], ids[4]]);
    assert_eq!([1, 2].map(|i| ledger.status(&ids[i])), [S::Suspended; 2]);
    for _ in 0..4 {
        ledger.block(ids[0], &[ids[4]], &[]);
    }
    assert_eq!(ledger.status(&ids[4]), S::Active, "floor(3 / 2) = 1 is exceeded already");
}

#[test]
fn the_wait_doubles_up_to_its_bound_and_halves_with_time() {
    let (mut ledger, ids) = ledger(3);
    let suspend = |ledger: &mut Ledger| {
        for _ in 0..3 {
            ledger.block(ids[0], &[ids[1]], &[]);
        }
        assert_eq!(ledger.status(&ids[1]), S::Suspended);
        let record = ledger.producer(&ids[1]);
        (record.suspensions, record.may_return_at.get() - record.suspended_at.get())
    };
    let come_back = |ledger: &mut Ledger| {
        let at = ledger.producer(&ids[1]).may_return_at.get();
        ledger.advance_to(at - 1, ids[0]);
        let (results, _) = ledger.block(ids[0], &[], &[ledger.sync_proof(&ids[1])]);
        assert!(results[0].is_err(), "one block too early");
        let (results, _) = ledger.block(ids[0], &[], &[ledger.sync_proof(&ids[1])]);
        assert_eq!(results, [Ok(())]);
        assert_eq!(ledger.status(&ids[1]), S::Active);
    };
    for s in 1..=10_u32 {
        let wait = (1_u64 << s).min(MAX_RETURN_WAIT_BLOCKS);
        assert_eq!(suspend(&mut ledger), (u64::from(s), wait), "suspension {s}");
        come_back(&mut ledger);
    }
    for (halvings, s) in [(1, 6), (2, 2), (70, 1)] {
        let again = ledger.producer(&ids[1]).suspended_at.get() + halvings * SUSPENSION_HALF_LIFE_BLOCKS;
        ledger.height = again;
        assert_eq!(suspend(&mut ledger).0, s, "after {halvings} half-lives");
        come_back(&mut ledger);
    }
}

#[test]
fn from_registration_to_the_pool() {
    let (mut ledger, ids) = ledger(3);
    let (newcomer, pools) = (support::id(50), ledger.state.active().clone());
    let (results, _) = ledger.block(ids[0], &[], &[ledger.registration(100, 0, 50)]);
    assert_eq!(results, [Ok(())]);
    let registered_at = ledger.height - 1;
    let record = ledger.producer(&newcomer).clone();
    assert_eq!((record.status, record.suspensions), (S::Candidate, 0));
    assert_eq!(record.may_return_at, Height(registered_at + 2));
    assert_eq!(ledger.state.active(), &pools);
    assert_eq!(ledger.state.registered(), &pools);
    assert_eq!((ledger.state.census().candidates, ledger.state.census().registered()), (1, 3));

    let (results, _) = ledger.block(ids[0], &[newcomer], &[ledger.sync_proof(&newcomer)]);
    assert!(results[0].is_err(), "it waits 2 blocks");
    let (results, _) = ledger.block(ids[0], &[newcomer], &[ledger.sync_proof(&newcomer)]);
    assert_eq!(results, [Ok(())]);
    assert_eq!((ledger.status(&newcomer), ledger.producer(&newcomer).missed), (S::Active, 0));
    assert!(ledger.state.active().contains(&newcomer) && ledger.state.registered().contains(&newcomer));
    ledger.block(newcomer, &[], &[]);
    assert_eq!(ledger.state.account(&newcomer).balance, 50, "its payout account gets the reward");
}

#[test]
fn a_sync_proof_wins_over_a_miss_in_the_same_block() {
    let (mut ledger, ids) = ledger(5);
    for _ in 0..3 {
        ledger.block(ids[0], &[ids[1]], &[]);
    }
    ledger.block(ids[0], &[], &[]);
    // Nobody can miss while suspended, but the producer of the block may prove itself.
    let (results, _) = ledger.block(ids[1], &[ids[1], ids[2]], &[ledger.sync_proof(&ids[1])]);
    assert_eq!(results, [Ok(())]);
    assert_eq!([1, 2].map(|i| ledger.producer(&ids[i]).missed), [0, 1]);
    assert_eq!(ledger.status(&ids[1]), S::Active);
}

#[test]
fn an_exit_must_leave_an_active_producer() {
    let exit = |ledger: &Ledger, id: &NodeId| ledger.sign(&ledger.key_of(id), 0, 1, Action::ExitProducer);
    let (mut ledger, ids) = ledger(3);
    for _ in 0..3 {
        ledger.block(ids[0], &[ids[2]], &[]);
    }
    assert_eq!(ledger.status(&ids[2]), S::Suspended);
    let cases = [
        ("two active ones in one block", vec![1, 0], vec![Ok(()), Err(F::LastProducer)], vec![0]),
        ("the suspended one and an active one", vec![2, 1], vec![Ok(()), Ok(())], vec![0]),
        ("all three", vec![0, 2, 1], vec![Ok(()), Ok(()), Err(F::LastProducer)], vec![1]),
    ];
    for (desc, exits, expect, left) in cases {
        let exits: Vec<_> = exits.into_iter().map(|at: usize| exit(&ledger, &ids[at])).collect();
        let (results, state, _) = ledger.try_block(ids[0], &[], &exits);
        assert_eq!(results, expect, "{desc}");
        assert_eq!(
            state.active().ids(),
            left.into_iter().map(|at: usize| ids[at]).collect::<Vec<_>>(),
            "{desc}"
        );
    }

    // A suspended producer saves nobody, nor does a candidate, nor a proof in the same block.
    ledger.block(ids[0], &[], &[exit(&ledger, &ids[1]), ledger.registration(100, 0, 50)]);
    ledger.block(ids[0], &[], &[]);
    let proof = ledger.sync_proof(&ids[2]);
    let (results, _) = ledger.block(ids[0], &[], &[proof, exit(&ledger, &ids[0])]);
    assert_eq!(results, [Ok(()), Err(F::LastProducer)]);
    assert_eq!(ledger.state.active().ids(), [ids[0], ids[2]], "back from the next block on");
    let (results, _) = ledger.block(ids[0], &[], &[exit(&ledger, &ids[0])]);
    assert_eq!(results, [Ok(())]);
    assert_eq!(ledger.state.active().ids(), [ids[2]]);
}

#[test]
fn a_sync_proof_names_no_block_below_the_last_suspension() {
    let mut genesis = genesis(3);
    genesis.params.max_desync_blocks = 1_000;
    let mut ledger = Ledger::new(genesis);
    let ids = ledger.ids();
    ledger.advance_to(2, ids[0]);
    for _ in 0..3 {
        ledger.block(ids[0], &[ids[1]], &[]);
    }
    let suspended_at = ledger.producer(&ids[1]).suspended_at.get();
    ledger.block(ids[0], &[], &[ledger.registration(100, 0, 50)]);
    let registered_at = ledger.height - 1;
    ledger.advance_to(registered_at + 20, ids[0]);
    for (desc, id, lowest) in
        [("suspended", ids[1], suspended_at), ("candidate", support::id(50), registered_at)]
    {
        let highest = ledger.height - 1;
        let too_low = |got: u64| F::SyncProofHeight {
            lowest: Height(lowest),
            highest: Height(highest),
            got: Height(got),
        };
        let cases = [
            (0, Err(too_low(0))),
            (lowest - 1, Err(too_low(lowest - 1))),
            (lowest, Ok(())),
            (highest, Ok(())),
        ];
        for (height, expect) in cases {
            let proof = SyncProof { height: Height(height), hash: block_hash(height) };
            let proof = ledger.sign(&ledger.key_of(&id), 0, 0, Action::SyncProof(proof));
            let (results, ..) = ledger.try_block(ids[0], &[], &[proof]);
            assert_eq!(results, [expect], "{desc}, height {height}");
        }
    }
}
