//! The state root by an independent reading of its definition, changes, proofs, conservation.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::collections::BTreeMap;

use proptest::prelude::*;
use support::{Ledger, genesis, id, key};
use vision_ledger::{Account, Changes, State};
use vision_primitives::*;

fn subtree(leaves: &BTreeMap<[u8; 32], Hash>, prefix: &mut Vec<bool>) -> Hash {
    let bit = |key: &[u8; 32], at: usize| key[at / 8] >> (7 - at % 8) & 1 == 1;
    let under: Vec<_> = leaves
        .iter()
        .filter(|(key, _)| prefix.iter().enumerate().all(|(at, b)| bit(key, at) == *b))
        .collect();
    match under[..] {
        [] => Hash([0; 32]),
        [(key, value_hash)] => hash(&[&[0x00], key, value_hash.as_bytes()]),
        _ => {
            let [left, right] = [false, true].map(|side| {
                prefix.push(side);
                let hash = subtree(leaves, prefix);
                prefix.pop();
                hash
            });
            hash(&[&[0x01], left.as_bytes(), right.as_bytes()])
        }
    }
}

/// The state root recomputed from nothing but what the state shows.
fn root_by_definition(state: &State) -> Hash {
    let accounts = state
        .accounts()
        .filter(|(_, account)| (account.balance, account.nonce) != (0, 0))
        .map(|(address, account)| {
            let value = [account.balance.to_le_bytes(), account.nonce.to_le_bytes()].concat();
            (hash(&[b"vision/account/v1", address.as_bytes()]).0, hash(&[&value]))
        })
        .collect();
    let producers = state
        .producers()
        .map(|(id, p)| {
            let mut record = [&p.public_key.0[..], &p.payout.0, &[p.status as u8]].concat();
            for number in [p.missed, p.suspensions, p.suspended_at.get(), p.may_return_at.get()] {
                record.extend(number.to_le_bytes());
            }
            (id.0, hash(&[&record]))
        })
        .collect();
    let [accounts, producers] = [accounts, producers].map(|leaves| subtree(&leaves, &mut Vec::new()));
    hash(&[b"vision/state/v1", accounts.as_bytes(), producers.as_bytes(), &state.supply().to_le_bytes()])
}

#[test]
fn the_order_of_the_parts_does_not_matter() {
    let state = State::genesis(&genesis(5)).unwrap();
    let accounts: Vec<_> = state.accounts().map(|(a, account)| (*a, *account)).collect();
    let producers: Vec<_> = state.producers().map(|(id, p)| (*id, p.clone())).collect();
    assert!(producers.is_sorted_by_key(|(id, _)| *id));
    let reversed = State::from_parts(accounts.into_iter().rev(), producers.into_iter().rev(), state.supply());
    assert_eq!(reversed, state);
    assert_eq!(reversed.active(), state.active());
    assert_eq!(root_by_definition(&state), state.root());
    let with_empty = state.apply_changes(&Changes {
        accounts: vec![(Hash([9; 32]), Account::default())],
        producers: vec![],
        supply: state.supply(),
    });
    assert_eq!(with_empty, state, "an account that holds nothing has no leaf");
}

#[test]
fn accounts_can_be_proven() {
    let state = State::genesis(&genesis(5)).unwrap();
    for address in [id(1), id(5), id(100), id(77), Hash::ZERO] {
        let proof = state.prove_account(&address);
        assert_eq!(proof.account, state.account(&address));
        assert!(proof.verify(&state.root(), &address));
        assert!(!proof.verify(&Hash::ZERO, &address));
        let mut richer = proof.clone();
        richer.account.balance += 1;
        assert!(!richer.verify(&state.root(), &address));
        let mut inflated = proof.clone();
        inflated.supply += 1;
        assert!(!inflated.verify(&state.root(), &address));
        assert!(!proof.verify(&state.root(), &id(2)), "another address");
    }
}

/// A transaction that may or may not apply.
#[derive(Clone, Debug)]
struct Random {
    sender: u8,
    nonce_off: u64,
    fee: u64,
    kind: u8,
    to: u8,
    amount: u64,
}

