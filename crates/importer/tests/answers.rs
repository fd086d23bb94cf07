//! Whatever comes in and however the disk behaves: everybody is answered once, and nothing is reported before
//! it is durable.

mod support;

use std::collections::BTreeSet;
use std::sync::Arc;

use support::{Machine, Net, id};
use vision_importer::{
    Answer, Arrival, ChainEvent, CommitId, Input, Output, PeerClock, RequestId, STORE_RETRY_MS, Ticket,
    TipClaim, TransactionPlace,
};
use vision_primitives::{Block, Hash, Slot, TimestampMs, hash};

/// How the disk behaves.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Disk {
    /// It takes or refuses a batch before anything else comes in.
    AtOnce,
    /// Other inputs come meanwhile, and turns end.
    Slow,
}

/// A run of a machine and those who wait for it.
struct Run {
    machine: Machine,
    disk: Disk,
    /// Where the sequence of numbers is.
    at: u64,
    seed: u64,
    asked: BTreeSet<RequestId>,
    /// Those asked while a batch could not be written.
    asked_behind: BTreeSet<RequestId>,
    on_the_way: BTreeSet<Ticket>,
    /// Transactions that may be admitted.
    screened: Vec<Arrival>,
    durable: BTreeSet<Hash>,
    /// A batch that is being written for the first time or again.
    writing: Option<CommitId>,
    failures: usize,
}

impl Run {
    fn new(net: &Net, disk: Disk, seed: u64) -> Self {
        Self {
            machine: Machine::new(net),
            disk,
            at: 0,
            seed,
            asked: BTreeSet::new(),
            asked_behind: BTreeSet::new(),
            on_the_way: BTreeSet::new(),
            screened: Vec::new(),
            durable: BTreeSet::new(),
            writing: None,
            failures: 0,
        }
    }

    /// The next of a sequence of numbers below `below`, the same in every run of this seed.
    fn below(&mut self, below: usize) -> usize {
        self.at += 1;
        let number = hash(&[&self.seed.to_le_bytes(), &self.at.to_le_bytes()]);
        usize::from(u16::from_le_bytes([number.0[0], number.0[1]])) % below
    }

    fn ask(&mut self) -> RequestId {
        let id = RequestId(self.machine.new_id());
        self.asked.insert(id);
        if self.machine.importer.is_behind() {
            self.asked_behind.insert(id);
        }
        id
    }

    fn hear(&mut self, said: Vec<Output>) {
        for output in said {
            match output {
                Output::Reply { id, answer } => {
                    assert!(self.asked.remove(&id), "{id:?} is answered twice");
                    if let Answer::Screened(screened) = answer {
                        self.screened.extend(screened.verified.into_iter().chain(screened.unverified));
                    }
                }
                Output::Stored { block, reply, .. } => {
                    assert!(self.durable.contains(&block.hash()), "announced before it is durable");
                    if let Some(id) = reply {
                        assert!(self.asked.remove(&id), "{id:?} is answered twice");
                    }
                }
                Output::Settled { ticket, answer } => {
                    assert!(self.on_the_way.remove(&ticket), "{ticket:?} is settled twice");
                    assert!(answer.is_err() || self.writing.is_none(), "acknowledged before it is durable");
                }
                Output::HeadMoved { head, .. } => assert!(self.durable.contains(&head.hash())),
                Output::Event(ChainEvent::Block(shown)) => {
                    assert!(self.durable.contains(&shown.entry.hash()), "reported before it is durable");
                }
                Output::Happened(events) => {
                    for event in events {
                        if let TransactionPlace::Included { block, .. } = event.place {
                            assert!(self.durable.contains(&block), "reported before it is durable");
                        }
                    }
                }
                Output::Retry { id } => {
                    assert_eq!(self.writing, None, "a batch is written twice at the same time");
                    self.writing = Some(id);
                }
                _ => {}
            }
        }
    }

    fn handle(&mut self, input: Input) {
        let before: Vec<CommitId> = self.machine.unwritten.keys().copied().collect();
        let said = self.machine.handle(input);
        let given_out = self.machine.unwritten.keys().find(|id| !before.contains(id)).copied();
        if let Some(id) = given_out {
            assert!(self.writing.is_none() && before.is_empty(), "one batch at a time");
            self.writing = Some(id);
        }
        self.hear(said);
    }

    /// The disk has done with a batch.
    fn disk_is_done(&mut self, takes: bool) {
        let Some(id) = self.writing.take() else { return };
        if takes {
            let batch = &self.machine.unwritten[&id];
            self.durable.extend(batch.blocks.iter().map(|new| new.block.hash()));
            let batch = self.machine.unwritten.remove(&id).expect("it is being written");
            self.machine.memory.write(batch);
            self.handle(Input::Committed { id, fates: 0 });
        } else {
            self.failures += 1;
            self.handle(Input::CommitFailed { id, fates: 0 });
        }
    }

