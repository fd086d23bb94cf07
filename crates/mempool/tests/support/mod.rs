//! A state with producers 1 … 3 and accounts, and transactions whose signatures nobody asks for.
#![allow(dead_code, unused_imports, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

pub mod naive;

use std::sync::LazyLock;

use vision_ledger::{
    Account, BlockContext, Changes, Executor, Producer, ProducerStatus, State, TransactionFault,
};
use vision_mempool::{Context, Dropped, Limits, Mempool, Moment, Rejected};
use vision_primitives::*;
pub use vision_test_blocks::key;

pub const GENESIS: Hash = Hash([9; 32]);
pub const NOW: Moment = Moment { wall: TimestampMs(1_000_000), running_ms: 5_000 };

/// So much later by both clocks.
pub fn later(moment: Moment, ms: u64) -> Moment {
    Moment { wall: moment.wall.plus_ms(ms), running_ms: moment.running_ms + ms }
}

pub fn public_key(seed: u8) -> PublicKey {
    static KEYS: LazyLock<Vec<PublicKey>> =
        LazyLock::new(|| (0..=255).map(|s| key(s).public_key()).collect());
    KEYS[usize::from(seed)]
}

pub fn id(seed: u8) -> Hash {
    public_key(seed).id()
}

/// A transaction with any 64 bytes for a signature; another `salt` makes another hash.
pub fn unsigned(sender: u8, nonce: u64, fee: u64, action: Action, salt: u8) -> SignedTransaction {
    let transaction = Transaction { sender: public_key(sender), nonce, fee, action };
    let bytes = [&encode(&transaction)[..], &[salt; Signature::BYTES]].concat();
    SignedTransaction::from_bytes(bytes, &GENESIS).unwrap()
}

/// What it is to the accounts alone: a registration or an exit costs its fee, whatever the registry says to
/// it.
pub fn for_accounts(transaction: &SignedTransaction) -> SignedTransaction {
    let mut stand_in = transaction.transaction().clone();
    if matches!(stand_in.action, Action::RegisterProducer { .. } | Action::ExitProducer) {
        stand_in.action = Action::Data { bytes: Vec::new() };
    }
    let bytes = [&encode(&stand_in)[..], &[0; Signature::BYTES]].concat();
    SignedTransaction::from_bytes(bytes, &GENESIS).unwrap()
}

pub fn transfer(from: u8, nonce: u64, fee: u64, to: u8, amount: u64) -> SignedTransaction {
    unsigned(from, nonce, fee, Action::Transfer { to: id(to), amount }, 0)
}

pub fn data(from: u8, nonce: u64, fee: u64, len: usize) -> SignedTransaction {
    unsigned(from, nonce, fee, Action::Data { bytes: vec![7; len] }, 0)
}

pub fn registration(from: u8, nonce: u64, fee: u64, producer: u8) -> SignedTransaction {
    let (public_key, payout) = (public_key(producer), id(producer));
    let payload = registration_payload(&public_key, &payout);
    let proof_of_possession = key(producer).sign(Tag::Register, &GENESIS, &payload);
    unsigned(from, nonce, fee, Action::RegisterProducer { public_key, payout, proof_of_possession }, 0)
}

pub fn exit(producer: u8, nonce: u64, fee: u64) -> SignedTransaction {
    unsigned(producer, nonce, fee, Action::ExitProducer, 0)
}

pub fn block_hash(height: u64) -> Hash {
    hash(&[b"block", &height.to_le_bytes()])
}

pub fn sync_proof(producer: u8, height: u64) -> SignedTransaction {
    let proof = SyncProof { height: Height(height), hash: block_hash(height) };
    unsigned(producer, 0, 0, Action::SyncProof(proof), 0)
}

/// The state with these accounts `(seed, balance, nonce)`, and producers 1 (active), 2 (suspended) and 3
/// (active), of whom 2 and 3 hold nothing unless they are listed.
pub fn state(accounts: &[(u8, u64, u64)]) -> State {
    let supply = accounts.iter().map(|(_, balance, _)| balance).sum();
    let accounts = accounts
        .iter()
        .map(|(seed, balance, nonce)| (id(*seed), Account { balance: *balance, nonce: *nonce }));
    let producers = (1..=3).map(|seed| {
        let mut producer = Producer::of_genesis(public_key(seed), id(200 + seed));
        if seed == 2 {
            producer.status = ProducerStatus::Suspended;
        }
        (id(seed), producer)
    });
    State::from_parts(accounts, producers, supply)
}

