//! Which of the transactions that wait lie in the store. What a caller handed in must, before it is acknowledged; what peers
//! passed on need not: it lies in the store of the node that acknowledged it, and is told again by every peer.

use std::collections::BTreeSet;

use vision_primitives::{Hash, SignedTransaction, TimestampMs};

use crate::store::{Commit, WaitingRecord};

/// What lies in the store, or will with the turn's commit.
#[derive(Default)]
pub struct Kept {
    stored: BTreeSet<Hash>,
    /// To be taken out with the next commit.
    gone: BTreeSet<Hash>,
}

impl Kept {
    /// What is found in the store at start.
    pub fn restored(&mut self, hash: Hash) {
        self.stored.insert(hash);
    }

    /// Whether one lies there.
    pub fn contains(&self, hash: &Hash) -> bool {
        self.stored.contains(hash)
    }

    /// One lies there from this commit on.
    pub fn keep(&mut self, transaction: &SignedTransaction, since: TimestampMs, commit: &mut Commit) {
        let hash = transaction.hash();
        self.stored.insert(hash);
        self.gone.remove(&hash);
        commit.waiting.insert(hash, WaitingRecord { since, bytes: transaction.bytes().to_vec() });
    }

    /// One waits no more.
    pub fn drop(&mut self, hash: &Hash, commit: &mut Commit) {
        if self.stored.remove(hash) {
            commit.waiting.remove(hash);
            self.gone.insert(*hash);
        }
    }

    /// What the commit has to take out.
    pub fn take_gone(&mut self) -> Vec<Hash> {
        std::mem::take(&mut self.gone).into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use vision_primitives::{Action, SecretKey, Transaction};

    use super::*;

    #[test]
    fn only_what_lies_in_the_store_is_taken_out_of_it() {
        let key = SecretKey::from_seed(&[1; 32]);
        let transaction = |nonce| {
            let action = Action::Data { bytes: vec![] };
            Transaction { sender: key.public_key(), nonce, fee: 1, action }.sign(&key, &Hash::ZERO)
        };
        let (a, b) = (transaction(0), transaction(1));
        let (mut kept, mut commit) = (Kept::default(), Commit::default());
        kept.restored(a.hash());
        kept.drop(&b.hash(), &mut commit);
        assert_eq!(kept.take_gone(), [], "b never was there");
        kept.keep(&b, TimestampMs(1), &mut commit);
        assert!(kept.contains(&b.hash()) && commit.waiting.contains_key(&b.hash()));
        kept.drop(&b.hash(), &mut commit);
        kept.drop(&a.hash(), &mut commit);
        assert!(!kept.contains(&a.hash()) && commit.waiting.is_empty());
        kept.keep(&a, TimestampMs(1), &mut commit);
        assert_eq!(kept.take_gone(), [b.hash()], "a is back before it was taken out");
        assert_eq!(kept.take_gone(), []);
    }
}