fn random() -> impl Strategy<Value = Random> {
    let amount = prop_oneof![0..200_u64, 900_000..1_100_000_u64, Just(u64::MAX)];
    (1..8_u8, prop_oneof![8 => Just(0_u64), 1 => 0..3_u64], 0..4_u64, 0..10_u8, 1..10_u8, amount).prop_map(
        |(sender, nonce_off, fee, kind, to, amount)| Random { sender, nonce_off, fee, kind, to, amount },
    )
}

fn transaction(ledger: &Ledger, nonces: &mut BTreeMap<u8, u64>, random: &Random) -> SignedTransaction {
    let nonce = nonces.entry(random.sender).or_insert_with(|| ledger.state.account(&id(random.sender)).nonce);
    let nonce = *nonce + random.nonce_off;
    match random.kind {
        0 => ledger.registration(random.sender, nonce, random.to + 10),
        1 => ledger.sign(&key(random.sender), nonce, random.fee, Action::ExitProducer),
        2 => ledger.sync_proof(&id(random.sender)),
        3 => ledger.sync_proof(&id(random.to + 10)),
        4 => ledger.sign(&key(random.sender), nonce, random.fee, Action::Data { bytes: vec![0; 3] }),
        _ => ledger.transfer(random.sender, nonce, random.fee, id(random.to), random.amount),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// `Ledger::block` checks at every block that the changes lead to the executed state and that the
    /// supply is the sum of all balances.
    #[test]
    fn random_blocks_keep_every_promise(
        blocks in prop::collection::vec((prop::collection::vec(random(), 0..6), any::<u8>(), any::<u8>()),
        1..12),
    ) {
        let mut ledger = Ledger::new(genesis(5));
        let mut rewards = ledger.state.supply();
        for (randoms, maker, missing) in blocks {
            let registered = ledger.ids();
            let producer = registered[usize::from(maker) % registered.len()];
            let missed: Vec<_> =
                registered.iter().enumerate().filter(|(i, _)| missing >> (i % 8) & 1 == 1).map(|(_,
                id)| *id).collect();
            let mut nonces = BTreeMap::new();
            let transactions: Vec<_> = randoms
                .iter()
                .map(|random| {
                    let tx = transaction(&ledger, &mut nonces, random);
                    if !matches!(tx.transaction().action, Action::SyncProof(_)) && random.nonce_off == 0 {
                        *nonces.entry(random.sender).or_default() += 1;
                    }
                    tx
                })
                .collect();
            let before = ledger.state.clone();
            let (results, changes) = ledger.block(producer, &missed, &transactions);
            rewards += 50;
            prop_assert_eq!(ledger.state.supply(), rewards);
            prop_assert_eq!(root_by_definition(&ledger.state), ledger.state.root());

            // Only what differs is in the changes, and a faulty transaction is as if it had never been.
            for (address, account) in &changes.accounts {
                prop_assert_ne!(&before.account(address), account);
            }
            for (id, producer) in &changes.producers {
                prop_assert_ne!(before.producer(id), Some(producer));
            }
            let good: Vec<_> =
                transactions.into_iter().zip(&results).filter(|(_, r)| r.is_ok()).map(|(tx, _)| tx).collect();
            let after = std::mem::replace(&mut ledger.state, before);
            ledger.height -= 1;
            let (_, state, again) = ledger.try_block(producer, &missed, &good);
            prop_assert_eq!(state.root(), after.root());
            prop_assert_eq!(again, changes);
            ledger.state = after;
            ledger.height += 1;

            // The cached pools are what the records say.
            let active: Vec<_> = ledger.state.producers()
                .filter(|(_, p)| p.status == vision_ledger::ProducerStatus::Active).map(|(id,
                _)| *id).collect();
            let registered: Vec<_> = ledger.state.producers()
                .filter(|(_, p)| p.status.is_registered()).map(|(id, _)| *id).collect();
            prop_assert_eq!(ledger.state.active(), &Pool::new(active));
            prop_assert_eq!(ledger.state.registered(), &Pool::new(registered));
        }
    }
}
