//! The machine: what it knows, and what each input changes in it.

use std::collections::BTreeSet;
use std::sync::Arc;

use vision_primitives::{Hash, Height, NodeId, Slot};
use vision_schedule::{SlotTiming, SlotWindow};

use crate::own::Own;
use crate::plan::Plan;
use crate::retry::Retry;
use crate::sync_proof::SyncProofs;
use crate::{Ask, Blocked, Event, Guard, Head, Input, Now, Op, Output, OwnBlock, Proposal, Standing};

/// A verdict of the oracle older than this counts no longer, milliseconds: a process that was stopped and
/// goes on must not produce on what it knew before.
pub const SNAPSHOT_FRESH_MS: u64 = 5_000;
/// A clock that was set by more than this since a verdict makes it void, milliseconds: the oracle compares clocks, and has
/// not seen this one yet.
pub const MAX_CLOCK_STEP_MS: u64 = 500;
/// An answer that has not come after this never will, milliseconds: longer than the deadline of any call.
pub const OP_TIMEOUT_MS: u64 = 15_000;
/// The same for the look through the latest blocks, which takes many calls, milliseconds.
pub const AUDIT_TIMEOUT_MS: u64 = 120_000;

/// What does not change while the service runs.
#[derive(Clone, Debug)]
pub struct Config {
    /// This node.
    pub me: NodeId,
    /// The timing of the chain.
    pub timing: SlotTiming,
}

/// Something asked for and not yet answered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Flight {
    pub(crate) op: Op,
    since_ms: u64,
}

/// What the oracle said last.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Verdict {
    eligible: bool,
    /// By the clock that never jumps.
    fresh_until_ms: u64,
    /// When it came.
    came: Now,
}

impl Verdict {
    /// Whether the clock was set since it came.
    fn is_of_another_clock(&self, now: Now) -> bool {
        let expected = self.came.wall.plus_ms(now.mono_ms.saturating_sub(self.came.mono_ms));
        now.wall.since_ms(expected).max(expected.since_ms(now.wall)) > MAX_CLOCK_STEP_MS
    }
}

/// Decides what the producer does next.
#[derive(Clone, Debug)]
pub struct Machine {
    pub(crate) config: Config,
    pub(crate) guard: Guard,
    pub(crate) head: Option<Head>,
    /// The chain service is to be heard.
    head_heard: bool,
    verdict: Option<Verdict>,
    pub(crate) plan: Option<Plan>,
    pub(crate) own: Option<Own>,
    /// Height and slot that the log says this node waits for.
    pub(crate) announced: Option<(Height, Slot)>,

