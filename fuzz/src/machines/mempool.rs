//! Whatever comes, the pool holds what a list would hold, within its bounds, and offers a block the best
//! that applies. The properties are those of `crates/mempool/tests/properties.rs`, whose list it is compared
//! to.
#[path = "../../../crates/mempool/tests/support/mod.rs"]
mod support;

use crate::{All, input};
use arbitrary::Arbitrary;
use support::naive::{Item, Naive};
use support::{World, gone, id, later, registration, run as execute, sync_proof, transfer, unsigned};
use vision_ledger::{State, TransactionFault};
use vision_mempool::{Context, Dropped, Limits, Mempool, Rejected};
use vision_primitives::{Action, Address, Hash, Height, SignedTransaction};

const SENDERS: [u8; 5] = [1, 3, 10, 11, 12];
/// So small that a few steps fill it.
const LIMITS: Limits = Limits { transactions: 5, bytes: 1_200, lifetime_ms: 500 };
const MAX_STEPS: usize = 48;

#[derive(Arbitrary, Debug)]
enum Step {
    Send {
        sender: u8,
        nonce: Nonce,
        fee: Fee,
        act: Act,
        salt: bool,
    },
    Proof {
        producer: u8,
        below: u8,
    },
    /// A block of the selection, behind transfers that the pool never saw; the pool may not have seen it yet.
    Block {
        txs: u8,
        foreign: Vec<(u8, u16)>,
        informed: bool,
    },
    Reorganise {
        back: u8,
    },
    Later(u8),
}

#[derive(Arbitrary, Debug)]
enum Nonce {
    /// The first that is free.
    Free,
    /// So far above the account's next.
    Above(u8),
    Below(u8),
}

#[derive(Arbitrary, Debug)]
enum Fee {
    Small(u8),
    Any(u64),
}

#[derive(Arbitrary, Debug)]
enum Act {
    Transfer(u8, u16),
    TransferAny(u8, u64),
    Data(u8),
    Register(u8),
    Exit,
}

fn sender(index: u8) -> u8 {
    SENDERS[usize::from(index) % SENDERS.len()]
}

/// The pool; a twin that is always given heads in the slow way; and the list.
struct Run {
    world: World,
    twin: Mempool,
    naive: Naive,
    chain: Vec<State>,
    /// Root of the head that the pool last saw, and what was touched since.
    known_root: Hash,
    touched: Vec<Address>,
}

impl Run {
    fn new() -> Self {
        let mut world = World::new(LIMITS, &SENDERS.map(|seed| (seed, 900, 0)));
        let mut twin = Mempool::new(LIMITS);
        world.move_to(world.state.clone());
        twin.head_moved(&world.context());
        let (chain, known_root) = (vec![world.state.clone()], world.state.root());
        Self { world, twin, naive: Naive::default(), chain, known_root, touched: Vec::new() }
    }

    /// `World::admit` compares with what `check` says.
    fn send(&mut self, transaction: &SignedTransaction) {
        let before = self.naive.clone();
        let result = self.world.admit(transaction);
        let item = Item { transaction: transaction.clone(), arrived: self.world.now };
        let is_informed = self.touched.is_empty() && self.known_root == self.world.state.root();
        let registers = matches!(transaction.transaction().action, Action::RegisterProducer { .. });
        match &result {
            Ok(dropped) => {
                self.naive.drop(dropped);
                self.naive.insert(transaction.clone(), self.world.now);
                if is_informed && !item.is_proof() {
                    self.naive.check_admitted(&before, dropped, &item, &self.world.state, &LIMITS);
                }
            }
            Err(Rejected::Full) if is_informed && !registers => {
                assert!(!before.could_hold(&item, &self.world.state, &LIMITS), "there is room");
            }
            Err(_) => {}
        }
        let twin = self.twin.admit(transaction.clone(), &self.world.context(), self.world.now);
        assert_eq!(twin, result, "the twin does the same");
    }

    fn block(&mut self, txs: usize, foreign: &[(u8, u16)], informed: bool) {
        let head = self.world.state.clone();
        let stranger = |(from, amount): &(u8, u16)| {
            let from = sender(*from);
            transfer(from, head.account(&id(from)).nonce, 1, 10, u64::from(*amount))
        };
        let mut transactions: Vec<_> = foreign.iter().take(3).map(stranger).collect();
        transactions.extend(self.world.pool.select(&head, txs, usize::MAX).cloned());
        let (_, state, changes) = execute(&head, self.world.head, &self.world.params, &transactions);
        self.chain.push(state.clone());
        self.touched.extend(changes.accounts.iter().map(|(address, _)| *address));
        self.world.state = state;
        self.world.head += 1;
        if informed {
            let World { pool, state, head, params, .. } = &mut self.world;
            let context = Context { state, head: Height(*head), params };
            let dropped = pool.head_extended(&context, &self.known_root, &self.touched);
            self.moved(&dropped);
        }
    }

    fn reorganise(&mut self, back: usize) {
        self.chain.truncate(self.chain.len().saturating_sub(back).max(1));
        let Some(state) = self.chain.last().cloned() else { return };
        let dropped = self.world.move_to(state);
        self.moved(&dropped);
    }

