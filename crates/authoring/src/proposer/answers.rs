//! What heads and answers change in the proposer.

use std::sync::Arc;

use vision_primitives::Hash;
use vision_schedule::SlotWindow;

use super::Proposer;
use super::own::{Own, Stage};
use super::plan::Plan;
use crate::turn::{Turn, landed};
use crate::{Event, Failure, Guard, Head, Now, Op, Output, Proposal};

impl Proposer {
    /// The head is this; `before` is the one before it if that was another block.
    pub(crate) fn head_is(&mut self, head: &Head, before: Option<&Head>, turn: &mut Turn) {
        let own = self.own.as_ref();
        if own.is_some_and(|own| own.proposal.hash == head.hash && own.stage != Stage::Stored) {
            self.stored(head.hash, turn);
        }
        let Some(before) = before else { return };
        self.log_what_the_new_head_ends(before, head, turn);
        self.plan = None;
        self.scheduling = None;
        self.preparing = None;
        self.retry.worked();
    }

    fn log_what_the_new_head_ends(&mut self, old: &Head, new: &Head, turn: &mut Turn) {
        let height = old.height.next();
        let own = self.own.as_ref().filter(|own| own.proposal.parent == old.hash);
        let under_way = match own {
            // What is submitted gets its own answer.
            Some(own) => own.is_under_way() && self.submitting.is_none(),
            None => self.preparing.is_some(),
        };
        let waited = self.announced.take().is_some_and(|(announced, _)| announced == height);
        if under_way {
            turn.log(Event::TipChanged { height });
        } else if waited && own.is_none() && new.height >= height {
            turn.log(Event::AlreadyProduced { height });
        }
    }

    pub(crate) fn scheduled(&mut self, op: Op, slots: Vec<SlotWindow>, active: bool, active_pool_size: u64) {
        if landed(&mut self.scheduling, op) {
            self.retry.worked();
            let (plan, timing) = (self.plan.take(), &self.config.timing);
            self.plan = Some(Plan::learn(plan, slots, timing, active, active_pool_size));
        }
    }

    pub(crate) fn schedule_failed(&mut self, op: Op, now: Now) {
        if landed(&mut self.scheduling, op) {
            self.retry.failed(now.mono_ms);
        }
    }

    /// A block was prepared on the head, which is `head`.
    pub(crate) fn prepared(
        &mut self,
        op: Op,
        proposal: Arc<Proposal>,
        head: Option<&Head>,
        guard: &mut Guard,
        turn: &mut Turn,
    ) {
        let Some((_, ask)) = self.preparing.take_if(|(flight, _)| flight.op == op) else { return };
        // The shell verified it against the ask; what matters most is looked at once more.
        let fits = proposal.parent == ask.parent.hash
            && proposal.height == ask.parent.height.next()
            && proposal.slot == ask.window.slot;
        let in_time = turn.now.wall < ask.window.closes_at;
        if !fits || !in_time || head.is_none_or(|head| head.hash != proposal.parent) {
            return;
        }
        if let Err(fault) = guard.promise(proposal.height, proposal.parent, proposal.hash) {
            self.retry.failed(turn.now.mono_ms);
            turn.log(Event::Failed { height: proposal.height, why: fault.to_string() });
            return;
        }
        self.retry.worked();
        self.own = Some(Own { proposal, stage: Stage::Promised });
        self.submitting = None;
    }

    pub(crate) fn prepare_failed(&mut self, op: Op, failure: Failure, turn: &mut Turn) {
        let Some((_, ask)) = self.preparing.take_if(|(flight, _)| flight.op == op) else { return };
        self.retry.failed(turn.now.mono_ms);
        let height = ask.parent.height.next();
        match failure {
            Failure::TipChanged => turn.log(Event::TipChanged { height }),
            Failure::Unavailable(why) | Failure::Refused(why) => turn.log(Event::Failed { height, why }),
        }
    }

    pub(crate) fn committed(&mut self, op: Op) {
        let Some((_, hash)) = self.committing.take_if(|(flight, _)| flight.op == op) else { return };
        if let Some(own) = self.own.as_mut().filter(|own| own.proposal.hash == hash) {
            if own.stage == Stage::Promised {
                own.stage = Stage::Committed;
            }
            self.retry.worked();
        }
    }

    pub(crate) fn commit_failed(&mut self, op: Op, now: Now) {
        if self.committing.take_if(|(flight, _)| flight.op == op).is_some() {
            self.retry.failed(now.mono_ms);
        }
    }

    pub(crate) fn submitted(
        &mut self,
        op: Op,
        proposal: Arc<Proposal>,
        became_head: bool,
        (sent_to, send_failed): (u32, u32),
        turn: &mut Turn,
    ) {
        if landed(&mut self.submitting, op) {
            self.retry.worked();
        }
        let height = proposal.height;
        self.stored(proposal.hash, turn);
        turn.log(Event::Broadcast { height, sent_to, send_failed });
        turn.log(if became_head { Event::Produced(proposal) } else { Event::TipChanged { height } });
    }

    fn stored(&mut self, hash: Hash, turn: &mut Turn) {
        if let Some(own) = self.own.as_mut().filter(|own| own.proposal.hash == hash) {
            own.stage = Stage::Stored;
        }
        turn.push(Output::MarkDone { block: hash });
    }

    /// A block was not taken by the chain service. The head is `head`.
    pub(crate) fn submit_failed(
        &mut self,
        op: Op,
        proposal: &Proposal,
        failure: Failure,
        head: Option<&Head>,
        turn: &mut Turn,
    ) {
        let current = landed(&mut self.submitting, op);
        // A failure on an old head says nothing about the new one.
        if current && head.is_some_and(|head| head.hash == proposal.parent) {
            self.retry.failed(turn.now.mono_ms);
        }
        if let (Failure::Refused(_), Some(own)) = (&failure, &mut self.own)
            && own.proposal.hash == proposal.hash
            && own.stage != Stage::Stored
        {
            own.stage = Stage::GivenUp;
        }
        let height = proposal.height;
        match failure {
            Failure::Unavailable(_) if current => {}
            Failure::TipChanged | Failure::Unavailable(_) => turn.log(Event::TipChanged { height }),
            Failure::Refused(why) => turn.log(Event::Failed { height, why }),
        }
    }
}
