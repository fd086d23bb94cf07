//! Machines with a store in memory, and the producers' keys, so that blocks can be made for them.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use vision_block_tree::ChainRules;
use vision_importer::{
    Answer, Arrival, Batch, Bodies, CommitId, Importer, Input, Now, Observer, Output, Parts, Prepared,
    RequestId, Ticket,
};
use vision_mempool::Limits;
use vision_primitives::*;
pub use vision_test_blocks::{Net, id, key};

/// What a disk would hold.
#[derive(Default)]
pub struct Memory {
    pub blocks: BTreeMap<Hash, Arc<Block>>,
    pub chain: BTreeMap<Height, Hash>,
    pub waiting: BTreeSet<Hash>,
    pub fates: BTreeSet<Hash>,
    pub commits: usize,
}

impl Memory {
    pub fn write(&mut self, batch: Batch) {
        self.commits += 1;
        self.blocks.extend(batch.blocks.into_iter().map(|new| (new.block.hash(), new.block)));
        for (height, hash) in batch.chain {
            match hash {
                Some(hash) => drop(self.chain.insert(height, hash)),
                None => drop(self.chain.remove(&height)),
            }
        }
        for pruned in &batch.pruned {
            self.blocks.remove(pruned);
        }
        self.waiting.extend(batch.waiting.into_keys());
        for gone in &batch.gone {
            self.waiting.remove(gone);
        }
        self.fates.extend(batch.fates.into_keys());
    }

    /// Whether a block of the head's chain has a transaction.
    pub fn includes(&self, transaction: &Hash) -> bool {
        let blocks = self.chain.values().map(|hash| &self.blocks[hash]);
        blocks.flat_map(|block| block.transactions()).any(|included| included.hash() == *transaction)
    }
}

impl Bodies for Memory {
    fn body(&mut self, block: &Hash) -> Vec<SignedTransaction> {
        self.blocks.get(block).map(|block| block.transactions().to_vec()).unwrap_or_default()
    }
}

impl Observer for Memory {}

/// A machine, its store, and what it has said and is yet to be looked at.
pub struct Machine {
    pub rules: Arc<ChainRules>,
    pub importer: Importer,
    pub memory: Memory,
    /// The clock.
    pub now_ms: u64,
    /// What has been given out to be written and is not yet.
    pub unwritten: BTreeMap<CommitId, Batch>,
    /// Whether the disk takes nothing at the end of a turn.
    pub disk_is_full: bool,
    next_id: u64,
}

impl Machine {
    pub fn new(net: &Net) -> Self {
        let (tree, now_ms) = (net.tree(), net.rules.genesis.time_ms.get());
        let parts = Parts { tree, pool_limits: Limits::default(), fates: 0, now: Self::instant(now_ms) };
        Self {
            rules: net.rules.clone(),
            importer: Importer::new(parts),
            memory: Memory::default(),
            now_ms,
            unwritten: BTreeMap::new(),
            disk_is_full: false,
            next_id: 0,
        }
    }

    const fn instant(now_ms: u64) -> Now {
        // The machine starts long before the chain does.
        Now { wall: TimestampMs(now_ms), mono_ms: now_ms, running_ms: now_ms }
    }

    pub const fn now(&self) -> Now {
        Self::instant(self.now_ms)
    }

