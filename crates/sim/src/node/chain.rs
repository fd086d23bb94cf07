//! The chain's loop: what waits is given to the machine, what a turn has changed is written, and only then
//! does anything follow from it.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use vision_authoring as authoring;
use vision_block_tree::{BlockTree, Entry};
use vision_importer::{
    Arrival, Batch, Bodies, CommitId, Importer, Input, Note, Now, Observer, Output, Parts, RequestId, Ticket,
};
use vision_mempool::Limits;
use vision_peering::{self as peering, RoundId};
use vision_primitives::{Action, Hash, NodeId, SignedTransaction};

use super::Node;
use crate::disk::ChainStore;
use crate::event::{Alarm, What};
use crate::sabotage::Sabotage;
use crate::shared::{Counts, Shared};

/// Inputs taken in one turn.
const MAX_TURN_INPUTS: usize = 64;
/// Transactions of new blocks after which a turn ends.
const MAX_TURN_TRANSACTIONS: usize = 1000;
/// The longest sleep, microseconds.
const MAX_SLEEP_US: u64 = 250_000;
/// What it takes to check one input, microseconds.
const INPUT_US: u64 = 60;

/// Who waits for an answer of the machine.
pub(crate) enum Asked {
    Prepare(authoring::Op, Box<authoring::Ask>),
    Submit(authoring::Op, Arc<authoring::Proposal>),
    Import(RoundId),
    Screen,
}

/// Something that waits for the chain's loop.
pub(crate) struct Waiting {
    pub input: Input,
    /// The peer whose place it takes.
    pub of: Option<NodeId>,
}

/// The machine and what waits for it.
pub(crate) struct ChainShell {
    pub importer: Importer,
    /// The head as published.
    pub view: Arc<Entry>,
    pub inbox: VecDeque<Waiting>,
    pub alarm: Alarm,
    /// A batch that is being written.
    pub writing: Option<(CommitId, Batch)>,
    /// One that the disk did not take.
    unwritten: Option<Batch>,
    /// One that was said to be written and is not, by a broken rule.
    unkept: Option<Batch>,
    pub asked: BTreeMap<RequestId, Asked>,
    /// Transactions that callers submitted and wait for.
    callers: BTreeMap<Ticket, Hash>,
    next_id: u64,
    /// How long the node had run before this start, milliseconds.
    pub ran_ms: u64,
}

/// Where bodies lie, and who counts.
struct Outside<'a> {
    store: &'a ChainStore,
    counts: &'a mut Counts,
}

impl Bodies for Outside<'_> {
    fn body(&mut self, block: &Hash) -> Vec<SignedTransaction> {
        self.store.transactions(block)
    }
}

impl Observer for Outside<'_> {
    fn note(&mut self, note: Note<'_>) {
        match note {
            Note::BlockRefused { refusal, .. } => {
                *self.counts.refusals.entry(refusal.reason()).or_default() += 1;
            }
            Note::TransactionDropped(why) => *self.counts.dropped.entry(why).or_default() += 1,
            _ => {}
        }
    }
}

impl ChainShell {
    pub(crate) fn new(tree: BlockTree, store: &ChainStore, now: Now) -> Self {
        let view = tree.head().clone();
        let parts = Parts { tree, pool_limits: Limits::default(), fates: store.fates(), now };
        let mut importer = Importer::new(parts);
        importer.restore_waiting(store.waiting());
        Self {
            importer,
            view,
            inbox: VecDeque::new(),
            alarm: Alarm::default(),
            writing: None,
            unwritten: None,
            unkept: None,
            asked: BTreeMap::new(),
            callers: BTreeMap::new(),
            next_id: 0,
            ran_ms: store.running_ms(),
        }
    }

    fn new_id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }

    pub(crate) fn ask(&mut self, asked: Asked) -> RequestId {
        let id = RequestId(self.new_id());
        self.asked.insert(id, asked);
        id
    }
}

