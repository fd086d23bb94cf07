//! Whatever transactions a block holds: the ledger never panics and never breaks a promise of its own, no
//! money appears or vanishes, a faulty transaction leaves no trace, and what happened to the accounts is
//! what a page of arithmetic says.
use std::collections::BTreeMap;
use std::sync::LazyLock;

use crate::values::{GENESIS_HASH, id, key};
use crate::{All, Few, input};
use arbitrary::Arbitrary;
use vision_ledger::{Account, BlockContext, Executor, Producer, ProducerStatus, State, check_form};
use vision_primitives::{
    Action, Address, ConsensusParams, Finality, Hash, Height, PublicKey, Signature, SignedTransaction,
    SyncProof, Tag, Transaction, encode, hash, registration_payload,
};

/// Accounts, of which the first four are producers from the start and the last two may become some.
const ACTORS: u8 = 6;
const PRODUCERS: u8 = 4;
const MAX_BLOCKS: usize = 6;

#[derive(Arbitrary, Debug)]
struct Input {
    balances: [u64; ACTORS as usize],
    nonces: [Option<u64>; 2],
    reward: Amount,
    min_fee: u8,
    max_producers: u8,
    max_missed: u8,
    byzantine: bool,
    height: u16,
    blocks: All<Block>,
}

#[derive(Arbitrary, Debug)]
struct Block {
    producer: u8,
    missed: u8,
    txs: Few<Tx>,
}

#[derive(Arbitrary, Debug)]
struct Tx {
    sender: u8,
    /// Apart from the account's next one.
    nonce: i8,
    fee: Amount,
    act: Act,
}

#[derive(Arbitrary, Debug, Clone, Copy)]
enum Amount {
    Small(u8),
    /// So much less than all that the sender had before the block.
    AllBut(u8),
    Any(u64),
}

#[derive(Arbitrary, Debug)]
enum Act {
    Transfer(u8, Amount),
    Data(u8),
    Register { producer: u8, rightly: bool },
    Exit,
    Proof { below: u8, rightly: bool },
}

struct Actor {
    public_key: PublicKey,
    id: Hash,
    possession: Signature,
}

static ACTOR: LazyLock<Vec<Actor>> = LazyLock::new(|| {
    let actor = |seed| {
        let public_key = key(seed).public_key();
        let payload = registration_payload(&public_key, &id(seed));
        Actor { public_key, id: id(seed), possession: key(seed).sign(Tag::Register, &GENESIS_HASH, &payload) }
    };
    (0..ACTORS).map(actor).collect()
});

fn actor(seed: u8) -> &'static Actor {
    &ACTOR[usize::from(seed % ACTORS)]
}

fn block_hash(height: Height) -> Hash {
    hash(&[b"block", &height.get().to_le_bytes()])
}

fn amount(amount: Amount, all: u64) -> u64 {
    match amount {
        Amount::Small(amount) => u64::from(amount),
        Amount::AllBut(less) => all.saturating_sub(u64::from(less)),
        Amount::Any(amount) => amount,
    }
}

impl Tx {
    /// The transaction, with no signature, which is not the ledger's to check.
    fn signed(&self, state: &State, sent: u64, height: Height) -> SignedTransaction {
        let sender = actor(self.sender);
        let Account { balance, nonce } = state.account(&sender.id);
        let action = match self.act {
            Act::Transfer(to, much) => Action::Transfer { to: actor(to).id, amount: amount(much, balance) },
            Act::Data(len) => Action::Data { bytes: vec![0; usize::from(len) * 300] },
            Act::Register { producer, rightly } => {
                let Actor { public_key, id: payout, possession } = *actor(producer);
                let proof_of_possession = if rightly { possession } else { Signature::ZERO };
                Action::RegisterProducer { public_key, payout, proof_of_possession }
            }
            Act::Exit => Action::ExitProducer,
            Act::Proof { below, rightly } => {
                let height = Height(height.get().wrapping_sub(u64::from(below)));
                let hash = if rightly { block_hash(height) } else { Hash::ZERO };
                Action::SyncProof(SyncProof { height, hash })
            }
        };
        let free = matches!(action, Action::SyncProof(_)) && self.nonce != 1;
        let (nonce, fee) = if free {
            (0, 0)
        } else {
            let next = nonce.saturating_add(sent);
            (next.saturating_add_signed(i64::from(self.nonce / 32)), amount(self.fee, balance))
        };
        let transaction = Transaction { sender: sender.public_key, nonce, fee, action };
        let bytes = [&encode(&transaction)[..], &[0; Signature::BYTES]].concat();
        SignedTransaction::from_bytes(bytes, &GENESIS_HASH).expect("its own bytes")
    }
}

/// What a transaction that applied does to accounts; its fee goes to the producer later.
fn reckon(accounts: &mut BTreeMap<Address, Account>, signed: &SignedTransaction) -> u64 {
    let transaction = signed.transaction();
    if matches!(transaction.action, Action::SyncProof(_)) {
        return 0;
    }
    let sender = accounts.entry(signed.sender_address()).or_default();
    assert_eq!(sender.nonce, transaction.nonce);
    sender.nonce += 1;
    sender.balance -= transaction.fee;
    if let Action::Transfer { to, amount } = transaction.action {
        sender.balance -= amount;
        accounts.entry(to).or_default().balance += amount;
    }
    transaction.fee
}

