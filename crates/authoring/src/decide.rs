//! What to do next, from all that is known. Called after every input; decides nothing twice.

use vision_primitives::TimestampMs;
use vision_schedule::SlotWindow;

use crate::machine::Machine;
use crate::plan::missing;
use crate::{Ask, Event, Head, Now, Output};

impl Machine {
    pub(crate) fn decide(&mut self, ticked: bool, now: Now) {
        let eligible = self.blocked(now).is_none();
        if !eligible {
            self.audited = false;
            // The first look needs no eligibility; any other must be as fresh as the eligibility.
            if self.ever_audited {
                self.auditing = None;
            }
        }
        let Some(head) = self.head else { return };
        self.decide_audit(eligible, now);
        self.decide_schedule(&head, now);
        self.decide_sync_proof(ticked, now);
        // Nothing is produced before the chain was looked through for blocks that the guard does not know.
        if eligible && self.audited {
            self.decide_block(&head, now);
        }
    }

    /// When to be called again at the latest, apart from the tick; none if there is nothing to wait for.
    #[must_use]
    pub fn wake_at(&self, now: Now) -> Option<TimestampMs> {
        let (head, plan) = (self.head?, self.plan.as_ref()?);
        let own = plan.next_own(&self.config.me, now.wall).map(|window| window.opens_at);
        let more = plan.runs_out_at(&self.config.timing, head.timestamp_ms);
        own.into_iter().chain([more]).filter(|at| *at > now.wall).min()
    }

    fn decide_audit(&mut self, eligible: bool, now: Now) {
        let wanted = !self.audited && (eligible || !self.ever_audited);
        if wanted && self.auditing.is_none() && self.audit_retry.ready(now.mono_ms) {
            let flight = self.take_off(now);
            self.auditing = Some(flight);
            self.out.push(Output::Audit { op: flight.op });
        }
    }

    fn decide_schedule(&mut self, head: &Head, now: Now) {
        if self.scheduling.is_some() || !self.retry.ready(now.mono_ms) {
            return;
        }
        let slots = missing(self.plan.as_ref(), &self.config.timing, head.timestamp_ms, now.wall);
        if !slots.is_empty() {
            let flight = self.take_off(now);
            self.scheduling = Some(flight);
            self.out.push(Output::AskSchedule { op: flight.op, head: *head, slots });
        }
    }

    fn decide_block(&mut self, head: &Head, now: Now) {
        let height = head.height.next();
        if self.own.as_ref().is_some_and(|own| own.proposal.parent == head.hash) {
            self.decide_own(now);
            return;
        }
        // Promised to a block whose bytes are gone, or barred: nothing can be signed on this head.
        if height <= self.guard.floor() || self.guard.promised(height, &head.hash).is_some() {
            return;
        }
        if self.preparing.is_some() || !self.retry.ready(now.mono_ms) {
            return;
        }
        let Some(window) = self.plan.as_ref().and_then(|p| p.next_own(&self.config.me, now.wall)).copied()
        else {
            return;
        };
        self.announce(head, &window, now);
        if now.wall >= window.opens_at {
            let ask = Ask { parent: *head, window, stamp: window.opens_at.max(now.wall) };
            let flight = self.take_off(now);
            self.preparing = Some((flight, ask));
            self.log(Event::Proposing { height, slot: window.slot });
            self.out.push(Output::Prepare { op: flight.op, ask });
        }
    }

    fn announce(&mut self, head: &Head, window: &SlotWindow, now: Now) {
        let waiting = (head.height.next(), window.slot);
        if self.announced != Some(waiting) {
            self.announced = Some(waiting);
            let wait_ms = window.opens_at.since_ms(now.wall);
            self.log(Event::Waiting { height: waiting.0, slot: window.slot, wait_ms });
        }
    }

    /// Brings this node's own block of the head to disk and to the chain service, as often as it takes:
    /// no other block can be signed on this head any more.
    fn decide_own(&mut self, now: Now) {
        let Some(own) = self.own.as_mut().filter(|own| !own.stored && !own.given_up) else { return };
        if !self.retry.ready(now.mono_ms) {
            return;
        }
        let proposal = own.proposal.clone();
        if !own.committed {
            if self.committing.is_none() {
                let flight = self.take_off(now);
                self.committing = Some((flight, proposal.hash));
                self.out.push(Output::Commit { op: flight.op, proposal, floor: self.guard.floor() });
            }
        } else if self.submitting.is_none() {
            if !std::mem::replace(&mut own.told, true) {
                self.log(Event::Created(proposal.clone()));
            }
            let flight = self.take_off(now);
            self.submitting = Some(flight);
            self.out.push(Output::Submit { op: flight.op, proposal });
        }
    }
}