    next_op: u64,
    pub(crate) scheduling: Option<Flight>,
    pub(crate) preparing: Option<(Flight, Ask)>,
    pub(crate) committing: Option<(Flight, Hash)>,
    pub(crate) submitting: Option<Flight>,
    pub(crate) auditing: Option<Flight>,
    pub(crate) retry: Retry,
    pub(crate) audit_retry: Retry,
    /// The latest blocks were looked through since this node was last not eligible.
    pub(crate) audited: bool,
    /// They were looked through at least once.
    pub(crate) ever_audited: bool,
    /// The highest block that this key signed and the claims do not know of, since the start.
    pub(crate) highest_foreign: Option<Height>,
    /// Such blocks that were said.
    pub(crate) foreign: BTreeSet<OwnBlock>,
    pub(crate) refused: bool,
    pub(crate) proofs: SyncProofs,
    pub(crate) out: Vec<Output>,
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
        let promised = |p: &Arc<Proposal>| guard.promised(p.height, &p.parent) == Some(p.hash);
        let own = last.filter(promised).map(|proposal| Own {
            proposal,
            committed: true,
            stored: false,
            given_up: false,
            told: true,
        });
        Self {
            config,
            guard,
            head: None,
            head_heard: false,
            verdict: None,
            plan: None,
            own,
            announced: None,
            next_op: 0,
            scheduling: None,
            preparing: None,
            committing: None,
            submitting: None,
            auditing: None,
            retry: Retry::default(),
            audit_retry: Retry::default(),
            audited: false,
            ever_audited: false,
            highest_foreign: None,
            foreign: BTreeSet::new(),
            refused: false,
            proofs: SyncProofs::default(),
            out: Vec::new(),
        }
    }

    /// Takes in what happened, and decides anew.
    pub fn handle(&mut self, input: Input, now: Now) -> Vec<Output> {
        if self.refused {
            return Vec::new();
        }
        let ticked = matches!(input, Input::Tick);
        self.take(input, now);
        self.forget_lost_answers(now);
        self.decide(ticked, now);
        std::mem::take(&mut self.out)
    }

    /// What is known of the height to be produced; none before its schedule is.
    #[must_use]
    pub fn view(&self) -> Option<View<'_>> {
        let (head, plan) = (self.head.as_ref()?, self.plan.as_ref()?);
        Some(View {
            head,
            main: &plan.main,
            my_slot: plan.my_slot(&self.config.me),
            active_pool_size: plan.active_pool_size,
        })
    }

    /// The guard as it is now.
    #[must_use]
    pub const fn guard(&self) -> &Guard {
        &self.guard
    }

    /// Why this node does not produce now; none if it may.
    #[must_use]
    pub fn blocked(&self, now: Now) -> Option<Blocked> {
        if self.refused {
            return Some(Blocked::Refused);
        }
        if !self.head_heard || self.head.is_none() {
            return Some(Blocked::NoHead);
        }
        match self.verdict {
            Some(verdict) if now.mono_ms > verdict.fresh_until_ms => Some(Blocked::NoSnapshot),
            Some(verdict) if verdict.is_of_another_clock(now) => Some(Blocked::ClockSet),
            Some(Verdict { eligible: true, .. }) => None,
            Some(Verdict { eligible: false, .. }) => Some(Blocked::NotEligible),
            None => Some(Blocked::NoSnapshot),
        }
    }

    /// Where this node's producer stands in the registry, as far as it was asked.
    #[must_use]
    pub fn standing(&self) -> Option<Standing> {
        let active = self.plan.as_ref().is_some_and(|plan| plan.active);
        if active { Some(Standing::Active) } else { self.proofs.standing() }
    }

    /// The floor, if it bars the next height: nothing is signed at or below it.
    #[must_use]
    pub fn barred(&self) -> Option<Height> {
        let (head, floor) = (self.head.as_ref()?, self.guard.floor());
        let next = head.height.next();
        (next <= floor && self.guard.promised(next, &head.hash).is_none()).then_some(floor)
    }

    /// Whether the answer to this audit is waited for.
    #[must_use]
    pub fn is_auditing(&self, op: Op) -> bool {
        self.auditing.is_some_and(|flight| flight.op == op)
    }

    /// Highest block seen since the start that this key signed and the claims do not know of.
    #[must_use]
    pub const fn used_elsewhere(&self) -> Option<Height> {
        self.highest_foreign
    }

    fn take(&mut self, input: Input, now: Now) {
        match input {
            Input::Tick => {}
            Input::Head(head) => self.head_is(head),
            Input::HeadLost => self.head_heard = false,
            Input::Snapshot { eligible, age_ms } => {
                let left_ms = SNAPSHOT_FRESH_MS.checked_sub(age_ms);
                self.verdict = left_ms.map(|left_ms| {
                    let fresh_until_ms = now.mono_ms.saturating_add(left_ms);
                    Verdict { eligible, fresh_until_ms, came: now }
                });
            }
            Input::SnapshotLost => self.verdict = None,
            Input::Scheduled { op, slots, active, active_pool_size } => {
                if landed(&mut self.scheduling, op) {
                    self.retry.worked();
                    let (plan, timing) = (self.plan.take(), &self.config.timing);
                    self.plan = Some(Plan::learn(plan, slots, timing, active, active_pool_size));
                }
            }
            Input::ScheduleFailed { op } => {
                if landed(&mut self.scheduling, op) {
                    self.retry.failed(now.mono_ms);
                }
            }
            Input::Prepared { op, proposal } => self.prepared(op, proposal, now),
            Input::PrepareFailed { op, failure } => {
                if self.preparing.is_some_and(|(flight, _)| flight.op == op) {
                    self.preparing = None;
                    self.retry.failed(now.mono_ms);
                    self.tell_failure(failure);
                }
            }
            Input::Committed { op } => self.committed(op),
            Input::CommitFailed { op } => {
                if self.committing.is_some_and(|(flight, _)| flight.op == op) {
                    self.committing = None;
                    self.retry.failed(now.mono_ms);
                }
            }
            Input::Submitted { op, proposal, became_head, sent_to, send_failed } => {
                if landed(&mut self.submitting, op) {
                    self.retry.worked();
                }
                let height = proposal.height;
                self.stored(proposal.hash);
                self.log(Event::Broadcast { height, sent_to, send_failed });
                self.log(if became_head { Event::Produced(proposal) } else { Event::TipChanged { height } });
            }
            Input::SubmitFailed { op, proposal, failure } => self.submit_failed(op, &proposal, failure, now),
            Input::Record { op, record } => self.proofs.record(op, record),
            Input::SyncProofSent { op } => self.proofs.sent(op),
            Input::Audited { op, own } => {
                if landed(&mut self.auditing, op) {
                    self.audit(&own);
                }
            }
            Input::OwnBlock(block) => self.look_at(&[block]),
            Input::BlocksMissed => {
                self.audited = false;
                // What is being looked through began before the gap ended.
                self.auditing = None;
            }
            Input::AuditFailed { op } => {
                if landed(&mut self.auditing, op) {
                    self.audit_retry.failed(now.mono_ms);
                }
            }
        }
    }

    fn head_is(&mut self, head: Head) {
        self.head_heard = true;
        if self.own.as_ref().is_some_and(|own| own.proposal.hash == head.hash && !own.stored) {
            self.stored(head.hash);
        }
        let Some(old) = self.head.replace(head).filter(|old| old.hash != head.hash) else { return };
        self.tell_what_the_new_head_ends(&old, &head);
        self.plan = None;
        self.scheduling = None;
        self.preparing = None;
        self.retry.worked();
    }

    fn tell_what_the_new_head_ends(&mut self, old: &Head, new: &Head) {
        let height = old.height.next();
        let own = self.own.as_ref().filter(|own| own.proposal.parent == old.hash);
        let under_way = match own {
            // What is handed in gets its own answer.
            Some(own) => !own.stored && !own.given_up && self.submitting.is_none(),
            None => self.preparing.is_some(),
        };
        let waited = self.announced.take().is_some_and(|(announced, _)| announced == height);
        if under_way {
            self.log(Event::TipChanged { height });
        } else if waited && own_is_none_or_lost(self.own.as_ref(), old) && new.height >= height {
            self.log(Event::AlreadyProduced { height });
        }
    }

    pub(crate) fn log(&mut self, event: Event) {
        self.out.push(Output::Log(event));
    }

    pub(crate) fn take_off(&mut self, now: Now) -> Flight {
        self.next_op += 1;
        Flight { op: Op(self.next_op), since_ms: now.mono_ms }
    }

    fn forget_lost_answers(&mut self, now: Now) {
        let older = |flight: &Flight, ms| now.mono_ms.saturating_sub(flight.since_ms) > ms;
        let lost = |flight: &mut Flight| older(flight, OP_TIMEOUT_MS);
        let _ = self.scheduling.take_if(lost);
        let _ = self.preparing.take_if(|(flight, _)| lost(flight));
        let _ = self.committing.take_if(|(flight, _)| lost(flight));
        let _ = self.submitting.take_if(lost);
        let _ = self.auditing.take_if(|flight| older(flight, AUDIT_TIMEOUT_MS));
        self.proofs.forget_lost_answers(lost);
    }
}

fn own_is_none_or_lost(own: Option<&Own>, old: &Head) -> bool {
    own.is_none_or(|own| own.proposal.parent != old.hash)
}

/// Whether this is the answer waited for; it is then waited for no longer.
pub(crate) fn landed(flight: &mut Option<Flight>, op: Op) -> bool {
    flight.take_if(|flight| flight.op == op).is_some()
}
