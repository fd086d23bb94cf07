//! What holds for every sequence of transactions, blocks, reorganisations and hours.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use proptest::prelude::*;
use support::naive::{Item, Naive};
use support::*;
use vision_ledger::{State, TransactionFault};
use vision_mempool::{Context, Limits, Mempool, Rejected};
use vision_primitives::*;

const SENDERS: [u8; 5] = [1, 3, 10, 11, 12];
const LIMITS: Limits = Limits { transactions: 9, bytes: 2_400, lifetime_ms: 500 };

#[derive(Clone, Debug)]
enum Step {
    /// A nonce so far above the account's (or below, from 70 on), a fee, what it does, and its salt.
    Send {
        sender: u8,
        above: u64,
        fee: u64,
        act: Act,
        salt: u8,
    },
    Proof {
        producer: u8,
        below: u64,
    },
    /// A block of the selection, behind others of these senders that the pool never saw.
    Block {
        txs: usize,
        foreign: Vec<(u8, u64)>,
        informed: bool,
    },
    /// Back to an earlier state.
    Reorganise {
        back: usize,
    },
    Later(u64),
}

#[derive(Clone, Debug)]
enum Act {
    Transfer(u8, u64),
    Data(usize),
    Register(u8),
    Exit,
}

fn sender() -> impl Strategy<Value = u8> {
    prop::sample::select(&SENDERS[..])
}

