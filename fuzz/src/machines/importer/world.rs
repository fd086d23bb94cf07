//! A machine with what is around it, and what that must be able to rely on.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, LazyLock};

use vision_importer::{
    Answer, Arrival, Batch, CommitId, Importer, Input, Now, Output, Parts, PeerClock, Prepared, RequestId,
    Ticket, TipClaim,
};
use vision_mempool::Limits;
use vision_primitives::{
    Block, Hash, Header, Height, NodeId, Signature, SignedTransaction, Slot, Tag, TimestampMs,
};

use super::support::{Memory, Net, id};
use super::{Bend, How, Step};

const HONEST: u8 = 101;
const HOSTILE: u8 = 102;
const PRODUCERS: u8 = 3;
/// So small that a few steps fill it.
const LIMITS: Limits = Limits { transactions: 6, bytes: 1_500, lifetime_ms: 60_000 };
/// Blocks of the longer branch, and of the one that leaves it at the third.
const BRANCHES: [(usize, u64); 2] = [(12, 0), (7, 1)];

struct Chain {
    net: Net,
    blocks: Vec<Block>,
}

static CHAIN: LazyLock<Chain> = LazyLock::new(|| {
    let net = Net::of(PRODUCERS);
    let (mut tree, mut blocks) = (net.tree(), Vec::<Block>::new());
    let root = tree.head().hash();
    for (count, slot) in BRANCHES {
        let mut parent = blocks.get(2).map_or(root, Block::hash);
        for _ in 0..count {
            let nonce = tree.get(&parent).expect("known").state().account(&id(1)).nonce;
            let block = net.block_at(&tree, &parent, slot, 0, &[net.transfer(1, nonce, id(2), 5)]);
            net.add(&mut tree, &block, false);
            parent = block.hash();
            blocks.push(block);
        }
    }
    Chain { net, blocks }
});

pub(super) struct World {
    importer: Importer,
    memory: Memory,
    wall_ms: u64,
    mono_ms: u64,
    next_id: u64,
    /// What the disk is to write, and whether it is being written now.
    batch: Option<(CommitId, Batch)>,
    is_writing: bool,
    asked: BTreeSet<RequestId>,
    tickets: BTreeSet<Ticket>,
    /// Screened, and not yet admitted.
    screened: Vec<Arrival>,
    prepared: Vec<Prepared>,
}

impl World {
    pub(super) fn new() -> Self {
        let start_ms = CHAIN.net.rules.genesis.time_ms.get();
        let now = Now { wall: TimestampMs(start_ms), mono_ms: 0, running_ms: 0 };
        let parts = Parts { tree: CHAIN.net.tree(), pool_limits: LIMITS, fates: 0, now };
        Self {
            importer: Importer::new(parts),
            memory: Memory::default(),
            wall_ms: start_ms,
            mono_ms: 0,
            next_id: 0,
            batch: None,
            is_writing: false,
            asked: BTreeSet::new(),
            tickets: BTreeSet::new(),
            screened: Vec::new(),
            prepared: Vec::new(),
        }
    }

    #[cfg(test)]
    pub(super) fn height(&self) -> u64 {
        self.importer.tree().head().height().get()
    }