    fn moved(&mut self, dropped: &[Dropped]) {
        self.naive.drop(dropped);
        let (mut slowly, mut dropped) = (gone(&self.twin.head_moved(&self.world.context())), gone(dropped));
        dropped.sort_unstable();
        slowly.sort_unstable();
        assert_eq!(dropped, slowly, "looking at the touched accounts finds as much");
        self.known_root = self.world.state.root();
        self.touched.clear();
        self.naive.check_state(&self.world.state);
    }

    fn nonce(&self, from: u8, nonce: &Nonce) -> u64 {
        let World { pool, state, .. } = &self.world;
        let next = state.account(&id(from)).nonce;
        match nonce {
            Nonce::Free => pool.next_nonce(&id(from), state),
            Nonce::Above(above) if *above < 240 => next + u64::from(above % 4),
            Nonce::Above(above) => next + u64::from(above - 180),
            Nonce::Below(below) => next.saturating_sub(u64::from(*below)),
        }
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Send { sender: from, nonce, fee, act, salt } => {
                let from = sender(from);
                let nonce = self.nonce(from, &nonce);
                let fee = match fee {
                    Fee::Small(fee) => u64::from(fee % 64),
                    Fee::Any(fee) => fee,
                };
                let action = match act {
                    Act::Transfer(to, amount) => {
                        Action::Transfer { to: id(sender(to)), amount: u64::from(amount % 1024) }
                    }
                    Act::TransferAny(to, amount) => Action::Transfer { to: id(sender(to)), amount },
                    Act::Data(len) => Action::Data { bytes: vec![1; usize::from(len) * 3] },
                    Act::Register(producer) => {
                        registration(from, nonce, fee, 50 + producer % 3).transaction().action.clone()
                    }
                    Act::Exit => Action::ExitProducer,
                };
                self.send(&unsigned(from, nonce, fee, action, u8::from(salt)));
            }
            Step::Proof { producer, below } => {
                self.send(&sync_proof(1 + producer % 3, self.world.head + 1 - u64::from(below % 5)));
            }
            Step::Block { txs, foreign, informed } => self.block(usize::from(txs % 8), &foreign, informed),
            Step::Reorganise { back } => self.reorganise(usize::from(back % 4)),
            Step::Later(ms) => {
                self.world.now = later(self.world.now, u64::from(ms));
                let dropped = self.world.pool.expire(self.world.now);
                assert_eq!(self.twin.expire(self.world.now), dropped);
                self.naive.drop(&dropped);
                let too_old = |item: &Item| {
                    self.world.now.since_ms(item.arrived) >= LIMITS.lifetime_ms && !item.is_proof()
                };
                assert!(!self.naive.0.iter().any(too_old));
            }
        }
    }

    fn check(&self) {
        let (pool, naive) = (&self.world.pool, &self.naive);
        let mut hashes: Vec<Hash> = pool.iter().map(SignedTransaction::hash).collect();
        let mut expect: Vec<Hash> = naive.0.iter().map(|item| item.transaction.hash()).collect();
        hashes.sort_unstable();
        expect.sort_unstable();
        assert_eq!(hashes, expect, "nothing vanishes and nothing appears");
        assert_eq!((pool.len(), pool.bytes()), (naive.0.len(), naive.0.iter().map(Item::size).sum()));
        let (count, bytes) = naive.size();
        assert!(count <= LIMITS.transactions && bytes <= LIMITS.bytes, "{count} transactions, {bytes} bytes");
        self.check_selection(&self.world.state, 3, 700);
        self.check_selection(&self.world.state, usize::MAX, usize::MAX);
        self.check_selection(&self.chain[0], usize::MAX, 700);
        for seed in SENDERS {
            let next = self.world.state.account(&id(seed)).nonce;
            let waits = naive.of(&id(seed));
            let free = (next..).find(|nonce| waits.iter().all(|item| item.nonce() != *nonce));
            assert_eq!(Some(pool.next_nonce(&id(seed), &self.world.state)), free);
        }
    }

    fn check_selection(&self, state: &State, txs: usize, bytes: usize) {
        let (pool, params) = (&self.world.pool, &self.world.params);
        let chosen: Vec<_> = pool.select(state, txs, bytes).collect();
        let hashes: Vec<Hash> = chosen.iter().map(|transaction| transaction.hash()).collect();
        assert_eq!(hashes, self.naive.select(state, params, txs, bytes), "the best come first");
        let faults: Vec<_> =
            execute(state, self.world.head, params, chosen).0.into_iter().filter_map(Result::err).collect();
        // Two about one producer may forestall each other, and then what follows is in vain.
        if !faults.iter().any(is_of_the_registry) {
            for fault in faults {
                use TransactionFault::{NotSuspended, SyncProofHeight};
                assert!(matches!(fault, NotSuspended(_) | SyncProofHeight { .. }), "{fault:?}");
            }
        }
    }
}

const fn is_of_the_registry(fault: &TransactionFault) -> bool {
    use TransactionFault::{AlreadyRegistered, LastProducer, NotAProducer, RegistryFull};
    matches!(fault, AlreadyRegistered(_) | RegistryFull { .. } | NotAProducer(_) | LastProducer)
}

pub(crate) fn run(bytes: &[u8]) {
    let Some(All(steps)) = input::<All<Step>>(bytes) else { return };
    let mut run = Run::new();
    for step in steps.into_iter().take(MAX_STEPS) {
        run.step(step);
        run.check();
    }
}
