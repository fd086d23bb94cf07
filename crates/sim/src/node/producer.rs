//! The producer: the only one that signs, after what it promises is on disk.

use std::sync::Arc;

use vision_authoring::{
    Ask, Config, Failure, Guard, Head, Input, MAX_GUARDED_BLOCKS, Machine, Now, Op, Output, OwnBlock,
    OwnRecord, Proposal, Standing, verify_prepared,
};
use vision_block_tree::{ChainRules, Entry, Refusal};
use vision_importer::{self as importer, NotStored, Prepared};
use vision_ledger::ProducerStatus;
use vision_primitives::{Action, Hash, Height, SyncProof, Tag, TimestampMs, Transaction};
use vision_schedule::{Schedule, SlotTiming, seed};

use super::Node;
use super::chain::Asked;
use crate::event::{Alarm, Event, Step, What};
use crate::sabotage::Sabotage;
use crate::shared::Shared;
use crate::who::Who;

/// Between two ticks, milliseconds.
const TICK_MS: u64 = 250;
/// What a call to another service of the node takes, microseconds.
const CALL_US: u64 = 300;

/// The machine and what it needs.
pub(crate) struct ProducerShell {
    pub machine: Machine,
    alarm: Alarm,
    /// The head last heard.
    head: Option<Hash>,
    /// The promise written last: parent and block.
    promised: Option<(Hash, Hash)>,
    /// A promise that is being written.
    pub promising: Option<(Arc<Proposal>, Height)>,
    /// The chain was looked through up to this block.
    audited_to: Option<Hash>,
}

impl ProducerShell {
    pub(crate) fn new(who: &Who, rules: &ChainRules, guard: Guard, last: Option<Arc<Proposal>>) -> Self {
        let config = Config { me: who.id, timing: SlotTiming::from(rules.params()) };
        let promised = last.as_ref().map(|last| (last.parent, last.hash));
        Self {
            machine: Machine::new(config, guard, last),
            alarm: Alarm::default(),
            head: None,
            promised,
            promising: None,
            audited_to: None,
        }
    }
}

/// A head as the producer hears of it.
fn head_of(entry: &Entry) -> Head {
    Head {
        height: entry.height(),
        hash: entry.hash(),
        timestamp_ms: entry.timestamp_ms(),
        producer: entry.producer(),
        entropy: entry.hash(),
        pool_root: entry.state().active().root(),
        registered_root: entry.state().registered().root(),
    }
}

impl Node {
    fn producer_now(&self, shared: &Shared) -> Now {
        let now_us = shared.queue.now_us();
        Now { wall: TimestampMs(self.wall_ms(now_us)), mono_ms: self.mono_ms(now_us) }
    }

    /// Gives the machine something after a while, if it still is about the head.
    pub(crate) fn later(&self, in_us: u64, input: Input, about: Option<Hash>, shared: &mut Shared) {
        self.plan(in_us, What::Producer { input: Box::new(input), about }, shared);
    }

    pub(crate) fn producer_hears(&mut self, input: Input, about: Option<Hash>, shared: &mut Shared) {
        let head = self.running().producer.as_ref().and_then(|producer| producer.head);
        if about.is_none() || about == head {
            self.producer(input, shared);
        }
    }

    pub(crate) fn producer_head(&mut self, shared: &mut Shared) {
        if self.who.index == 0 && shared.sabotage(Sabotage::IsLazy) && shared.chance.per_mille(500) {
            return;
        }
        let head = head_of(&self.running().chain.view);
        if let Some(producer) = &mut self.running().producer {
            producer.head = Some(head.hash);
        }
        self.producer(Input::Head(head), shared);
    }

    pub(crate) fn producer_due(&mut self, shared: &mut Shared) {
        let now_us = shared.queue.now_us();
        let Some(producer) = &mut self.running().producer else { return };
        if producer.alarm.rings(now_us) {
            self.producer(Input::Tick, shared);
        }
    }

    /// Gives the machine an input, and does what it wants.
    pub(crate) fn producer(&mut self, input: Input, shared: &mut Shared) {
        let now = self.producer_now(shared);
        let Some(producer) = &mut self.running().producer else { return };
        let out = producer.machine.handle(input, now);
        let wake_ms = producer.machine.wake_at(now).map_or(TICK_MS, |at| at.since_ms(now.wall).min(TICK_MS));
        let in_us = wake_ms.max(1) * 1000;
        if producer.alarm.set(shared.queue.now_us() + in_us) {
            self.plan(in_us, What::ProducerDue, shared);
        }
        for output in out {
            self.act(output, shared);
        }
    }