fn check_state(state: &State) {
    let total: u128 = state.accounts().map(|(_, account)| u128::from(account.balance)).sum();
    assert_eq!(total, u128::from(state.supply()), "the supply is the sum of all balances");
    let with = |wanted: fn(ProducerStatus) -> bool| -> Vec<Hash> {
        state.producers().filter(|(_, producer)| wanted(producer.status)).map(|(id, _)| *id).collect()
    };
    assert_eq!(state.active().ids(), with(|status| status == ProducerStatus::Active));
    assert_eq!(state.registered().ids(), with(ProducerStatus::is_registered));
    assert!(!state.registered().is_empty(), "the last one cannot leave");
    assert_eq!(state.census().active, state.active().len() as u64);
    assert_eq!(state.census().registered(), state.registered().len() as u64);
    let accounts = state.accounts().map(|(address, account)| (*address, *account));
    let producers = state.producers().map(|(id, producer)| (*id, producer.clone()));
    assert_eq!(
        State::from_parts(accounts, producers, state.supply()).root(),
        state.root(),
        "no history in it"
    );
}

fn first_state(input: &Input) -> State {
    let mut supply = 0;
    let accounts: Vec<_> = (0..ACTORS)
        .zip(input.balances)
        .map(|(seed, wanted)| {
            let balance = wanted.min(u64::MAX - supply);
            supply += balance;
            let nonce = input.nonces.get(usize::from(seed)).copied().flatten().unwrap_or(0);
            (actor(seed).id, Account { balance, nonce })
        })
        .collect();
    let producers = (0..PRODUCERS).map(|seed| {
        let mut producer = Producer::of_genesis(actor(seed).public_key, actor(seed % 3).id);
        if seed == 3 {
            producer.status = ProducerStatus::Suspended;
        }
        (actor(seed).id, producer)
    });
    State::from_parts(accounts, producers, supply)
}

pub(crate) fn run(bytes: &[u8]) {
    let Some(input) = input::<Input>(bytes) else { return };
    let mut state = first_state(&input);
    let params = ConsensusParams {
        block_reward: amount(input.reward, u64::MAX),
        min_fee: u64::from(input.min_fee % 4),
        max_producers: u64::from(input.max_producers % 8).max(1),
        max_missed_slots: u64::from(input.max_missed % 4).max(1),
        ..ConsensusParams::default()
    };
    let finality = if input.byzantine { Finality::Bft } else { Finality::Cft };
    let mut height = Height(u64::from(input.height).max(1));
    for block in input.blocks.0.iter().take(MAX_BLOCKS) {
        let producers: Vec<Hash> = state.producers().map(|(id, _)| *id).collect();
        let producer = producers[usize::from(block.producer) % producers.len()];
        let is_missed = |(at, _): &(usize, &Hash)| *at < 8 && block.missed >> at & 1 == 1;
        let missed: Vec<Hash> = producers.iter().enumerate().filter(is_missed).map(|(_, id)| *id).collect();
        let recent = |at: Height| (at < height).then(|| block_hash(at));
        let context = BlockContext {
            genesis_hash: GENESIS_HASH,
            height,
            producer,
            missed_owners: &missed,
            recent: &recent,
        };

        let mut executor = Executor::new(&state, &params, finality, context);
        let mut without_faulty = Executor::new(&state, &params, finality, context);
        let mut accounts: BTreeMap<Address, Account> = state.accounts().map(|(a, b)| (*a, *b)).collect();
        let (mut fees, mut sent) = (0, BTreeMap::<Address, u64>::new());
        for tx in &block.txs.0 {
            let sender = actor(tx.sender).id;
            let signed = tx.signed(&state, sent.get(&sender).copied().unwrap_or(0), height);
            let result = executor.execute(&signed);
            if let Err(fault) = check_form(signed.transaction(), &params) {
                assert_eq!(result, Err(fault));
            }
            if result.is_ok() {
                assert_eq!(without_faulty.execute(&signed), Ok(()));
                fees += reckon(&mut accounts, &signed);
                *sent.entry(sender).or_default() +=
                    u64::from(signed.transaction().fee > 0 || params.min_fee == 0);
            }
        }
        let (next, changes) = executor.finish().expect("the ledger keeps its promises");
        let (twin, twin_changes) = without_faulty.finish().expect("the ledger keeps its promises");
        assert_eq!((next.root(), &changes), (twin.root(), &twin_changes), "a fault leaves no trace");
        assert_eq!(state.apply_changes(&changes).root(), next.root(), "the changes lead to the state");

        let reward = params.block_reward.min(u64::MAX - state.supply());
        assert_eq!(next.supply(), state.supply() + reward);
        let payout = next.producer(&producer).expect("records stay").payout;
        accounts.entry(payout).or_default().balance += reward + fees;
        accounts.retain(|_, account| *account != Account::default());
        assert!(
            accounts.iter().eq(next.accounts().map(|(a, b)| (*a, *b)).collect::<BTreeMap<_, _>>().iter())
        );
        check_state(&next);
        let is_new = |id: &Hash, now: &Producer| {
            now.status == ProducerStatus::Suspended
                && state.producer(id).is_some_and(|was| was.status == ProducerStatus::Active)
        };
        if next.producers().any(|(id, now)| is_new(id, now)) {
            assert!(next.census().suspended <= finality.max_suspended(next.census().registered()));
        }
        (state, height) = (next, height.next());
    }
}
