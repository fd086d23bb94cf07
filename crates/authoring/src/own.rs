//! This node's own block: promised, on disk, submitted, stored.

use std::sync::Arc;

use vision_primitives::Hash;

use crate::machine::{Machine, landed};
use crate::{Event, Failure, Now, Op, Output, Proposal};

/// This node's own block for a parent, from the promise on.
#[derive(Clone, Debug)]
pub(crate) struct Own {
    pub(crate) proposal: Arc<Proposal>,
    /// The promise is on disk.
    pub(crate) committed: bool,
    /// The chain service has the block.
    pub(crate) stored: bool,
    /// It will never have it.
    pub(crate) given_up: bool,
    /// "Created" is told.
    pub(crate) told: bool,
}

impl Machine {
    pub(crate) fn prepared(&mut self, op: Op, proposal: Arc<Proposal>, now: Now) {
        let Some((_, ask)) = self.preparing.filter(|(flight, _)| flight.op == op) else { return };
        self.preparing = None;
        // The shell verified it against the ask; what matters most is looked at once more.
        let fits = proposal.parent == ask.parent.hash
            && proposal.height == ask.parent.height.next()
            && proposal.slot == ask.window.slot;
        let in_time = now.wall < ask.window.closes_at;
        if !fits || !in_time || self.head.is_none_or(|head| head.hash != proposal.parent) {
            return;
        }
        if let Err(fault) = self.guard.promise(proposal.height, proposal.parent, proposal.hash) {
            self.retry.failed(now.mono_ms);
            self.log(Event::Failed { height: proposal.height, why: fault.to_string() });
            return;
        }
        self.retry.worked();
        self.own = Some(Own { proposal, committed: false, stored: false, given_up: false, told: false });
        self.submitting = None;
    }

    pub(crate) fn committed(&mut self, op: Op) {
        let Some((_, hash)) = self.committing.take_if(|(flight, _)| flight.op == op) else { return };
        if let Some(own) = self.own.as_mut().filter(|own| own.proposal.hash == hash) {
            own.committed = true;
            self.retry.worked();
        }
    }

    pub(crate) fn stored(&mut self, hash: Hash) {
        if let Some(own) = self.own.as_mut().filter(|own| own.proposal.hash == hash) {
            own.stored = true;
        }
        self.out.push(Output::MarkDone { block: hash });
    }

    pub(crate) fn submit_failed(&mut self, op: Op, proposal: &Proposal, failure: Failure, now: Now) {
        let current = landed(&mut self.submitting, op);
        // A failure on an old head says nothing about the new one.
        if current && self.head.is_some_and(|head| head.hash == proposal.parent) {
            self.retry.failed(now.mono_ms);
        }
        if let (Failure::Refused(_), Some(own)) = (&failure, &mut self.own)
            && own.proposal.hash == proposal.hash
        {
            own.given_up = true;
        }
        let height = proposal.height;
        match failure {
            Failure::Unavailable(_) if current => {}
            Failure::TipChanged | Failure::Unavailable(_) => self.log(Event::TipChanged { height }),
            Failure::Refused(why) => self.log(Event::Failed { height, why }),
        }
    }

    pub(crate) fn tell_failure(&mut self, failure: Failure) {
        let Some(height) = self.head.map(|head| head.height.next()) else { return };
        match failure {
            Failure::TipChanged => self.log(Event::TipChanged { height }),
            Failure::Unavailable(why) | Failure::Refused(why) => self.log(Event::Failed { height, why }),
        }
    }
}