    fn act(&mut self, output: Output, shared: &mut Shared) {
        match output {
            Output::AskSchedule { op, head, slots } => {
                let input = self.schedule(op, &head, &slots, shared);
                self.later(CALL_US, input, Some(head.hash), shared);
            }
            Output::AskRecord { op, head } => {
                let record = self.record(&head);
                self.later(CALL_US, Input::Record { op, record }, None, shared);
            }
            Output::Audit { op } => {
                let blind =
                    shared.forgets(self.who.index) || shared.sabotage(Sabotage::ForgetsAndDoesNotLook);
                let own = if blind { Vec::new() } else { self.look_through() };
                self.later(2 * CALL_US, Input::Audited { op, own }, None, shared);
            }
            Output::SaveFloor { floor } => {
                let takes_us = shared.chance.around(self.disk.manner.sync_us);
                self.plan(takes_us, What::FloorSaved(floor), shared);
            }
            Output::Prepare { op, ask } => {
                let id = self.running().chain.ask(Asked::Prepare(op, Box::new(ask)));
                let (parent, slot) = (ask.parent.hash, ask.window.slot);
                let (producer, stamp) = (ask.window.owner, ask.stamp);
                self.enqueue(importer::Input::Prepare { id, parent, slot, producer, stamp }, None, shared);
            }
            Output::Commit { op, proposal, floor } => {
                let takes_us = shared.chance.around(self.disk.manner.sync_us);
                if let Some(producer) = &mut self.running().producer {
                    producer.promising = Some((proposal.clone(), floor));
                }
                self.plan(takes_us, What::Promised { op, proposal, floor }, shared);
            }
            Output::Submit { op, proposal } => self.submit(op, proposal, Vec::new(), shared),
            Output::SendSyncProof { op, height, hash } => {
                let action = Action::SyncProof(SyncProof { height, hash });
                let transaction = Transaction { sender: self.who.key.public_key(), nonce: 0, fee: 0, action };
                let signed = transaction.sign(&self.who.key, &shared.rules.genesis_hash);
                self.screen(vec![signed], None, shared);
                self.later(5 * CALL_US, Input::SyncProofSent { op }, None, shared);
            }
            Output::Refuse { .. } => {
                // The service ends with a line that says how to go on; the operator sees it some time later.
                shared.counts.refused_producers += 1;
                shared.checks.refused(shared.queue.now_us(), &self.who);
                self.refused = true;
                let in_us = shared.chance.between(60_000_000, 600_000_000);
                shared.queue.after(in_us, Event::Fault(Step::ResetClaims(self.who.index)));
                self.running().producer = None;
            }
            Output::MarkDone { .. } | Output::Log(_) => {}
        }
    }

    /// What the selection service answers, for the pools that the oracle knows.
    fn schedule(&mut self, op: Op, head: &Head, slots: &[vision_primitives::Slot], shared: &Shared) -> Input {
        let me = self.who.id;
        let Some(entry) = self.running().chain.importer.tree().get(&head.hash).cloned() else {
            return Input::ScheduleFailed { op };
        };
        let (active, registered) = (entry.state().active().clone(), entry.state().registered().clone());
        let (is_active, active_pool_size) = (active.contains(&me), active.len() as u64);
        let seed = seed(&head.entropy, head.height.next(), &shared.rules.epoch_salt);
        let timing = SlotTiming::from(shared.rules.params());
        match Schedule::new(seed, active, registered, head.timestamp_ms, timing) {
            Ok(schedule) => {
                let slots = schedule.windows(slots);
                Input::Scheduled { op, slots, active: is_active, active_pool_size }
            }
            Err(_) => Input::ScheduleFailed { op },
        }
    }

    fn record(&mut self, head: &Hash) -> Option<OwnRecord> {
        let me = self.who.id;
        let entry = self.running().chain.importer.tree().get(head)?.clone();
        let none = OwnRecord { standing: Standing::None, may_return_at: Height(0) };
        Some(entry.state().producer(&me).map_or(none, |producer| OwnRecord {
            standing: match producer.status {
                ProducerStatus::Active => Standing::Active,
                status if status.awaits_sync_proof() => Standing::Waiting,
                _ => Standing::None,
            },
            may_return_at: producer.may_return_at,
        }))
    }

