//! Every fault of a transaction, what good ones do, and that a faulty one leaves no trace.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use support::{Ledger, RICH, block_hash, genesis, id, key};
use vision_ledger::{Account, ProducerStatus, TransactionFault as F};
use vision_primitives::*;

fn ledger() -> Ledger {
    let mut genesis = genesis(3);
    genesis.params.max_producers = 5;
    genesis.params.min_fee = 2;
    let mut ledger = Ledger::new(genesis);
    // Account 100 is at nonce 1 and producer 50 is a candidate.
    let mut tx = ledger.registration(100, 0, 50).transaction().clone();
    tx.fee = 2;
    let tx = tx.sign(&key(100), &ledger.genesis_hash);
    let (results, _) = ledger.block(id(1), &[], &[tx]);
    assert_eq!(results, [Ok(())]);
    ledger.advance_to(5, id(1));
    ledger
}

fn proof(height: u64, hash: Hash) -> Action {
    Action::SyncProof(SyncProof { height: Height(height), hash })
}

/// What is wrong, the transaction, its fault and the fault's reason.
type Case = (&'static str, SignedTransaction, F, &'static str);

/// Each transaction has its fault, and leaves no trace.
fn check(ledger: &Ledger, cases: impl IntoIterator<Item = Case>) {
    let (_, empty, no_changes) = ledger.try_block(id(2), &[], &[]);
    for (desc, transaction, fault, reason) in cases {
        assert_eq!(fault.reason(), reason, "{desc}");
        let (results, state, changes) = ledger.try_block(id(2), &[], &[transaction]);
        assert_eq!(results, [Err(fault)], "{desc}");
        assert_eq!((state.root(), changes), (empty.root(), no_changes.clone()), "{desc}: leaves no trace");
    }
}

#[test]
fn every_fault_of_nonces_fees_and_amounts_has_its_name_and_leaves_no_trace() {
    let ledger = ledger();
    let to = Hash([7; 32]);
    let pay = |nonce, fee, amount| ledger.transfer(100, nonce, fee, to, amount);
    let balance = ledger.state.account(&id(100)).balance;
    let sign = |seed: u8, nonce, fee, action| ledger.sign(&key(seed), nonce, fee, action);
    let cases = [
        ("old nonce", pay(0, 2, 1), F::NonceTooLow { expected: 1, got: 0 }, "NONCE_TOO_LOW"),
        ("nonce gap", pay(2, 2, 1), F::NonceTooHigh { expected: 1, got: 2 }, "NONCE_TOO_HIGH"),
        ("low fee", pay(1, 1, 1), F::FeeTooLow { min: 2, got: 1 }, "FEE_TOO_LOW"),
        (
            "amount and fee exceed the balance by one",
            pay(1, 2, balance - 1),
            F::InsufficientBalance { balance, needed: balance + 1 },
            "INSUFFICIENT_BALANCE",
        ),
        (
            "amount and fee out of range",
            pay(1, 2, u64::MAX),
            F::InsufficientBalance { balance, needed: u64::MAX },
            "INSUFFICIENT_BALANCE",
        ),
        (
            "self transfer beyond the balance",
            ledger.transfer(100, 1, 2, id(100), balance),
            F::InsufficientBalance { balance, needed: balance + 2 },
            "INSUFFICIENT_BALANCE",
        ),
        (
            "sender without account",
            sign(200, 0, 2, Action::Data { bytes: vec![] }),
            F::InsufficientBalance { balance: 0, needed: 2 },
            "INSUFFICIENT_BALANCE",
        ),
        (
            "data too large",
            sign(100, 1, 2, Action::Data { bytes: vec![0; MAX_DATA_BYTES + 1] }),
            F::DataTooLarge { max: MAX_DATA_BYTES, got: MAX_DATA_BYTES + 1 },
            "DATA_TOO_LARGE",
        ),
    ];
    check(&ledger, cases);
}

#[test]
fn every_fault_of_producers_has_its_name_and_leaves_no_trace() {
    let ledger = ledger();
    let (to, g) = (Hash([7; 32]), ledger.genesis_hash);
    let sign = |seed: u8, nonce, fee, action| ledger.sign(&key(seed), nonce, fee, action);
    let register = |producer: u8, signer: u8, genesis: &Hash| {
        let public_key = key(producer).public_key();
        let payload = registration_payload(&public_key, &to);
        let proof_of_possession = key(signer).sign(Tag::Register, genesis, &payload);
        Action::RegisterProducer { public_key, payout: to, proof_of_possession }
    };
    let cases = [
        (
            "registered by another key",
            sign(100, 1, 2, register(60, 61, &g)),
            F::ProofOfPossession,
            "PROOF_OF_POSSESSION_INVALID",
        ),
        (
            "registered for another chain",
            sign(100, 1, 2, register(60, 60, &Hash::ZERO)),
            F::ProofOfPossession,
            "PROOF_OF_POSSESSION_INVALID",
        ),
        (
            "registered key that is no curve point",
            sign(
                100,
                1,
                2,
                Action::RegisterProducer {
                    public_key: PublicKey([2; 32]),
                    payout: to,
                    proof_of_possession: Signature::ZERO,
                },
            ),
            F::ProofOfPossession,
            "PROOF_OF_POSSESSION_INVALID",
        ),
        (
            "active producer registered again",
            sign(100, 1, 2, register(1, 1, &g)),
            F::AlreadyRegistered(id(1)),
            "ALREADY_REGISTERED",
        ),
        (
            "candidate registered again",
            sign(100, 1, 2, register(50, 50, &g)),
            F::AlreadyRegistered(id(50)),
            "ALREADY_REGISTERED",
        ),
        (
            "exit of somebody else",
            sign(100, 1, 2, Action::ExitProducer),
            F::NotAProducer(id(100)),
            "NOT_A_PRODUCER",
        ),
    ];
    check(&ledger, cases);
}

