//! Which of the transactions that wait are persisted. What a caller submitted must, before it is
//! acknowledged; what peers passed on need not: it lies in the store of the node that acknowledged it, and is
//! reported again by every peer.

use std::collections::BTreeSet;

use vision_mempool::Moment;
use vision_primitives::{Hash, SignedTransaction};

use crate::{Batch, WaitingTransaction};

/// Most of them looked through when some are reported again.
const MAX_LOOKED_THROUGH: usize = 2048;
/// Pause between two parts, milliseconds: the head of a node that catches up moves hundreds of times a
/// second.
const PART_EVERY_MS: u64 = 1_000;

/// What lies in the store, or will with the turn's batch.
#[derive(Default)]
pub(crate) struct Persisted {
    stored: BTreeSet<Hash>,
    /// To be taken out with the next batch.
    gone: BTreeSet<Hash>,
    /// Up to here they were looked through last.
    looked_through: Hash,
    /// When the next part is due, by the monotonic clock.
    part_due_ms: u64,
}

impl Persisted {
    /// What is found in the store at start.
    pub(crate) fn restored(&mut self, hash: Hash) {
        self.stored.insert(hash);
    }

    /// Whether one lies there.
    pub(crate) fn contains(&self, hash: &Hash) -> bool {
        self.stored.contains(hash)
    }

    /// One lies there from this batch on.
    pub(crate) fn keep(&mut self, transaction: &SignedTransaction, since: Moment, batch: &mut Batch) {
        let hash = transaction.hash();
        self.stored.insert(hash);
        self.gone.remove(&hash);
        batch.waiting.insert(hash, WaitingTransaction { since, bytes: transaction.bytes().to_vec() });
    }

    /// One waits no more; says whether it lay there.
    pub(crate) fn drop(&mut self, hash: &Hash, batch: &mut Batch) -> bool {
        let lay_there = self.stored.remove(hash);
        if lay_there {
            batch.waiting.remove(hash);
            self.gone.insert(*hash);
        }
        lay_there
    }

    /// How many lie there.
    pub(crate) fn len(&self) -> usize {
        self.stored.len()
    }

    /// The next ones in turn, if they are due; after the last comes the first.
    pub(crate) fn next_part(&mut self, now_ms: u64) -> Vec<Hash> {
        if now_ms < self.part_due_ms {
            return Vec::new();
        }
        self.part_due_ms = now_ms + PART_EVERY_MS;
        let from = (std::ops::Bound::Excluded(self.looked_through), std::ops::Bound::Unbounded);
        let mut part: Vec<Hash> = self.stored.range(from).take(MAX_LOOKED_THROUGH).copied().collect();
        let rest = self.stored.range(..=self.looked_through).take(MAX_LOOKED_THROUGH - part.len());
        part.extend(rest);
        self.looked_through = part.last().copied().unwrap_or(Hash::ZERO);
        part
    }

    /// What the batch has to take out.
    pub(crate) fn take_gone(&mut self) -> Vec<Hash> {
        std::mem::take(&mut self.gone).into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use vision_primitives::{Action, SecretKey, Transaction};

    use super::*;

    #[test]
    fn parts_take_turns() {
        let mut persisted = Persisted::default();
        assert_eq!(persisted.next_part(0), []);
        let all: BTreeSet<Hash> =
            (0..5_000_u64).map(|n| vision_primitives::hash(&[&n.to_le_bytes()])).collect();
        all.iter().for_each(|hash| persisted.restored(*hash));
        let parts = [1, 2, 3].map(|part| persisted.next_part(part * PART_EVERY_MS));
        assert_eq!(parts.each_ref().map(Vec::len), [MAX_LOOKED_THROUGH; 3]);
        let seen: BTreeSet<Hash> = parts.concat().into_iter().collect();
        assert_eq!(seen, all);
        let mut few = Persisted::default();
        few.restored(Hash([7; 32]));
        assert_eq!((few.next_part(5), few.next_part(1_005)), (vec![Hash([7; 32])], vec![Hash([7; 32])]));
        assert_eq!((few.next_part(2_004), few.next_part(2_005).len()), (vec![], 1), "not before it is due");
    }

    #[test]
    fn only_what_lies_in_the_store_is_taken_out_of_it() {
        let key = SecretKey::from_seed(&[1; 32]);
        let transaction = |nonce| {
            let action = Action::Data { bytes: vec![] };
            Transaction { sender: key.public_key(), nonce, fee: 1, action }.sign(&key, &Hash::ZERO)
        };
        let (a, b) = (transaction(0), transaction(1));
        let (mut persisted, mut batch) = (Persisted::default(), Batch::default());
        persisted.restored(a.hash());
        assert!(!persisted.drop(&b.hash(), &mut batch));
        assert_eq!(persisted.take_gone(), [], "b never was there");
        persisted.keep(&b, Moment::default(), &mut batch);
        assert!(persisted.contains(&b.hash()) && batch.waiting.contains_key(&b.hash()));
        assert_eq!(persisted.len(), 2);
        assert!(persisted.drop(&b.hash(), &mut batch) && persisted.drop(&a.hash(), &mut batch));
        assert!(!persisted.contains(&a.hash()) && batch.waiting.is_empty());
        persisted.keep(&a, Moment::default(), &mut batch);
        assert_eq!(persisted.take_gone(), [b.hash()], "a is back before it was taken out");
        assert_eq!(persisted.take_gone(), []);
    }
}