    /// This key's blocks among the latest of the chain, down to where an earlier look began.
    fn look_through(&mut self) -> Vec<OwnBlock> {
        let me = self.who.id;
        let seen = self.running().producer.as_ref().and_then(|producer| producer.audited_to);
        let (mut tip, mut own) = (None, Vec::new());
        for block in self.disk.chain.down().take(MAX_GUARDED_BLOCKS) {
            tip = tip.or(Some(block.hash()));
            if Some(block.hash()) == seen {
                break;
            }
            if block.header().producer == me {
                let header = block.header();
                own.push(OwnBlock { height: header.height, parent: header.parent, hash: block.hash() });
            }
        }
        if let Some(producer) = &mut self.running().producer {
            producer.audited_to = tip.or(seen);
        }
        own
    }

    /// Looks at what the chain has prepared.
    pub(crate) fn verified(&mut self, op: Op, ask: &Ask, prepared: Prepared, shared: &Shared) -> Input {
        let Prepared { header, hash, height, transactions } = prepared;
        match verify_prepared(ask, &header, &hash, &shared.rules.genesis_hash) {
            Err(fault) => Input::PrepareFailed { op, failure: Failure::Refused(fault.to_string()) },
            Ok(_) => {
                let claimed_at = TimestampMs(self.wall_ms(shared.queue.now_us()));
                let (parent, slot) = (ask.parent.hash, ask.window.slot);
                let proposal = Proposal { height, parent, slot, hash, header, transactions, claimed_at };
                Input::Prepared { op, proposal: Arc::new(proposal) }
            }
        }
    }

    /// A promise is on disk, or the disk did not take it.
    pub(crate) fn promised(&mut self, op: Op, proposal: &Arc<Proposal>, floor: Height, shared: &mut Shared) {
        let full = self.disk.manner.full;
        if !full && !forgets(shared) {
            self.disk.signer.write(Some(proposal), floor);
        }
        if let Some(producer) = &mut self.running().producer {
            producer.promising = None;
            producer.promised = (!full).then_some((proposal.parent, proposal.hash)).or(producer.promised);
        }
        self.producer(if full { Input::CommitFailed { op } } else { Input::Committed { op } }, shared);
    }

    pub(crate) fn floor_saved(&mut self, floor: Height, shared: &Shared) {
        if !self.disk.manner.full && !forgets(shared) {
            self.disk.signer.write(None, floor);
        }
    }

    fn submit(&mut self, op: Op, proposal: Arc<Proposal>, transactions: Vec<Vec<u8>>, shared: &mut Shared) {
        let promised = self.running().producer.as_ref().and_then(|producer| producer.promised);
        if promised != Some((proposal.parent, proposal.hash)) {
            let failure = Failure::Refused("not promised on disk".into());
            return self.later(CALL_US, Input::SubmitFailed { op, proposal, failure }, None, shared);
        }
        let (me, now_us) = (self.who.index, shared.queue.now_us());
        shared.checks.signed(
            now_us,
            me,
            self.who.id,
            (proposal.height, proposal.parent),
            proposal.hash,
            false,
        );
        let genesis_hash = &shared.rules.genesis_hash;
        let signature = self.who.key.sign(Tag::Block, genesis_hash, proposal.hash.as_bytes()).0.to_vec();
        let header = proposal.header.clone();
        self.proposes(&proposal, shared);
        let id = self.running().chain.ask(Asked::Submit(op, proposal));
        self.enqueue(importer::Input::Submit { id, header, signature, transactions }, None, shared);
    }

    /// The chain has restarted since it prepared the block: it gets the transactions too.
    pub(crate) fn submit_whole(&mut self, op: Op, proposal: Arc<Proposal>, shared: &mut Shared) {
        let transactions = proposal.transactions.clone();
        self.submit(op, proposal, transactions, shared);
    }

    pub(crate) fn not_stored(
        &mut self,
        op: Op,
        proposal: Arc<Proposal>,
        why: &NotStored,
        shared: &mut Shared,
    ) {
        let input = match why {
            NotStored::Refused(Refusal::AlreadyKnown) => {
                let became_head = self.disk.chain.hash_at(proposal.height) == Some(&proposal.hash);
                Input::Submitted { op, proposal, became_head, sent_to: 0, send_failed: 0 }
            }
            NotStored::StoreUnavailable | NotStored::NoRoom => {
                let failure = Failure::Unavailable(why.to_string());
                Input::SubmitFailed { op, proposal, failure }
            }
            other => {
                let failure = Failure::Refused(other.to_string());
                Input::SubmitFailed { op, proposal, failure }
            }
        };
        self.later(CALL_US, input, None, shared);
    }
}

fn forgets(shared: &Shared) -> bool {
    shared.sabotage(Sabotage::ForgetsPromises) || shared.sabotage(Sabotage::ForgetsAndDoesNotLook)
}