#[test]
fn every_fault_of_sync_proofs_has_its_name_and_leaves_no_trace() {
    let ledger = ledger();
    let sign = |seed: u8, nonce, fee, action| ledger.sign(&key(seed), nonce, fee, action);
    let cases = [
        (
            "sync proof with a fee",
            sign(50, 0, 2, proof(4, block_hash(4))),
            F::SyncProofNotFree,
            "SYNC_PROOF_NOT_FREE",
        ),
        (
            "sync proof with a nonce",
            sign(50, 1, 0, proof(4, block_hash(4))),
            F::SyncProofNotFree,
            "SYNC_PROOF_NOT_FREE",
        ),
        (
            "sync proof of a stranger",
            sign(100, 0, 0, proof(4, block_hash(4))),
            F::NotAProducer(id(100)),
            "NOT_A_PRODUCER",
        ),
        (
            "sync proof of an active producer",
            sign(1, 0, 0, proof(4, block_hash(4))),
            F::NotSuspended(id(1)),
            "NOT_SUSPENDED",
        ),
        (
            "sync proof below the window",
            sign(50, 0, 0, proof(1, block_hash(1))),
            F::SyncProofHeight { lowest: Height(2), highest: Height(4), got: Height(1) },
            "SYNC_PROOF_HEIGHT",
        ),
        (
            "sync proof above the parent",
            sign(50, 0, 0, proof(5, block_hash(5))),
            F::SyncProofHeight { lowest: Height(2), highest: Height(4), got: Height(5) },
            "SYNC_PROOF_HEIGHT",
        ),
        (
            "sync proof of another chain",
            sign(50, 0, 0, proof(3, block_hash(2))),
            F::SyncProofBlock { height: Height(3), hash: block_hash(2) },
            "SYNC_PROOF_BLOCK",
        ),
    ];
    check(&ledger, cases);
}

#[test]
fn faults_that_need_a_history() {
    let mut ledger = ledger();
    let exit = |ledger: &Ledger, seed: u8, nonce| ledger.sign(&key(seed), nonce, 2, Action::ExitProducer);
    let register = |ledger: &Ledger, nonce, seed| {
        let mut tx = ledger.registration(100, nonce, seed).transaction().clone();
        tx.fee = 2;
        tx.sign(&key(100), &ledger.genesis_hash)
    };
    let twice = [ledger.sync_proof(&id(50)), ledger.sync_proof(&id(50))];
    let (results, ..) = ledger.try_block(id(1), &[], &twice);
    assert_eq!(results, [Ok(()), Err(F::DuplicateSyncProof(id(50)))]);

    // Five places: three producers, candidate 50, candidate 51.
    let (results, _) = ledger.block(id(1), &[], &[register(&ledger, 1, 51), register(&ledger, 2, 52)]);
    assert_eq!(results, [Ok(()), Err(F::RegistryFull { max: 5 })]);
    let too_early = F::ReturnTooEarly { may_return_at: Height(7), height: Height(6) };
    let (results, _) = ledger.block(id(1), &[], &[ledger.sync_proof(&id(51))]);
    assert_eq!(results, [Err(too_early)]);

    // A producer that left in a block cannot come back in it, nor ever.
    let (results, _) = ledger.block(id(1), &[], &[exit(&ledger, 2, 0), ledger.sync_proof(&id(2))]);
    assert_eq!(results, [Ok(()), Err(F::NotAProducer(id(2)))]);
    let again = [exit(&ledger, 2, 1), register(&ledger, 2, 2)];
    let (results, _) = ledger.block(id(1), &[], &again);
    assert_eq!(results, [Err(F::NotAProducer(id(2))), Err(F::AlreadyRegistered(id(2)))]);

    // Places count everyone who has not left; candidates do not save the last active producer.
    let (results, _) = ledger.block(id(1), &[], &[exit(&ledger, 3, 0), exit(&ledger, 1, 0)]);
    assert_eq!(results, [Ok(()), Err(F::LastProducer)]);
    assert_eq!(ledger.state.registered().ids(), [id(1)]);
    let (results, _) = ledger.block(id(1), &[], &[register(&ledger, 2, 52)]);
    assert_eq!(results, [Ok(())]);
}