    fn new_id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }

    fn ask(&mut self) -> RequestId {
        let id = RequestId(self.new_id());
        self.asked.insert(id);
        id
    }

    fn handle(&mut self, input: Input) {
        let now = Now { wall: TimestampMs(self.wall_ms), mono_ms: self.mono_ms, running_ms: self.mono_ms };
        let mut out = Vec::new();
        self.importer.handle(input, now, &mut self.memory, &mut out);
        let mut moved = None;
        for output in out {
            if let Output::HeadMoved { head, .. } = &output {
                moved = Some(head.hash());
            }
            self.perform(output);
        }
        if let Some(head) = moved {
            let stored = self.memory.chain.last_key_value().map(|(_, hash)| *hash);
            assert_eq!(stored.unwrap_or(CHAIN.net.rules.genesis_hash), head, "the head is stored first");
        }
    }

    fn perform(&mut self, output: Output) {
        match output {
            Output::Commit { id, batch } => {
                assert!(self.batch.is_none(), "one batch at a time");
                (self.batch, self.is_writing) = (Some((id, batch)), true);
            }
            Output::Retry { id } => {
                assert_eq!(self.batch.as_ref().map(|(waits, _)| *waits), Some(id));
                assert!(!std::mem::replace(&mut self.is_writing, true), "it is being written");
            }
            Output::Reply { id, answer } => {
                assert!(self.asked.remove(&id), "{id:?} is answered once");
                match answer {
                    Answer::Prepared(Ok(prepared)) => self.prepared.push(prepared),
                    Answer::Screened(screened) => {
                        self.screened.extend(screened.verified.into_iter().chain(screened.unverified));
                    }
                    _ => {}
                }
            }
            Output::Settled { ticket, .. } => {
                assert!(self.tickets.remove(&ticket), "{ticket:?} is settled once");
            }
            Output::Stored { block, reply, .. } => {
                let hash = block.hash();
                let is_pruned = self.importer.tree().get(&hash).is_none();
                assert!(is_pruned || self.memory.blocks.contains_key(&hash), "stored before it is announced");
                if let Some(id) = reply {
                    assert!(self.asked.remove(&id), "{id:?} is answered once");
                }
            }
            Output::Charge { peer, why, .. } => assert_eq!(peer, super::support::id(HOSTILE), "{why}"),
            _ => {}
        }
    }

    fn disk(&mut self, takes: bool) {
        if !std::mem::take(&mut self.is_writing) {
            return;
        }
        if !takes {
            let id = self.batch.as_ref().expect("a batch is written").0;
            let fates = self.memory.fates.len() as u64;
            return self.handle(Input::CommitFailed { id, fates });
        }
        let (id, batch) = self.batch.take().expect("a batch is written");
        self.memory.write(batch);
        let fates = self.memory.fates.len() as u64;
        self.handle(Input::Committed { id, fates });
    }

    fn send(&mut self, from: u8, block: Block, how: How, clock: PeerClock) {
        let peer = id(from);
        let (header, signature) = (block.header_bytes().to_vec(), block.signature().0.to_vec());
        match how {
            How::Whole => self.handle(Input::Announced { peer, clock, block: Arc::new(block) }),
            How::Header => self.handle(Input::Header { peer, header, signature }),
            How::Tip => {
                let height = block.header().height.get();
                let tip = TipClaim { height, hash: block.hash(), header, signature };
                self.handle(Input::Tip { peer, clock, tip });
            }
            How::Fetched => {
                let blocks = self.path_to(block);
                let id = self.ask();
                self.handle(Input::Fetched { id, peer, clock, blocks });
            }
        }
    }

    /// A block and its ancestors that the machine lacks, ascending.
    fn path_to(&self, block: Block) -> Vec<Block> {
        let by_hash: BTreeMap<Hash, &Block> =
            CHAIN.blocks.iter().map(|block| (block.hash(), block)).collect();
        let mut path = vec![block];
        while let Some(parent) = by_hash.get(&path[path.len() - 1].header().parent) {
            if self.importer.tree().get(&parent.hash()).is_some() || path.len() > CHAIN.blocks.len() {
                break;
            }
            path.push((*parent).clone());
        }
        path.reverse();
        path
    }

    pub(super) fn step(&mut self, step: Step) {
        let unmeasured = PeerClock::default();
        match step {
            Step::Honest { block, how } => {
                let block = block_of(block).clone();
                // Nobody honest sends what is not to be yet.
                if block.header().timestamp_ms.get() <= self.wall_ms {
                    self.send(HONEST, block, how, unmeasured);
                }
            }
            Step::Hostile { block, bends, signed, how, ahead_ms } => {
                let clock = PeerClock { ahead_ms: u64::from(ahead_ms), measured: ahead_ms > 0 };
                if let Some(block) = bent(block_of(block), &bends, signed) {
                    self.send(HOSTILE, block, how, clock);
                }
            }
            Step::Bytes { header, signature, height, as_tip: true } => {
                let hash = Header::hash_bytes(&CHAIN.net.rules.genesis_hash, &header);
                let tip = TipClaim { height, hash, header, signature };
                self.handle(Input::Tip { peer: id(HOSTILE), clock: unmeasured, tip });
            }
            Step::Bytes { header, signature, .. } => {
                self.handle(Input::Header { peer: id(HOSTILE), header, signature });
            }
            Step::Fetched(blocks) => {
                let blocks = blocks.0.into_iter().map(|block| block_of(block).clone()).collect();
                let request = self.ask();
                self.handle(Input::Fetched { id: request, peer: id(HOSTILE), clock: unmeasured, blocks });
            }
            Step::Prepare { producer, slot, delay_ms, on } => self.prepare(producer, slot, delay_ms, on),
            Step::Submit { which, signed, with_body } => self.submit(which, signed, with_body),
            Step::Send { from, nonce, fee, amount, peer } => {
                let from = 1 + from % PRODUCERS;
                let next = self.importer.next_nonce(&id(from)) + u64::from(nonce % 3);
                let mut transaction = CHAIN.net.transfer(from, next, id(200), u64::from(amount));
                if fee > 200 {
                    let mut bytes = transaction.bytes().to_vec();
                    let last = bytes.len() - 1;
                    bytes[last] ^= 1;
                    let bent = SignedTransaction::from_bytes(bytes, &CHAIN.net.rules.genesis_hash);
                    transaction = bent.expect("it has its length");
                }
                let peer = peer.map(|honest| id(if honest { HONEST } else { HOSTILE }));
                let ticket = Ticket(self.new_id());
                self.tickets.insert(ticket);
                let batch = vec![Arrival { ticket, peer, transaction }];
                let id = self.ask();
                self.handle(Input::Screen { id, batch });
            }
            Step::Admit => self.admit(),
            Step::InSync(ms) => {
                let until = ms.map(|ms| self.mono_ms + u64::from(ms));
                self.handle(Input::InSyncUntil(until));
            }
            Step::Pass(ms) => {
                (self.wall_ms, self.mono_ms) = (self.wall_ms + u64::from(ms), self.mono_ms + u64::from(ms));
            }
            Step::Jump(ms) => self.wall_ms = self.wall_ms.saturating_add_signed(i64::from(ms)),
            Step::Tick => self.handle(Input::Tick),
            Step::Close => self.close(),
            Step::Disk(takes) => self.disk(takes),
        }
    }

    /// Transactions whose signature is right go on; of the others nobody hears.
    fn admit(&mut self) {
        let (right, wrong): (Vec<Arrival>, Vec<Arrival>) = std::mem::take(&mut self.screened)
            .into_iter()
            .partition(|arrival| arrival.transaction.verify(&CHAIN.net.rules.genesis_hash).is_ok());
        for arrival in wrong {
            self.tickets.remove(&arrival.ticket);
        }
        self.handle(Input::Admit { batch: right });
    }

    fn close(&mut self) {
        self.handle(Input::Tick);
        self.handle(Input::CloseBatch);
    }

    fn prepare(&mut self, producer: Option<u8>, slot: u8, delay_ms: u8, on: Option<u8>) {
        let head = self.importer.tree().head().hash();
        let window = self.importer.tree().schedule_on(&head).expect("known").window(Slot(u64::from(slot)));
        let producer: NodeId = producer.map_or(window.owner, |seed| id(1 + seed % 5));
        let parent = on.map_or(head, |block| block_of(block).hash());
        let stamp = window.opens_at.plus_ms(u64::from(delay_ms));
        let id = self.ask();
        self.handle(Input::Prepare { id, parent, slot: window.slot, producer, stamp });
    }

    fn submit(&mut self, which: u8, signed: bool, with_body: bool) {
        if self.prepared.is_empty() {
            return;
        }
        let at = self.prepared.len() - 1 - usize::from(which) % self.prepared.len();
        let Prepared { header, hash, transactions, .. } = self.prepared[at].clone();
        let producer = Header::from_bytes(&header).expect("its own header").producer;
        let key = &CHAIN.net.keys[&producer];
        let genesis_hash = &CHAIN.net.rules.genesis_hash;
        let right = key.sign(Tag::Block, genesis_hash, hash.as_bytes());
        let signature = if signed { right } else { Signature::ZERO };
        let transactions = if with_body { transactions } else { Vec::new() };
        let id = self.ask();
        self.handle(Input::Submit { id, header, signature: signature.0.to_vec(), transactions });
    }

    pub(super) fn check(&self) {
        let pool = self.importer.pool();
        assert!(pool.len() <= LIMITS.transactions && pool.bytes() <= LIMITS.bytes);
        assert!(self.importer.locator().len() <= 64);
    }

    /// Everybody is patient, and the disk takes what it is given: then all is answered, and what is stored is
    /// what the tree has.
    pub(super) fn settle(&mut self) {
        self.admit();
        for _ in 0..8 {
            self.close();
            self.disk(true);
            (self.wall_ms, self.mono_ms) = (self.wall_ms + 2_000, self.mono_ms + 2_000);
        }
        assert!(self.batch.is_none(), "all is written");
        assert!(self.asked.is_empty(), "{:?} without an answer", self.asked);
        assert!(self.tickets.is_empty(), "{:?} are not settled", self.tickets);
        let tree = self.importer.tree();
        let mut above = tree.head().clone();
        assert_eq!(self.memory.chain.len() as u64, above.height().get());
        while above.height() > Height::GENESIS {
            assert_eq!(self.memory.chain.get(&above.height()), Some(&above.hash()));
            assert!(self.memory.blocks.contains_key(&above.hash()));
            above = tree.get(&above.parent()).expect("nothing is final yet").clone();
        }
        let state = tree.head().state();
        let total: u128 = state.accounts().map(|(_, account)| u128::from(account.balance)).sum();
        assert_eq!(total, u128::from(state.supply()), "the supply is the sum of all balances");
        let waiting: BTreeSet<Hash> = self.importer.waiting().into_iter().collect();
        assert!(self.memory.waiting.is_subset(&waiting), "what does not wait is not stored");
    }
}

