//! Makes this node's blocks: waits for its slot, has a block prepared, claims it, hands it in.

mod answers;
mod own;
mod plan;
mod prepared;

use std::sync::Arc;

use vision_primitives::{Hash, Height, Invariant as _, Slot, TimestampMs};
use vision_schedule::SlotWindow;

use self::own::{Own, Stage};
pub use self::plan::LOOKAHEAD_SLOTS;
use self::plan::{Plan, missing};
pub use self::prepared::{PreparedFault, verify_prepared};
use crate::machine::{Config, View};
use crate::retry::Retry;
use crate::turn::{Flight, Turn};
use crate::{Ask, Event, Guard, Head, Now, Output, Proposal};

/// What is known of the height to be produced, and of the block made for it.
#[derive(Clone, Debug)]
pub(crate) struct Proposer {
    config: Config,
    plan: Option<Plan>,
    own: Option<Own>,
    /// Height and slot that the log says this node waits for.
    announced: Option<(Height, Slot)>,
    scheduling: Option<Flight>,
    preparing: Option<(Flight, Ask)>,
    committing: Option<(Flight, Hash)>,
    submitting: Option<Flight>,
    retry: Retry,
}

impl Proposer {
    /// A proposer with the block promised last, whose promise `guard` remembers.
    pub(crate) fn new(config: Config, guard: &Guard, last: Option<Arc<Proposal>>) -> Self {
        let promised = |p: &Arc<Proposal>| guard.promised(p.height, &p.parent) == Some(p.hash);
        // "Created" was said before the restart, or never will be.
        let own = last.filter(promised).map(|proposal| Own { proposal, stage: Stage::Submitted });
        Self {
            config,
            plan: None,
            own,
            announced: None,
            scheduling: None,
            preparing: None,
            committing: None,
            submitting: None,
            retry: Retry::default(),
        }
    }

    /// Whether this node is in the active pool; none before the schedule is known.
    pub(crate) fn is_active(&self) -> Option<bool> {
        self.plan.as_ref().map(|plan| plan.active)
    }

    /// What is known of the height above this head; none before its schedule is.
    pub(crate) fn view<'a>(&'a self, head: &'a Head) -> Option<View<'a>> {
        let plan = self.plan.as_ref()?;
        Some(View {
            head,
            main: &plan.main,
            my_slot: plan.my_slot(&self.config.me),
            active_pool_size: plan.active_pool_size,
        })
    }

    /// When to be called again at the latest, apart from the tick; none if there is nothing to wait for.
    pub(crate) fn wake_at(&self, head: &Head, now: Now) -> Option<TimestampMs> {
        let plan = self.plan.as_ref()?;
        let own = plan.next_own(&self.config.me, now.wall).map(|window| window.opens_at);
        let more = plan.runs_out_at(&self.config.timing, head.timestamp_ms);
        own.into_iter().chain([more]).filter(|at| *at > now.wall).min()
    }

    pub(crate) fn forget_lost_answers(&mut self, now: Now) {
        let _ = self.scheduling.take_if(|flight| flight.is_lost(now));
        let _ = self.preparing.take_if(|(flight, _)| flight.is_lost(now));
        let _ = self.committing.take_if(|(flight, _)| flight.is_lost(now));
        let _ = self.submitting.take_if(|flight| flight.is_lost(now));
    }

    /// Asks for the slots of the height above this head that are not known yet.
    pub(crate) fn decide_schedule(&mut self, head: &Head, turn: &mut Turn) {
        if self.scheduling.is_some() || !self.retry.ready(turn.now.mono_ms) {
            return;
        }
        let slots = missing(self.plan.as_ref(), &self.config.timing, head.timestamp_ms, turn.now.wall);
        if !slots.is_empty() {
            let flight = turn.take_off();
            self.scheduling = Some(flight);
            turn.push(Output::AskSchedule { op: flight.op, head: *head, slots });
        }
    }

    /// Makes the block of this head if it is this node's turn. To be called only while this node may produce.
    pub(crate) fn decide_block(&mut self, head: &Head, guard: &Guard, turn: &mut Turn) {
        let height = head.height.next();
        if self.own.as_ref().is_some_and(|own| own.proposal.parent == head.hash) {
            return self.decide_own(guard, turn);
        }
        // Promised to a block whose bytes are gone, or barred: nothing can be signed on this head.
        if height <= guard.floor() || guard.promised(height, &head.hash).is_some() {
            return;
        }
        if self.preparing.is_some() || !self.retry.ready(turn.now.mono_ms) {
            return;
        }
        let next_own = self.plan.as_ref().and_then(|p| p.next_own(&self.config.me, turn.now.wall));
        let Some(window) = next_own.copied() else { return };
        self.announce(head, &window, turn);
        if turn.now.wall >= window.opens_at {
            let ask = Ask { parent: *head, window, stamp: window.opens_at.max(turn.now.wall) };
            let flight = turn.take_off();
            self.preparing = Some((flight, ask));
            turn.log(Event::Proposing { height, slot: window.slot });
            turn.push(Output::Prepare { op: flight.op, ask });
        }
    }

    fn announce(&mut self, head: &Head, window: &SlotWindow, turn: &mut Turn) {
        let waiting = (head.height.next(), window.slot);
        if self.announced != Some(waiting) {
            self.announced = Some(waiting);
            let wait_ms = window.opens_at.since_ms(turn.now.wall);
            turn.log(Event::Waiting { height: waiting.0, slot: window.slot, wait_ms });
        }
    }

    /// Brings this node's own block of the head to disk and to the chain service, as often as it takes:
    /// no other block can be signed on this head any more.
    fn decide_own(&mut self, guard: &Guard, turn: &mut Turn) {
        if !self.retry.ready(turn.now.mono_ms) {
            return;
        }
        let own = self.own.as_mut().invariant("only asked when there is a block of the head");
        match own.stage {
            Stage::Stored | Stage::GivenUp => {}
            Stage::Promised => {
                if self.committing.is_none() {
                    let (flight, proposal) = (turn.take_off(), own.proposal.clone());
                    self.committing = Some((flight, proposal.hash));
                    turn.push(Output::Commit { op: flight.op, proposal, floor: guard.floor() });
                }
            }
            Stage::Committed | Stage::Submitted => {
                if self.submitting.is_none() {
                    if own.stage == Stage::Committed {
                        own.stage = Stage::Submitted;
                        turn.log(Event::Created(own.proposal.clone()));
                    }
                    let flight = turn.take_off();
                    self.submitting = Some(flight);
                    turn.push(Output::Submit { op: flight.op, proposal: own.proposal.clone() });
                }
            }
        }
    }
}