#[test]
fn a_candidates_exit_and_sync_proof_in_one_block() {
    for exit_first in [true, false] {
        let mut ledger = ledger();
        let fund = ledger.transfer(100, 1, 2, id(50), 10);
        ledger.block(id(1), &[], &[fund]);
        let exit = ledger.sign(&key(50), 0, 2, Action::ExitProducer);
        let proof = ledger.sync_proof(&id(50));
        let pair = if exit_first { [exit, proof] } else { [proof, exit] };
        let (results, _) = ledger.block(id(1), &[], &pair);
        let expect = if exit_first { [Ok(()), Err(F::NotAProducer(id(50)))] } else { [Ok(()), Ok(())] };
        assert_eq!(results, expect, "exit first: {exit_first}");
        assert_eq!(ledger.status(&id(50)), ProducerStatus::Exited, "nothing undoes an exit");
        assert!(!ledger.state.active().contains(&id(50)));
    }
}

#[test]
fn what_good_transactions_do() {
    let mut ledger = Ledger::new(genesis(3));
    let to = Hash([7; 32]);
    let transactions = [
        ledger.transfer(100, 0, 3, to, 500),
        ledger.transfer(100, 1, 1, id(100), 999_000),
        ledger.sign(&key(100), 2, 1, Action::Data { bytes: vec![1; MAX_DATA_BYTES] }),
        ledger.transfer(100, 3, 1, to, 0),
    ];
    let (results, changes) = ledger.block(id(1), &[], &transactions);
    assert_eq!(results, vec![Ok(()); 4]);
    assert_eq!(ledger.state.account(&id(100)), Account { balance: RICH - 506, nonce: 4 });
    assert_eq!(ledger.state.account(&to), Account { balance: 500, nonce: 0 });
    assert_eq!(ledger.state.account(&id(1)), Account { balance: RICH + 50 + 6, nonce: 0 });
    assert_eq!(ledger.state.supply(), 4 * RICH + 50);
    assert_eq!(changes.accounts.len(), 3);
    assert!(changes.accounts.is_sorted_by_key(|(address, _)| *address));
    assert!(changes.producers.is_empty(), "a block without misses changes no producer");

    // A receiver may spend in the same block what it has just got.
    let fresh = id(201);
    let chain = [ledger.transfer(100, 4, 1, fresh, 10), ledger.transfer(201, 0, 1, to, 9)];
    let (results, _) = ledger.block(id(1), &[], &chain);
    assert_eq!(results, [Ok(()), Ok(())]);
    assert_eq!(ledger.state.account(&fresh), Account { balance: 0, nonce: 1 });
}

#[test]
fn the_reward_stops_at_the_end_of_the_range() {
    let mut genesis = genesis(1);
    genesis.accounts.retain(|account| account.address == id(1));
    genesis.accounts[0].balance = u64::MAX - 70;
    let mut ledger = Ledger::new(genesis);
    for supply in [u64::MAX - 20, u64::MAX, u64::MAX] {
        ledger.block(id(1), &[], &[]);
        assert_eq!(ledger.state.supply(), supply);
    }
    let (results, _) = ledger.block(id(1), &[], &[ledger.transfer(1, 0, 5, Hash([7; 32]), 6)]);
    assert_eq!(results, [Ok(())]);
    assert_eq!(ledger.state.account(&id(1)).balance, u64::MAX - 6, "fees come back with the reward");
}

#[test]
fn the_ends_of_the_range_are_faults_not_panics() {
    let mut ledger = Ledger::new(genesis(1));
    let full = Account { balance: u64::MAX, nonce: 0 };
    let worn = Account { balance: 10, nonce: u64::MAX };
    let producers: Vec<_> = ledger.state.producers().map(|(id, p)| (*id, p.clone())).collect();
    let accounts = [(id(20), full), (id(21), worn), (id(22), Account { balance: 10, nonce: 0 })];
    ledger.state = vision_ledger::State::from_parts(accounts, producers, u64::MAX);
    let transactions = [
        ledger.transfer(21, u64::MAX, 1, id(22), 1),
        ledger.transfer(22, 0, 1, id(20), 1),
        ledger.transfer(22, 0, 1, id(21), 1),
    ];
    let (results, ..) = ledger.try_block(id(1), &[], &transactions);
    assert_eq!(results, [Err(F::NonceExhausted), Err(F::AmountOverflow), Ok(())]);
    assert_eq!(
        [F::NonceExhausted, F::AmountOverflow].map(|f| f.reason()),
        ["NONCE_EXHAUSTED", "AMOUNT_OVERFLOW"]
    );
}
