//! The machine: composes its parts, hands each input to the part it concerns, and lets all of them decide.
//!
//! Whatever signs is a part of its own: it takes the inputs that concern it, decides from the head, the guard
//! and its own state, and puts what it wants done into the turn. They share nothing but the guard.

use std::sync::Arc;

use vision_primitives::{Height, NodeId, Slot, TimestampMs};
use vision_schedule::{SlotTiming, SlotWindow};

use crate::gate::Gate;
use crate::guard::Audit;
use crate::proposer::Proposer;
use crate::sync_proof::SyncProof;
use crate::turn::{Cause, Turn};
use crate::{Blocked, Guard, Head, Input, Now, Op, Output, Proposal, Standing};

/// What does not change while the service runs.
#[derive(Clone, Debug)]
pub struct Config {
    /// This node.
    pub me: NodeId,
    /// The timing of the chain.
    pub timing: SlotTiming,
}

/// Decides what the producer does next.
#[derive(Clone, Debug)]
pub struct Machine {
    /// May this node act?
    gate: Gate,
    /// May this be signed?
    guard: Guard,
    /// Does the guard know all that this key signed?
    audit: Audit,
    proposer: Proposer,
    sync_proof: SyncProof,
    last_op: Op,
}

/// What the machine knows at one moment, for the status. All of it belongs to the same head.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct View<'a> {
    /// The head.
    pub head: &'a Head,
    /// Owners and windows of the slots 0 … m − 1 on it.
    pub main: &'a [SlotWindow],
    /// The lowest of them that this node owns.
    pub my_slot: Option<Slot>,
    /// Size of the active pool.
    pub active_pool_size: u64,
}

impl Machine {
    /// A machine with the guard as it was stored, and the block promised last.
    #[must_use]
    pub fn new(config: Config, guard: Guard, last: Option<Arc<Proposal>>) -> Self {
        Self {
            gate: Gate::new(),
            audit: Audit::new(),
            proposer: Proposer::new(config, &guard, last),
            sync_proof: SyncProof::default(),
            guard,
            last_op: Op(0),
        }
    }

    /// Takes in what happened, and decides anew.
    pub fn handle(&mut self, input: Input, now: Now) -> Vec<Output> {
        if self.audit.is_refused() {
            return Vec::new();
        }
        let cause = if matches!(input, Input::Tick) { Cause::Tick } else { Cause::Input };
        let mut turn = Turn::begin(now, cause, self.last_op);
        self.take(input, &mut turn);
        self.audit.forget_lost_answers(now);
        self.proposer.forget_lost_answers(now);
        self.sync_proof.forget_lost_answers(now);
        self.decide(&mut turn);
        let (last_op, out) = turn.end();
        self.last_op = last_op;
        out
    }

    /// What to do next, from all that is known. Called after every input; decides nothing twice.
    fn decide(&mut self, turn: &mut Turn) {
        let eligible = self.blocked(turn.now).is_none();
        if !eligible {
            self.audit.not_eligible();
        }
        let Some(head) = self.gate.head() else { return };
        self.audit.decide(eligible, turn);
        self.proposer.decide_schedule(head, turn);
        match self.proposer.is_active() {
            Some(true) => self.sync_proof.not_needed(),
            Some(false) => self.sync_proof.decide(head, eligible, turn),
            None => {}
        }
        // Nothing is produced before the chain was looked through for blocks that the guard does not know.
        if eligible && self.audit.is_current() {
            self.proposer.decide_block(head, &self.guard, turn);
        }
    }

    fn take(&mut self, input: Input, turn: &mut Turn) {
        let Self { gate, guard, audit, proposer, sync_proof, .. } = self;
        match input {
            Input::Tick => {}
            Input::Head(head) => {
                let before = gate.head_is(head);
                proposer.head_is(&head, before.as_ref(), turn);
            }
            Input::HeadLost => gate.head_lost(),
            Input::Snapshot { eligible, age_ms } => gate.verdict_is(eligible, age_ms, turn.now),
            Input::SnapshotLost => gate.verdict_lost(),
            Input::Scheduled { op, slots, active, active_pool_size } => {
                proposer.scheduled(op, slots, active, active_pool_size);
            }
            Input::ScheduleFailed { op } => proposer.schedule_failed(op, turn.now),
            Input::Prepared { op, proposal } => proposer.prepared(op, proposal, gate.head(), guard, turn),
            Input::PrepareFailed { op, failure } => proposer.prepare_failed(op, failure, turn),
            Input::Committed { op } => proposer.committed(op),
            Input::CommitFailed { op } => proposer.commit_failed(op, turn.now),
            Input::Submitted { op, proposal, became_head, sent_to, send_failed } => {
                proposer.submitted(op, proposal, became_head, (sent_to, send_failed), turn);
            }
            Input::SubmitFailed { op, proposal, failure } => {
                proposer.submit_failed(op, &proposal, failure, gate.head(), turn);
            }
            Input::Record { op, record } => sync_proof.record(op, record),
            Input::SyncProofSent { op } => sync_proof.sent(op),
            Input::Audited { op, own } => audit.found(op, &own, guard, turn),
            Input::OwnBlock(block) => audit.look_at(&[block], guard, turn),
            Input::BlocksMissed => audit.blocks_missed(),
            Input::AuditFailed { op } => audit.failed(op, turn.now),
        }
    }

    /// When to be called again at the latest, apart from the tick; none if there is nothing to wait for.
    #[must_use]
    pub fn wake_at(&self, now: Now) -> Option<TimestampMs> {
        self.proposer.wake_at(self.gate.head()?, now)
    }

    /// What is known of the height to be produced; none before its schedule is.
    #[must_use]
    pub fn view(&self) -> Option<View<'_>> {
        self.proposer.view(self.gate.head()?)
    }

    /// The guard as it is now.
    #[must_use]
    pub const fn guard(&self) -> &Guard {
        &self.guard
    }

    /// Why this node does not produce now; none if it may.
    #[must_use]
    pub fn blocked(&self, now: Now) -> Option<Blocked> {
        if self.audit.is_refused() { Some(Blocked::Refused) } else { self.gate.blocked(now) }
    }

    /// Where this node's producer stands in the registry, as far as it was asked.
    #[must_use]
    pub fn standing(&self) -> Option<Standing> {
        let active = self.proposer.is_active() == Some(true);
        if active { Some(Standing::Active) } else { self.sync_proof.standing() }
    }

    /// The floor, if it bars the next height: nothing is signed at or below it.
    #[must_use]
    pub fn barred(&self) -> Option<Height> {
        let (head, floor) = (self.gate.head()?, self.guard.floor());
        let next = head.height.next();
        (next <= floor && self.guard.promised(next, &head.hash).is_none()).then_some(floor)
    }

    /// Whether the answer to this audit is waited for.
    #[must_use]
    pub fn is_auditing(&self, op: Op) -> bool {
        self.audit.is_asking(op)
    }

    /// Highest block seen since the start that this key signed and the claims do not know of.
    #[must_use]
    pub const fn used_elsewhere(&self) -> Option<Height> {
        self.audit.highest_foreign()
    }
}
