//! The claim receipts in memory.

use std::collections::{BTreeMap, BTreeSet};

use borsh::{BorshDeserialize, BorshSerialize};
use vision_primitives::{Hash, Height, NodeId, Slot, TimestampMs};

/// Receipts kept.
pub(crate) const KEPT_CLAIMS: usize = 100;

/// A claim receipt.
#[derive(Clone, PartialEq, Eq, Debug, BorshSerialize, BorshDeserialize)]
pub(crate) struct Claim {
    pub height: Height,
    pub winner_id: NodeId,
    /// The head it builds on.
    pub tip_hash: Hash,
    pub claimed_at: TimestampMs,
    pub slot_idx: Slot,
    pub block_hash: Hash,
    /// The chain service has stored the block.
    pub done: bool,
}

/// The last receipts by number, and which of them differ from the disk.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct ClaimBook {
    rows: BTreeMap<u64, Claim>,
    unsaved: BTreeSet<u64>,
}

impl ClaimBook {
    pub(crate) fn restore(rows: impl IntoIterator<Item = (u64, Claim)>) -> Self {
        let mut book = Self { rows: rows.into_iter().collect(), unsaved: BTreeSet::new() };
        book.forget_oldest();
        book
    }

    /// Adds a receipt, unless the block already has one.
    pub(crate) fn add(&mut self, claim: Claim) {
        if self.number_of(&claim.block_hash).is_none() {
            let number = self.rows.last_key_value().map_or(0, |(last, _)| last + 1);
            self.rows.insert(number, claim);
            self.unsaved.insert(number);
            self.forget_oldest();
        }
    }

    /// Marks the receipt of a block as done; whether that changed anything.
    pub(crate) fn mark_done(&mut self, block: &Hash) -> bool {
        let Some(number) = self.number_of(block) else { return false };
        let Some(claim) = self.rows.get_mut(&number).filter(|claim| !claim.done) else { return false };
        claim.done = true;
        self.unsaved.insert(number);
        true
    }

    /// The rows that differ from the disk.
    pub(crate) fn unsaved(&self) -> Vec<(u64, Claim)> {
        let row = |number: &u64| Some((*number, self.rows.get(number)?.clone()));
        self.unsaved.iter().filter_map(row).collect()
    }

    /// These rows are on disk; one that changed since is not.
    pub(crate) fn saved(&mut self, rows: &[(u64, Claim)]) {
        for (number, claim) in rows {
            if self.rows.get(number).is_none_or(|now| now == claim) {
                self.unsaved.remove(number);
            }
        }
    }

    /// The receipts, newest first, with their numbers.
    pub(crate) fn newest_first(&self) -> impl Iterator<Item = (u64, &Claim)> {
        self.rows.iter().rev().map(|(number, claim)| (*number, claim))
    }

    /// The newest receipt of a height.
    pub(crate) fn newest_of(&self, height: Height) -> Option<&Claim> {
        self.newest_first().map(|(_, claim)| claim).find(|claim| claim.height == height)
    }

    /// Below this height receipts may be forgotten.
    pub(crate) fn kept_from(&self) -> Height {
        match self.rows.first_key_value() {
            // A forgotten one may be of the lowest height too, for another parent; higher ones are as new as
            // those kept.
            Some((first, _)) if *first > 0 => {
                self.rows.values().map(|claim| claim.height).min().unwrap_or_default()
            }
            _ => Height(0),
        }
    }

    fn number_of(&self, block: &Hash) -> Option<u64> {
        // The one looked for is nearly always the newest.
        self.newest_first().find(|(_, claim)| claim.block_hash == *block).map(|(number, _)| number)
    }

    fn forget_oldest(&mut self) {
        while self.rows.len() > KEPT_CLAIMS {
            if let Some((number, _)) = self.rows.pop_first() {
                self.unsaved.remove(&number);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use vision_primitives::hash;

    use super::*;

    fn claim(i: u64) -> Claim {
        Claim {
            height: Height(i),
            winner_id: Hash::ZERO,
            tip_hash: Hash::ZERO,
            claimed_at: TimestampMs(i),
            slot_idx: Slot(0),
            block_hash: hash(&[&i.to_le_bytes()]),
            done: false,
        }
    }

    #[test]
    fn the_last_hundred_are_kept_and_changes_are_known() {
        let mut book = ClaimBook::default();
        for i in 0..150 {
            book.add(claim(i));
            book.add(claim(i));
        }
        let heights: Vec<_> = book.newest_first().map(|(_, claim)| claim.height.get()).collect();
        assert_eq!(heights, (50..150).rev().collect::<Vec<_>>());
        assert_eq!(book.kept_from(), Height(50));
        assert_eq!(book.newest_of(Height(149)), Some(&claim(149)));
        assert_eq!(book.newest_of(Height(49)), None);
        let unsaved = book.unsaved();
        assert_eq!(unsaved.len(), KEPT_CLAIMS);

        assert!(book.mark_done(&claim(149).block_hash));
        assert!(!book.mark_done(&claim(149).block_hash), "only once");
        assert!(!book.mark_done(&claim(3).block_hash), "forgotten");
        book.saved(&unsaved);
        let left = book.unsaved();
        assert_eq!(left.len(), 1, "what changed while it was being saved");
        assert!(left[0].1.done);
        book.saved(&left);
        assert!(book.unsaved().is_empty());
        assert_eq!(ClaimBook::restore(book.newest_first().map(|(n, c)| (n, c.clone()))), book);
    }
}