    fn close(&mut self) {
        self.handle(Input::Tick);
        self.handle(Input::CloseBatch);
        while self.disk == Disk::AtOnce && self.writing.is_some() {
            let takes = self.below(3) > 0;
            self.disk_is_done(takes);
        }
        let behind = self.machine.importer.is_behind();
        let waits = |id: &RequestId| self.asked_behind.contains(id) && behind || self.disk == Disk::AtOnce;
        let waiting: Vec<_> = self.asked.iter().filter(|id| waits(id)).collect();
        assert!(waiting.is_empty(), "{:?}: not answered when the turn has ended: {waiting:?}", self.disk);
    }

    fn a_peers_message(&mut self, blocks: &[Arc<Block>]) -> Input {
        let block = blocks[self.below(blocks.len())].clone();
        let (peer, clock) = (id(101), PeerClock::default());
        let (header, signature) = (block.header_bytes().to_vec(), block.signature().0.to_vec());
        match self.below(4) {
            0 => Input::Header { peer, header, signature },
            1 => {
                let (height, hash) = (block.header().height.get(), block.hash());
                Input::Tip { peer, clock, tip: TipClaim { height, hash, header, signature } }
            }
            2 => Input::Announced { peer, clock, block },
            _ => {
                let from = block.header().height.get();
                let chunk = blocks.iter().filter(|block| block.header().height.get() >= from).take(3);
                Input::Fetched {
                    id: self.ask(),
                    peer,
                    clock,
                    blocks: chunk.map(|block| Block::clone(block)).collect(),
                }
            }
        }
    }

    fn a_transaction(&mut self) -> Input {
        if !self.screened.is_empty() && self.below(2) == 0 {
            return Input::Admit { batch: std::mem::take(&mut self.screened) };
        }
        let from = [1, 2, 3][self.below(3)];
        let (nonce, peer) = (self.below(4) as u64, (self.below(2) == 0).then(|| id(101)));
        let transaction = self.machine.transfer(from, nonce);
        let arrival = self.machine.arrival(transaction, peer);
        self.on_the_way.insert(arrival.ticket);
        Input::Screen { id: self.ask(), batch: vec![arrival] }
    }

    fn a_duty(&mut self) {
        let parent = self.machine.head();
        let schedule = self.machine.importer.tree().schedule_on(&parent).expect("the head is known");
        let window = schedule.window(Slot(0));
        let stamp = TimestampMs(self.machine.now_ms.max(window.opens_at.get()));
        let (id, before) = (self.ask(), self.asked.clone());
        let (slot, producer) = (Slot(0), window.owner);
        let said = self.machine.handle(Input::Prepare { id, parent, slot, producer, stamp });
        let prepared = match &said[..] {
            [Output::Reply { answer: Answer::Prepared(Ok(prepared)), .. }] => Some(prepared.clone()),
            _ => None,
        };
        assert!(before.contains(&id));
        self.hear(said);
        if let Some(prepared) = prepared {
            let submit = self.machine.submit(&prepared);
            let Input::Submit { id, .. } = &submit else { unreachable!("it is one") };
            self.asked.insert(*id);
            self.handle(submit);
        }
    }

    fn step(&mut self, blocks: &[Arc<Block>]) {
        self.machine.now_ms += self.below(300) as u64;
        match self.below(8) {
            0..3 => {
                let input = self.a_peers_message(blocks);
                self.handle(input);
            }
            3..5 => {
                let input = self.a_transaction();
                self.handle(input);
            }
            5 => self.a_duty(),
            6 => self.close(),
            _ => {
                let takes = self.below(2) == 0;
                self.disk_is_done(takes);
            }
        }
    }

    /// The disk takes everything again, and turns end until nothing is to be done.
    fn end(&mut self) {
        let batch = std::mem::take(&mut self.screened);
        self.handle(Input::Admit { batch });
        self.disk = Disk::Slow;
        for _ in 0..4 {
            self.disk_is_done(true);
            self.machine.now_ms += STORE_RETRY_MS;
            self.handle(Input::CloseBatch);
        }
        assert!(self.writing.is_none() && !self.machine.importer.is_behind());
        assert!(self.asked.is_empty(), "never answered: {:?}", self.asked);
        assert!(self.on_the_way.is_empty(), "never settled: {:?}", self.on_the_way);
    }
}

/// Two branches of one chain, in the order of their heights.
fn branches(net: &Net) -> Vec<Arc<Block>> {
    let mut blocks = Vec::new();
    for makers in [&[id(1), id(2)][..], &[id(3)]] {
        let mut other = Machine::new(net);
        for nonce in 0..4 {
            let transaction = other.transfer(1, nonce);
            other.take(vec![transaction], None);
            let block = other.next_block(makers);
            let (peer, clock) = (id(101), PeerClock::default());
            other.step(Input::Announced { peer, clock, block: block.clone() });
            blocks.push(block);
        }
    }
    blocks.sort_by_key(|block| block.header().height);
    blocks
}

#[test]
fn everybody_is_answered_once_and_of_what_is_durable_only() {
    let net = Net::of(3);
    let blocks = branches(&net);
    for disk in [Disk::AtOnce, Disk::Slow] {
        let mut failures = 0;
        for seed in 0..60 {
            let mut run = Run::new(&net, disk, seed);
            run.machine.now_ms += 4_000;
            (0..200).for_each(|_| run.step(&blocks));
            run.end();
            failures += run.failures;
        }
        assert!(failures > 100, "{disk:?}: the disk refuses something: {failures}");
    }
}