impl Node {
    /// Puts something into the mailbox.
    pub(crate) fn enqueue(&mut self, input: Input, of: Option<NodeId>, shared: &mut Shared) {
        self.running().chain.inbox.push_back(Waiting { input, of });
        self.plan_turn(20, shared);
    }

    /// Transactions on their way; a caller hears of each.
    pub(crate) fn screen(
        &mut self,
        transactions: Vec<SignedTransaction>,
        peer: Option<NodeId>,
        shared: &mut Shared,
    ) {
        let chain = &mut self.running().chain;
        let batch = transactions.into_iter().map(|transaction| {
            let ticket = Ticket(chain.new_id());
            // A producer sends its sync proofs again and again; nobody waits for one.
            let is_proof = matches!(transaction.transaction().action, Action::SyncProof(_));
            if peer.is_none() && !is_proof {
                chain.callers.insert(ticket, transaction.hash());
            }
            Arrival { ticket, peer, transaction }
        });
        let batch = batch.collect();
        let id = chain.ask(Asked::Screen);
        self.enqueue(Input::Screen { id, batch }, None, shared);
    }

    fn plan_turn(&mut self, in_us: u64, shared: &mut Shared) {
        let at_us = shared.queue.now_us() + in_us;
        if self.running().chain.alarm.set(at_us) {
            self.plan(in_us, What::Turn, shared);
        }
    }

    /// Gives the machine an input, and does what it says.
    pub(crate) fn decide(&mut self, input: Input, shared: &mut Shared) {
        let out = self.ask_machine(input, shared);
        self.perform_all(out, shared);
    }

    fn ask_machine(&mut self, input: Input, shared: &mut Shared) -> Vec<Output> {
        let (now, mut out) = (self.importer_now(shared.queue.now_us()), Vec::new());
        let Some(running) = &mut self.running else { return out };
        let mut outside = Outside { store: &self.disk.chain, counts: &mut shared.counts };
        running.chain.importer.handle(input, now, &mut outside, &mut out);
        out
    }

    /// One turn of the loop, unless the disk is still at the last one.
    pub(crate) fn turn(&mut self, shared: &mut Shared) {
        let now_us = shared.queue.now_us();
        let chain = &mut self.running().chain;
        if !chain.alarm.rings(now_us) || chain.writing.is_some() {
            return;
        }
        let mut taken = 0;
        while taken < MAX_TURN_INPUTS {
            let chain = &mut self.running().chain;
            if chain.importer.transactions_of_turn() >= MAX_TURN_TRANSACTIONS {
                break;
            }
            let Some(Waiting { input, of }) = chain.inbox.pop_front() else { break };
            self.decide(input, shared);
            if let Some(peer) = of {
                self.place_is_free(&peer, shared);
            }
            taken += 1;
        }
        self.decide(Input::Tick, shared);
        self.decide(Input::CloseBatch, shared);
        self.sleep(taken as u64 * INPUT_US, shared);
    }

    fn sleep(&mut self, worked_us: u64, shared: &mut Shared) {
        if self.running().chain.writing.is_some() {
            // The end of the write goes on.
            return;
        }
        let now = self.importer_now(shared.queue.now_us());
        let chain = &self.running().chain;
        let sleep_us = match chain.inbox.is_empty() {
            false => 0,
            true => chain.importer.due_in_ms(now).map_or(MAX_SLEEP_US, |ms| (ms * 1000).min(MAX_SLEEP_US)),
        };
        let in_us = (worked_us * self.slowness).max(sleep_us);
        self.plan_turn(in_us, shared);
    }

    fn write(&mut self, id: CommitId, batch: Batch, shared: &mut Shared) {
        self.running().chain.writing = Some((id, batch));
        let takes_us = shared.chance.around(self.disk.manner.sync_us);
        self.plan(takes_us, What::Written, shared);
    }

