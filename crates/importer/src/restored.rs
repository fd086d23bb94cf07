//! What waited when the process ended.

use std::collections::BTreeMap;

use vision_mempool::{DropReason, Dropped, Moment};
use vision_primitives::{Hash, SignedTransaction};

use crate::settle::drop_reason;
use crate::{Batch, Fate, Importer, WaitingTransaction};

impl Importer {
    /// Takes back what waited when the process ended, and is to be called before any input. What is of no use
    /// any more is forgotten. Gives how many wait again and how many are forgotten.
    pub fn restore_waiting(&mut self, waiting: Vec<(Hash, WaitingTransaction)>) -> (usize, usize) {
        let genesis_hash = self.tree.rules().genesis_hash;
        // Nothing is written yet: what is gone goes with the next batch.
        let mut batch = Batch::default();
        let read: Vec<_> = waiting
            .into_iter()
            .filter_map(|(hash, record)| {
                self.persisted.restored(hash);
                let transaction = SignedTransaction::from_bytes(record.bytes, &genesis_hash).ok();
                if transaction.is_none() {
                    self.persisted.drop(&hash, &mut batch);
                }
                Some((record.since, transaction?))
            })
            .collect();
        let all = read.len();
        let mut kept = 0_usize;
        for (since, transaction) in in_order(read) {
            let hash = transaction.hash();
            // It was verified before it was stored, and the store finds every flipped bit.
            match self.with_pool(|pool, context| pool.admit_again(transaction, context, since)) {
                Ok(displaced) => {
                    kept += 1;
                    self.verified.insert(hash);
                    for Dropped { transaction, why } in displaced {
                        self.forget_stored(transaction.hash(), why, &mut batch);
                    }
                }
                Err(rejected) => {
                    // Another of the store's rows may be the same again.
                    if self.pool.contains(&hash) {
                        self.persisted.drop(&hash, &mut batch);
                    } else {
                        self.forget_stored(hash, drop_reason(rejected), &mut batch);
                    }
                }
            }
        }
        (kept, all - kept)
    }

    fn forget_stored(&mut self, hash: Hash, why: DropReason, batch: &mut Batch) {
        let fate = Fate { why, at: self.now.wall };
        if self.persisted.drop(&hash, batch) {
            self.unsaved_fates.insert(hash, fate.clone());
        }
        self.dropped.insert(hash, fate);
    }
}

/// Puts what waited when the process ended into an order in which all of it is admitted again: none before
/// one of its sender with a lower nonce, and otherwise by age.
fn in_order(waiting: Vec<(Moment, SignedTransaction)>) -> Vec<(Moment, SignedTransaction)> {
    let mut by_sender: BTreeMap<_, _> = BTreeMap::new();
    for (since, transaction) in waiting {
        let key = (transaction.sender_address(), transaction.transaction().nonce, transaction.hash());
        by_sender.insert(key, (since, transaction));
    }
    let (mut last, mut latest) = (None, 0);
    let mut keyed = Vec::with_capacity(by_sender.len());
    for ((sender, ..), (since, transaction)) in by_sender {
        latest = if last == Some(sender) { since.running_ms.max(latest) } else { since.running_ms };
        last = Some(sender);
        keyed.push((latest, since, transaction));
    }
    // Stable: of one sender the nonces stay in order.
    keyed.sort_by_key(|(latest, ..)| *latest);
    keyed.into_iter().map(|(_, since, transaction)| (since, transaction)).collect()
}