fn act() -> impl Strategy<Value = Act> {
    let amount = prop_oneof![6 => 0_u64..400, 1 => Just(u64::MAX), 1 => Just(u64::MAX - 20)];
    prop_oneof![
        4 => (sender(), amount).prop_map(|(to, amount)| Act::Transfer(to, amount)),
        5 => prop_oneof![Just(0_usize), 0_usize..700].prop_map(Act::Data),
        2 => (50_u8..53).prop_map(Act::Register),
        1 => Just(Act::Exit),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let above = prop_oneof![10 => 0_u64..4, 1 => 60_u64..73];
    let fee = prop_oneof![12 => 0_u64..60, 1 => Just(u64::MAX)];
    prop_oneof![
        24 => (sender(), above, fee, act(), 0_u8..2).prop_map(|(sender, above, fee, act, salt)| Step::Send {
            sender, above, fee, act, salt
        }),
        1 => (1_u8..4, 0_u64..4).prop_map(|(producer, below)| Step::Proof { producer, below }),
        3 => (0_usize..5, prop::collection::vec((sender(), 0_u64..900), 0..3), any::<bool>())
            .prop_map(|(txs, foreign, informed)| Step::Block { txs, foreign, informed }),
        1 => (1_usize..3).prop_map(|back| Step::Reorganise { back }),
        2 => (0_u64..200).prop_map(Step::Later),
    ]
}

/// The pool that is tested; a twin that is always given heads in the slow way; and the list.
struct Run {
    world: World,
    twin: Mempool,
    naive: Naive,
    /// States of the chain, the last one the head's.
    chain: Vec<State>,
    /// Root of the head that the pool last saw, and what was touched since.
    known_root: Hash,
    touched: Vec<Address>,
}

impl Run {
    fn new() -> Self {
        let accounts = SENDERS.map(|seed| (seed, 900, 0));
        let mut world = World::new(LIMITS, &accounts);
        let mut twin = Mempool::new(LIMITS);
        world.move_to(world.state.clone());
        twin.head_moved(&world.context());
        let (chain, known_root) = (vec![world.state.clone()], world.state.root());
        Self { world, twin, naive: Naive::default(), chain, known_root, touched: Vec::new() }
    }

    fn send(&mut self, transaction: &SignedTransaction) {
        let before = self.naive.clone();
        let result = self.world.admit(transaction);
        let item = Item { transaction: transaction.clone(), arrived: self.world.now };
        let is_informed = self.touched.is_empty() && self.known_root == self.world.state.root();
        match &result {
            Ok(dropped) => {
                self.naive.drop(dropped);
                self.naive.insert(transaction.clone(), self.world.now);
                if is_informed && !item.is_proof() {
                    self.naive.check_admitted(&before, dropped, &item, &self.world.state, &LIMITS);
                }
            }
            Err(Rejected::Full)
                if is_informed
                    && !matches!(transaction.transaction().action, Action::RegisterProducer { .. }) =>
            {
                assert!(!before.could_hold(&item, &self.world.state, &LIMITS), "there is room");
            }
            Err(_) => {}
        }
        let twin = self.twin.admit(transaction.clone(), &self.world.context(), self.world.now);
        assert_eq!(twin, result, "the twin does the same");
    }

    fn block(&mut self, txs: usize, foreign: &[(u8, u64)], informed: bool) {
        let head = self.world.state.clone();
        let mut transactions = Vec::new();
        for (sender, amount) in foreign {
            let nonce = head.account(&id(*sender)).nonce;
            transactions.push(transfer(*sender, nonce, 1, 10, *amount));
        }
        transactions.extend(self.world.pool.select(&head, txs, usize::MAX).cloned());
        let (_, state, changes) = run(&head, self.world.head, &self.world.params, &transactions);
        self.chain.push(state.clone());
        self.touched.extend(changes.accounts.iter().map(|(address, _)| *address));
        self.world.state = state;
        self.world.head += 1;
        if informed {
            let context = Context {
                state: &self.world.state,
                head: Height(self.world.head),
                params: &self.world.params,
            };
            let dropped = self.world.pool.head_extended(&context, &self.known_root, &self.touched);
            self.moved(&dropped);
        }
    }

    fn reorganise(&mut self, back: usize) {
        let keep = self.chain.len().saturating_sub(back).max(1);
        self.chain.truncate(keep);
        let dropped = self.world.move_to(self.chain[keep - 1].clone());
        self.moved(&dropped);
    }

    fn moved(&mut self, dropped: &[vision_mempool::Dropped]) {
        self.naive.drop(dropped);
        let mut slowly = gone(&self.twin.head_moved(&self.world.context()));
        let mut dropped = gone(dropped);
        dropped.sort_unstable();
        slowly.sort_unstable();
        assert_eq!(dropped, slowly, "looking at the touched accounts finds as much");
        self.known_root = self.world.state.root();
        self.touched.clear();
        self.naive.check_state(&self.world.state);
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Send { sender, above, fee, act, salt } => {
                let next = self.world.state.account(&id(sender)).nonce;
                let nonce = if above >= 70 { next.saturating_sub(above - 69) } else { next + above };
                let action = match act {
                    Act::Transfer(to, amount) => Action::Transfer { to: id(to), amount },
                    Act::Data(len) => Action::Data { bytes: vec![1; len] },
                    Act::Register(producer) => {
                        registration(sender, nonce, fee, producer).transaction().action.clone()
                    }
                    Act::Exit => Action::ExitProducer,
                };
                self.send(&unsigned(sender, nonce, fee, action, salt));
            }
            Step::Proof { producer, below } => self.send(&sync_proof(producer, self.world.head + 1 - below)),
            Step::Block { txs, foreign, informed } => self.block(txs, &foreign, informed),
            Step::Reorganise { back } => self.reorganise(back),
            Step::Later(ms) => {
                self.world.now = later(self.world.now, ms);
                let dropped = self.world.pool.expire(self.world.now);
                assert_eq!(self.twin.expire(self.world.now), dropped);
                self.naive.drop(&dropped);
                for item in self.naive.0.iter().filter(|item| !item.is_proof()) {
                    assert!(self.world.now.since_ms(item.arrived) < LIMITS.lifetime_ms, "it is not too old");
                }
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
        assert_eq!(pool.len(), naive.0.len());
        assert_eq!(pool.bytes(), naive.0.iter().map(Item::size).sum::<usize>());
        let (count, bytes) = naive.size();
        assert!(count <= LIMITS.transactions && bytes <= LIMITS.bytes, "{count} transactions, {bytes} bytes");
        for item in &naive.0 {
            assert_eq!(pool.get(&item.transaction.hash()), Some(&item.transaction));
        }
        self.check_selection(&self.world.state, 3, 700);
        self.check_selection(&self.world.state, usize::MAX, usize::MAX);
        self.check_selection(&self.chain[0], usize::MAX, 700);
        for seed in SENDERS {
            let next = self.world.state.account(&id(seed)).nonce;
            let has = |nonce| naive.of(&id(seed)).iter().any(|item| item.nonce() == nonce);
            let free = (next..).find(|nonce| !has(*nonce)).unwrap();
            assert_eq!(pool.next_nonce(&id(seed), &self.world.state), free);
        }
    }

    fn check_selection(&self, state: &State, txs: usize, bytes: usize) {
        let (pool, params) = (&self.world.pool, &self.world.params);
        let chosen: Vec<_> = pool.select(state, txs, bytes).collect();
        let hashes: Vec<Hash> = chosen.iter().map(|transaction| transaction.hash()).collect();
        assert_eq!(hashes, self.naive.select(state, params, txs, bytes), "the best come first");
        let (results, ..) = run(state, self.world.head, params, chosen);
        if results.iter().any(|result| result.as_ref().is_err_and(is_of_the_registry)) {
            // Two that forestall each other, or a state other than the head's: what follows is in vain.
            return;
        }
        for fault in results.into_iter().filter_map(Result::err) {
            let of_a_proof =
                matches!(fault, TransactionFault::NotSuspended(_) | TransactionFault::SyncProofHeight { .. });
            assert!(of_a_proof, "{fault:?}");
        }
    }
}

const fn is_of_the_registry(fault: &TransactionFault) -> bool {
    matches!(
        fault,
        TransactionFault::AlreadyRegistered(_)
            | TransactionFault::RegistryFull { .. }
            | TransactionFault::NotAProducer(_)
            | TransactionFault::LastProducer
    )
}

proptest! {
    #[test]
    fn the_pool_does_what_a_list_would(steps in prop::collection::vec(step(), 1..60)) {
        let mut run = Run::new();
        for step in steps {
            run.step(step);
            run.check();
        }
    }

    #[test]
    fn an_empty_pool_takes_all_again(steps in prop::collection::vec(step(), 1..60)) {
        let mut run = Run::new();
        for step in steps {
            run.step(step);
        }
        // The newest head first: what its state has made useless would be refused.
        run.reorganise(0);
        let all: Vec<_> = run.world.pool.iter().cloned().collect();
        let mut again = World { pool: Mempool::new(LIMITS), ..run.world };
        for transaction in &all {
            prop_assert_eq!(again.admit_again(transaction), Ok(vec![]));
        }
        prop_assert_eq!(again.pool.len(), all.len());
    }
}
