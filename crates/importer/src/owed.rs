//! What this node owes an answer for: everything that it has acknowledged and that is in no block.

use vision_primitives::Hash;

use crate::batch::Draft;
use crate::{Fate, Importer};

/// Acknowledged transactions that wait or whose fate is kept; beyond, callers are refused. Each takes about
/// 150 bytes of the store once it is dropped.
const MAX_OWED: u64 = 1_000_000;
/// Fates beyond which what waits is not dropped for what is worth more, and what blocks that the head has
/// left give back gets none that is durable: the rest is for what leaves for other reasons, or no caller
/// could be answered after a long split.
const MAX_FATES_OF_ROOM: u64 = MAX_OWED / 2;

/// How much is owed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Owed {
    /// Fates that are kept.
    pub(crate) fates: u64,
    /// What waits and may need one.
    pub(crate) waiting: u64,
}

impl Owed {
    /// Whether one more may be acknowledged.
    pub(crate) const fn takes_more(self) -> bool {
        self.fates.saturating_add(self.waiting) < MAX_OWED
    }

    /// Whether what waits and could be in a block must stay, however little it is worth.
    pub(crate) const fn spares_what_waits(self) -> bool {
        self.fates >= MAX_FATES_OF_ROOM
    }

    /// Whether there is a place for one that was in a block which the head has left: others may have
    /// acknowledged it.
    pub(crate) const fn takes_one_of_a_left_block(self) -> bool {
        self.takes_more() && self.fates < MAX_FATES_OF_ROOM
    }
}

impl Importer {
    /// How much is owed with what the turn has done so far.
    pub(crate) fn owed(&self, draft: &Draft) -> Owed {
        let new = draft.batch.fates.len() + self.unsaved_fates.len();
        Owed { fates: self.stored_fates.saturating_add(new as u64), waiting: self.persisted.len() as u64 }
    }

    /// Notes what became of one that waits no more, durably if it was acknowledged here.
    pub(crate) fn note_fate(&mut self, hash: Hash, fate: Fate, draft: &mut Draft) {
        if self.persisted.drop(&hash, &mut draft.batch) {
            draft.batch.fates.insert(hash, fate.clone());
        }
        self.dropped.insert(hash, fate);
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