    /// The disk is done.
    pub(crate) fn written(&mut self, shared: &mut Shared) {
        let Some((id, batch)) = self.running().chain.writing.take() else { return };
        if self.disk.manner.full {
            self.running().chain.unwritten = Some(batch);
            let fates = self.disk.chain.fates();
            self.decide(Input::CommitFailed { id, fates }, shared);
        } else {
            // What was said is on disk only after the next batch, if a rule is broken.
            let stored = match shared.sabotage(Sabotage::SpeaksBeforeItStores) {
                true => self.running().chain.unkept.replace(batch),
                false => Some(batch),
            };
            stored.into_iter().for_each(|batch| self.store(batch, shared));
            let fates = self.disk.chain.fates();
            self.publish(Input::Committed { id, fates }, shared);
        }
        let chain = &mut self.running().chain;
        if chain.writing.is_none() {
            self.plan_turn(0, shared);
        }
    }

    /// Does what follows from a batch that is durable; the head is shown first.
    fn publish(&mut self, committed: Input, shared: &mut Shared) {
        let out = self.ask_machine(committed, shared);
        let last = out.iter().rev().find_map(|output| match output {
            Output::HeadMoved { head, .. } => Some(head.clone()),
            _ => None,
        });
        if let Some(head) = last {
            self.running().chain.view = head.clone();
            let (height, weight) = (head.height(), head.weight());
            let registered = head.state().registered().clone();
            self.peers(peering::Input::HeadMoved { height, weight, registered }, shared);
            self.plan(200, What::OracleHead, shared);
            if self.running().producer.is_some() {
                self.plan(250, What::ProducerHead, shared);
            }
        }
        self.perform_all(out, shared);
    }

    fn perform_all(&mut self, out: Vec<Output>, shared: &mut Shared) {
        for output in out {
            self.perform(output, shared);
        }
    }

    fn perform(&mut self, output: Output, shared: &mut Shared) {
        match output {
            Output::Commit { id, batch } => self.write(id, batch, shared),
            Output::Retry { id } => {
                if let Some(batch) = self.running().chain.unwritten.take() {
                    self.write(id, batch, shared);
                }
            }
            Output::Reply { id, answer } => self.reply(id, answer, shared),
            Output::Settled { ticket, answer } => {
                if let Some(hash) = self.running().chain.callers.remove(&ticket) {
                    shared.settled(&self.who, hash, answer.is_ok());
                }
            }
            Output::Charge { peer, points, why } => {
                shared.counts.charges += 1;
                self.peers(peering::Input::Charged { peer, points, why: why.to_owned() }, shared);
            }
            Output::Excuse { peer } => self.peers(peering::Input::Excused { peer }, shared),
            Output::PeerHas { peer, hash } => {
                let message = peering::Received::Has(hash);
                self.peers(peering::Input::Received { peer, message }, shared);
            }
            Output::Fetch { peer, hash } => {
                let fetch = peering::FetchId(self.running().chain.new_id());
                self.peers(peering::Input::Wanted { fetch, peer, hash }, shared);
            }
            Output::TipKnown { peer, height, hash } => {
                self.peers(peering::Input::TipKnown { peer, height, hash }, shared);
            }
            Output::TipClaimed { peer, height, hash, weight, verified } => {
                self.peers(peering::Input::TipClaimed { peer, height, hash, weight, verified }, shared);
            }
            Output::HeadMoved { head, left, .. } => {
                shared.checks.sound(shared.queue.now_us(), &self.who, &head);
                shared.counts.reorganised(left);
            }
            Output::Stored { block, origin, reply, .. } => self.stored(block, origin, reply, shared),
            Output::Forward { transactions, except } => self.gossip(transactions, except, shared),
            Output::ForwardAgain { transactions } => {
                let pool = self.running().chain.importer.pool();
                let again = transactions.iter().filter_map(|hash| pool.get(hash).cloned()).collect();
                self.gossip(again, None, shared);
            }
            Output::Event(_) | Output::Happened(_) => {}
        }
    }
}