fn block_of(which: u8) -> &'static Block {
    &CHAIN.blocks[usize::from(which) % CHAIN.blocks.len()]
}

fn bent(good: &Block, bends: &[Bend], signed: bool) -> Option<Block> {
    let (mut header, mut signature) = (good.header().clone(), *good.signature());
    let mut body = good.transactions().to_vec();
    for bend in bends.iter().take(4) {
        let len = body.len().max(1);
        match *bend {
            Bend::Byte { at, by } => {
                let mut bytes = header.to_bytes();
                let at = usize::from(at) % bytes.len();
                bytes[at] ^= by;
                header = Header::from_bytes(&bytes).ok()?;
            }
            Bend::Height(by) => header.height.0 = header.height.0.saturating_add_signed(i64::from(by)),
            Bend::Slot(slot) => header.slot.0 = u64::from(slot),
            Bend::Stamp(by) => {
                header.timestamp_ms.0 = header.timestamp_ms.0.saturating_add_signed(i64::from(by));
            }
            Bend::Weight(by) => header.weight = header.weight.saturating_add_signed(i64::from(by)),
            Bend::Producer(seed) => header.producer = id(seed % 5),
            Bend::Parent(which) => header.parent = block_of(which).hash(),
            Bend::Without(which) if !body.is_empty() => drop(body.remove(usize::from(which) % len)),
            Bend::Twice(which) if !body.is_empty() => body.push(body[usize::from(which) % len].clone()),
            Bend::Signature(by) => signature.0[usize::from(by % 64)] ^= 1 + by / 64,
            _ => {}
        }
    }
    if signed && CHAIN.net.keys.contains_key(&header.producer) {
        return Some(CHAIN.net.sign(header, body));
    }
    Some(Block::assemble(header, signature, body, &CHAIN.net.rules.genesis_hash))
}
