//! Blocks that this key signed and the claims do not know of: the chain is looked through for them.

use std::collections::BTreeSet;

use vision_primitives::Height;

use crate::retry::Retry;
use crate::turn::{AUDIT_TIMEOUT_MS, Flight, Turn, landed};
use crate::{Event, Guard, Now, Op, Output, OwnBlock};

/// Foreign blocks remembered, the highest: each is said once.
const MAX_FOREIGN_BLOCKS: usize = 1024;

/// How far the look through the chain counts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    /// It was not looked through since the start.
    Never,
    /// It was once, but this node was not eligible since, or blocks were missed.
    Outdated,
    /// It was since this node was last not eligible.
    Current,
    /// The first look found a block above all claims: nothing is signed any more.
    Refused,
}

/// The looks through the chain, and what they found.
#[derive(Clone, Debug)]
pub(crate) struct Audit {
    state: State,
    asking: Option<Flight>,
    retry: Retry,
    /// The highest block found since the start.
    highest_foreign: Option<Height>,
    /// Blocks found that were said.
    foreign: BTreeSet<OwnBlock>,
}

impl Audit {
    pub(crate) fn new() -> Self {
        Self {
            state: State::Never,
            asking: None,
            retry: Retry::default(),
            highest_foreign: None,
            foreign: BTreeSet::new(),
        }
    }

    /// Whether the guard knows all that the chain shows.
    pub(crate) fn is_current(&self) -> bool {
        self.state == State::Current
    }

    /// Whether the claims are older than the key's last use.
    pub(crate) fn is_refused(&self) -> bool {
        self.state == State::Refused
    }

    /// Whether the answer to this look is waited for.
    pub(crate) fn is_asking(&self, op: Op) -> bool {
        self.asking.is_some_and(|flight| flight.op == op)
    }

    pub(crate) const fn highest_foreign(&self) -> Option<Height> {
        self.highest_foreign
    }

    /// This node is not eligible. The first look needs no eligibility; any other must be as fresh as the
    /// eligibility.
    pub(crate) fn not_eligible(&mut self) {
        match self.state {
            State::Never => {}
            State::Current | State::Outdated => {
                self.state = State::Outdated;
                self.asking = None;
            }
            State::Refused => self.asking = None,
        }
    }

    /// Blocks may have been stored that nobody reported.
    pub(crate) fn blocks_missed(&mut self) {
        if self.state == State::Current {
            self.state = State::Outdated;
        }
        // What is being looked through began before the gap ended.
        self.asking = None;
    }

    pub(crate) fn failed(&mut self, op: Op, now: Now) {
        if landed(&mut self.asking, op) {
            self.retry.failed(now.mono_ms);
        }
    }

    pub(crate) fn forget_lost_answers(&mut self, now: Now) {
        let _ = self.asking.take_if(|flight| flight.is_older_than(AUDIT_TIMEOUT_MS, now));
    }

    pub(crate) fn decide(&mut self, eligible: bool, turn: &mut Turn) {
        let wanted = match self.state {
            State::Never => true,
            State::Outdated => eligible,
            State::Current | State::Refused => false,
        };
        if wanted && self.asking.is_none() && self.retry.ready(turn.now.mono_ms) {
            let flight = turn.take_off();
            self.asking = Some(flight);
            turn.push(Output::Audit { op: flight.op });
        }
    }

    /// The latest blocks of the chain were looked through.
    pub(crate) fn found(&mut self, op: Op, own: &[OwnBlock], guard: &mut Guard, turn: &mut Turn) {
        if !landed(&mut self.asking, op) {
            return;
        }
        let first = self.state == State::Never;
        self.state = State::Current;
        self.retry.worked();
        let highest_claimed = guard.highest();
        let highest_own = own.iter().map(|block| block.height).max();
        if let Some(highest_own) = highest_own.filter(|height| first && *height > highest_claimed) {
            self.state = State::Refused;
            turn.push(Output::Refuse { highest_own, highest_claimed });
            return;
        }
        self.look_at(own, guard, turn);
    }

    /// Leaves the heights alone of blocks that the guard does not know of: what else the key signed up to
    /// there cannot be known.
    pub(crate) fn look_at(&mut self, own: &[OwnBlock], guard: &mut Guard, turn: &mut Turn) {
        let mut unknown = Vec::new();
        for block in own {
            if guard.is_foreign(block.height, &block.parent, &block.hash) && self.foreign.insert(*block) {
                unknown.push(*block);
            }
        }
        while self.foreign.len() > MAX_FOREIGN_BLOCKS {
            self.foreign.pop_first();
        }
        let Some(OwnBlock { height, hash, .. }) = unknown.iter().max().copied() else { return };
        self.highest_foreign = self.highest_foreign.max(Some(height));
        if height > guard.floor() {
            guard.raise_floor(height);
            turn.push(Output::SaveFloor { floor: height });
        }
        turn.log(Event::KeyUsedElsewhere { height, hash, blocks: unknown.len() as u64 });
    }
}
