//! What this node owes an answer for: everything that it has acknowledged and that is in no block.

use vision_mempool::{DropReason, Rejected};
use vision_primitives::{Hash, TimestampMs};
use vision_wire::Reason;

use super::Core;
use crate::actor::turn::Turn;
use crate::intake::Handed;
use crate::transactions::fate;

/// Acknowledged transactions that wait or whose fate is kept; beyond, callers are refused. Each takes about 150 bytes of
/// the store once it is dropped.
const MAX_OWED: u64 = 1_000_000;
/// Fates beyond which what waits is not dropped for what is worth more, and what blocks that the head has left give back gets
/// none that is durable: the rest is for what leaves for other reasons, or no caller could be answered after a long split.
const MAX_FATES_OF_ROOM: u64 = MAX_OWED / 2;

/// How much is owed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Owed {
    /// Fates that are kept.
    pub(super) fates: u64,
    /// What waits and may need one.
    pub(super) waiting: u64,
}

impl Owed {
    /// Whether one more may be acknowledged.
    pub(super) const fn takes_more(self) -> bool {
        self.fates.saturating_add(self.waiting) < MAX_OWED
    }

    /// Whether what waits and could be in a block must stay, however little it is worth.
    pub(super) const fn spares_what_waits(self) -> bool {
        self.fates >= MAX_FATES_OF_ROOM
    }

    /// Whether there is a place for one that was in a block which the head has left: others may have acknowledged it.
    pub(super) const fn takes_one_of_a_left_block(self) -> bool {
        self.takes_more() && self.fates < MAX_FATES_OF_ROOM
    }
}

impl Core {
    /// How much is owed with what the turn has done so far.
    pub(super) fn owed(&self, turn: &Turn) -> Owed {
        let new = turn.commit.fates.len() + self.unsaved_fates.len();
        Owed { fates: self.stored_fates.saturating_add(new as u64), waiting: self.kept.len() as u64 }
    }

    /// Looks again how many fates the store has, after a commit.
    pub(in crate::actor::core) fn count_fates(&mut self) {
        // A store that cannot be read takes nothing more either.
        self.stored_fates = self.parts.store.fate_count().unwrap_or(u64::MAX);
    }

    /// Notes what became of one that waits no more, durably if it was acknowledged here.
    pub(super) fn note_fate(&mut self, hash: Hash, why: DropReason, at: TimestampMs, turn: &mut Turn) {
        if self.kept.drop(&hash, &mut turn.commit) {
            turn.commit.fates.insert(hash, fate(&why, at));
        }
        self.dropped.insert(hash, why, at);
    }

    /// Refuses a caller for whom no answer could be kept.
    pub(super) fn turn_away_owing(&self, mut handed: Handed) {
        let reason = Rejected::Full.reason();
        self.parts.metrics.refused.get([reason]).inc();
        let why = "this node keeps as many answers about dropped transactions as it can; \
                   try again later, or another node";
        let status = vision_wire::status(Reason::PoolFull, why, &[("rule", reason.to_owned())]);
        handed.source.answer(Err(status));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_held_from_the_acknowledgement_on() {
        let cases = [
            ("nothing", 0, 0, (true, false, true)),
            ("a full pool", 0, 20_000, (true, false, true)),
            (
                "almost as many fates as may be made for room",
                MAX_FATES_OF_ROOM - 1,
                20_000,
                (true, false, true),
            ),
            ("as many", MAX_FATES_OF_ROOM, 20_000, (true, true, false)),
            ("the last place is free", MAX_OWED - 20_001, 20_000, (true, true, false)),
            ("no place is free", MAX_OWED - 20_000, 20_000, (false, true, false)),
            ("more than there are places", MAX_OWED, MAX_OWED, (false, true, false)),
            ("all wait", 0, MAX_OWED, (false, false, false)),
            ("a store that cannot be read", u64::MAX, 1, (false, true, false)),
        ];
        for (desc, fates, waiting, expect) in cases {
            let owed = Owed { fates, waiting };
            let found = (owed.takes_more(), owed.spares_what_waits(), owed.takes_one_of_a_left_block());
            assert_eq!(found, expect, "{desc}");
        }
    }
}