pub fn executor<'a>(
    state: &'a State,
    head: u64,
    params: &'a ConsensusParams,
    recent: &'a dyn Fn(Height) -> Option<Hash>,
) -> Executor<'a> {
    let context = BlockContext {
        genesis_hash: GENESIS,
        height: Height(head + 1),
        producer: id(1),
        missed_owners: &[],
        recent,
    };
    Executor::new(state, params, Finality::Cft, context)
}

/// Runs transactions in one block on a state.
pub fn run<'a>(
    state: &State,
    head: u64,
    params: &ConsensusParams,
    transactions: impl IntoIterator<Item = &'a SignedTransaction>,
) -> (Vec<Result<(), TransactionFault>>, State, Changes) {
    let recent = |height: Height| Some(block_hash(height.get()));
    let mut executor = executor(state, head, params, &recent);
    let results = transactions.into_iter().map(|transaction| executor.execute(transaction)).collect();
    let (state, changes) = executor.finish().expect("the ledger keeps its promises");
    (results, state, changes)
}

/// A pool on a head.
pub struct World {
    pub pool: Mempool,
    pub state: State,
    pub head: u64,
    pub params: ConsensusParams,
    pub now: Moment,
}

impl World {
    pub fn new(limits: Limits, accounts: &[(u8, u64, u64)]) -> Self {
        let params = ConsensusParams::default();
        Self { pool: Mempool::new(limits), state: state(accounts), head: 10, params, now: NOW }
    }

    pub fn context(&self) -> Context<'_> {
        Context { state: &self.state, head: Height(self.head), params: &self.params }
    }

    /// Admits, after a check that must have said the same.
    pub fn admit(&mut self, transaction: &SignedTransaction) -> Result<Vec<Dropped>, Rejected> {
        let context = Context { state: &self.state, head: Height(self.head), params: &self.params };
        let checked = self.pool.check(transaction, &context);
        let admitted = self.pool.admit(transaction.clone(), &context, self.now);
        assert_eq!(checked, admitted.clone().map(drop), "admit says what check said");
        admitted
    }

    /// Admits what must be taken without displacing anything.
    pub fn admit_again(&mut self, transaction: &SignedTransaction) -> Result<Vec<Dropped>, Rejected> {
        let context = Context { state: &self.state, head: Height(self.head), params: &self.params };
        self.pool.admit_again(transaction.clone(), &context, self.now)
    }

    pub fn take(&mut self, transactions: &[SignedTransaction]) {
        for transaction in transactions {
            assert_eq!(self.admit(transaction), Ok(Vec::new()), "{transaction:?}");
        }
    }

    pub fn move_to(&mut self, state: State) -> Vec<Dropped> {
        self.state = state;
        self.head += 1;
        let context = Context { state: &self.state, head: Height(self.head), params: &self.params };
        self.pool.head_moved(&context)
    }

    /// Sender's seed and nonce of what is selected.
    pub fn selected(&self) -> Vec<(u8, u64)> {
        self.pool.select(&self.state, usize::MAX, usize::MAX).map(name).collect()
    }

    /// The same of all that wait, ascending.
    pub fn waiting(&self) -> Vec<(u8, u64)> {
        let mut all: Vec<_> = self.pool.iter().map(name).collect();
        all.sort_unstable();
        all
    }
}

/// What becomes of a transaction: "taken" with " -1" for each that leaves for it, or why not.
pub fn reason(world: &mut World, transaction: &SignedTransaction) -> String {
    match world.admit(transaction) {
        Ok(dropped) => format!("taken{}", " -1".repeat(dropped.len())),
        Err(rejected) => format!("{} {rejected:?}", rejected.reason()),
    }
}

pub fn name(transaction: &SignedTransaction) -> (u8, u64) {
    let sender = transaction.transaction().sender;
    let seed = (0..=255).find(|seed| public_key(*seed) == sender).expect("a sender of this test");
    (seed, transaction.transaction().nonce)
}

/// Hash and reason of what was dropped.
pub fn gone(dropped: &[Dropped]) -> Vec<(Hash, &'static str)> {
    dropped.iter().map(|dropped| (dropped.hash(), dropped.why.reason())).collect()
}