    pub fn new_id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }

    /// Gives the machine an input; what it says, but for what is to be written, which is kept.
    pub fn handle(&mut self, input: Input) -> Vec<Output> {
        let (now, mut out) = (self.now(), Vec::new());
        self.importer.handle(input, now, &mut self.memory, &mut out);
        let mut rest = Vec::new();
        for output in out {
            match output {
                Output::Commit { id, batch } => drop(self.unwritten.insert(id, batch)),
                other => rest.push(other),
            }
        }
        rest
    }

    /// Writes what has been given out.
    pub fn write(&mut self) -> Vec<Output> {
        let mut said = Vec::new();
        for (id, batch) in std::mem::take(&mut self.unwritten) {
            self.memory.write(batch);
            let fates = self.memory.fates.len() as u64;
            said.extend(self.handle(Input::Committed { id, fates }));
        }
        said
    }

    /// Ends the turn; the disk takes everything at once or nothing.
    pub fn close(&mut self) -> Vec<Output> {
        let mut said = self.handle(Input::Tick);
        said.extend(self.handle(Input::CloseBatch));
        if !self.disk_is_full {
            said.extend(self.write());
        }
        said
    }

    /// Gives the machine an input and ends the turn.
    pub fn step(&mut self, input: Input) -> Vec<Output> {
        let mut said = self.handle(input);
        said.extend(self.close());
        said
    }

    pub fn head(&self) -> Hash {
        self.importer.tree().head().hash()
    }

    /// Waits for the first slot above the head that one of these may use, and has a block prepared for it.
    pub fn prepare(&mut self, makers: &[NodeId]) -> Prepared {
        let parent = self.head();
        let schedule = self.importer.tree().schedule_on(&parent).expect("the head is known");
        let window = (0..)
            .map(|slot| schedule.window(Slot(slot)))
            .find(|window| makers.contains(&window.owner) && window.closes_at > TimestampMs(self.now_ms))
            .expect("every producer owns a slot in time");
        self.now_ms = self.now_ms.max(window.opens_at.get());
        let id = RequestId(self.new_id());
        let (slot, stamp) = (window.slot, TimestampMs(self.now_ms));
        let said = self.handle(Input::Prepare { id, parent, slot, producer: window.owner, stamp });
        let [Output::Reply { id: answered, answer: Answer::Prepared(Ok(prepared)) }] = &said[..] else {
            panic!("{} outputs and no block", said.len());
        };
        assert_eq!(*answered, id);
        prepared.clone()
    }

    /// The input that submits a prepared block.
    pub fn submit(&mut self, prepared: &Prepared) -> Input {
        let header = Header::from_bytes(&prepared.header).expect("a header");
        let signature = self.signature(&header.producer, &prepared.hash);
        let id = RequestId(self.new_id());
        Input::Submit { id, header: prepared.header.clone(), signature, transactions: vec![] }
    }

    fn signature(&self, producer: &NodeId, hash: &Hash) -> Vec<u8> {
        let key = (1..=u8::MAX).map(key).find(|key| key.public_key().id() == *producer).expect("its key");
        key.sign(Tag::Block, &self.rules.genesis_hash, hash.as_bytes()).0.to_vec()
    }

    /// The block that one of these makes next, without its being submitted.
    pub fn next_block(&mut self, makers: &[NodeId]) -> Arc<Block> {
        let Prepared { header, hash, transactions, .. } = self.prepare(makers);
        let producer = Header::from_bytes(&header).expect("a header").producer;
        let signature = self.signature(&producer, &hash);
        let block = Block::from_parts(header, &signature, transactions, &self.rules.genesis_hash);
        Arc::new(block.expect("a block"))
    }

    /// Makes and stores a block.
    pub fn produce(&mut self, makers: &[NodeId]) -> Vec<Output> {
        let prepared = self.prepare(makers);
        let submit = self.submit(&prepared);
        self.step(submit)
    }

    pub fn transfer(&self, from: u8, nonce: u64) -> SignedTransaction {
        let action = Action::Transfer { to: id(200), amount: 1 };
        Transaction { sender: key(from).public_key(), nonce, fee: 1, action }
            .sign(&key(from), &self.rules.genesis_hash)
    }

    /// On its way, from a peer or a caller.
    pub fn arrival(&mut self, transaction: SignedTransaction, peer: Option<NodeId>) -> Arrival {
        Arrival { ticket: Ticket(self.new_id()), peer, transaction }
    }

    /// Screens transactions and admits what passes; signatures are taken for right.
    pub fn take(&mut self, transactions: Vec<SignedTransaction>, peer: Option<NodeId>) -> Vec<Output> {
        let batch = transactions.into_iter().map(|one| self.arrival(one, peer)).collect();
        let id = RequestId(self.new_id());
        let (mut said, mut passed) = (Vec::new(), Vec::new());
        for output in self.handle(Input::Screen { id, batch }) {
            match output {
                Output::Reply { answer: Answer::Screened(screened), .. } => {
                    passed.extend(screened.verified.into_iter().chain(screened.unverified));
                }
                other => said.push(other),
            }
        }
        said.extend(self.step(Input::Admit { batch: passed }));
        said
    }
}
