//! The pool is made to fit what a turn has done to the chain.

use std::borrow::Cow;
use std::collections::BTreeMap;

use vision_ledger::TransactionFault;
use vision_mempool::{DropReason, Dropped, Moment, Rejected};
use vision_primitives::{Action, Hash, SignedTransaction};

use crate::batch::Draft;
use crate::{Bodies, Fate, Importer, Note, Observer, Outside, Parties, TransactionEvent, TransactionPlace};

impl Importer {
    /// Makes the pool fit what the turn has done to the chain: what it has included or made useless leaves,
    /// what was in blocks that the head has left waits again.
    pub(crate) fn settle_pool(&mut self, draft: &mut Draft, outside: &mut impl Outside) {
        let now = self.now.moment();
        let expired = self.pool.expire(now);
        self.forget(&expired, draft, outside);
        if draft.moved.is_empty() {
            return;
        }
        let included = included(draft, outside);
        outside.note(Note::TransactionsIncluded(included.len() as u64));
        let useless = self.move_pool(draft);
        let (done, dropped): (Vec<_>, Vec<_>) =
            useless.into_iter().partition(|dropped| included.contains_key(&dropped.hash()));
        for hash in done.iter().map(Dropped::hash) {
            self.persisted.drop(&hash, &mut draft.batch);
        }
        self.forget(&dropped, draft, outside);
        let left: Vec<Hash> = draft.moved.iter().flat_map(|moved| moved.left.iter().rev().copied()).collect();
        // However many: one body at a time is in memory, and what finds no room in the pool is said to be
        // dropped.
        for block in &left {
            for transaction in body(block, draft, outside).into_owned() {
                if !included.contains_key(&transaction.hash()) {
                    draft.returned += 1;
                    self.readmit(transaction, now, draft, outside);
                }
            }
        }
        draft.happened.extend(included.into_values());
        note_dropped(draft, outside);
    }

    /// Moves the pool to the new head; gives what can no longer wait.
    fn move_pool(&mut self, draft: &Draft) -> Vec<Dropped> {
        let extended = draft.moved.iter().all(|moved| moved.left.is_empty());
        let joined = draft.batch.chain.iter().filter_map(|(_, hash)| *hash);
        let changes: Option<Vec<_>> = joined
            .map(|joined| draft.batch.blocks.iter().find(|new| new.block.hash() == joined))
            .map(|new| new.map(|new| &new.changes))
            .collect();
        let from = self.pool_root.replace(self.tree.head().state().root());
        self.with_pool(|pool, context| match (from, changes) {
            (Some(from), Some(changes)) if extended => {
                let touched =
                    changes.iter().flat_map(|made| made.accounts.iter().map(|(address, _)| address));
                pool.head_extended(context, &from, touched)
            }
            _ => pool.head_moved(context),
        })
    }

    /// Takes a transaction of a block that the head has left, or says why it cannot wait.
    fn readmit(
        &mut self,
        transaction: SignedTransaction,
        now: Moment,
        draft: &mut Draft,
        observer: &mut impl Observer,
    ) {
        let (hash, parties) = (transaction.hash(), Parties::of(&transaction));
        let again = transaction.clone();
        let is_proof = matches!(transaction.transaction().action, Action::SyncProof(_));
        let place = match self.with_pool(|pool, context| pool.admit_again(transaction, context, now)) {
            Ok(displaced) => {
                self.forget(&displaced, draft, observer);
                self.keep(&again, now, true, draft);
                self.waits(&hash)
            }
            // It waits already.
            Err(_) if self.pool.contains(&hash) => return,
            Err(rejected) => {
                let why = if is_proof { DropReason::ProofUseless } else { drop_reason(rejected) };
                observer.note(Note::TransactionDropped(why.reason()));
                let fate = Fate { why, at: now.wall };
                // Whether it was acknowledged here is not known any more.
                if self.owed(draft).takes_one_of_a_left_block() {
                    draft.batch.fates.insert(hash, fate.clone());
                }
                self.dropped.insert(hash, fate.clone());
                fate.place()
            }
        };
        draft.happened.push(TransactionEvent { hash, parties, place });
    }
}

/// What the blocks that have joined the head's chain include.
fn included(draft: &Draft, bodies: &mut impl Bodies) -> BTreeMap<Hash, TransactionEvent> {
    let mut included = BTreeMap::new();
    // A height may have changed more than once in the turn: what was noted last is the case.
    let chain: BTreeMap<_, _> = draft.batch.chain.iter().copied().collect();
    for (height, block) in chain.into_iter().filter_map(|(height, block)| Some((height, block?))) {
        for (index, transaction) in (0_u32..).zip(body(&block, draft, bodies).iter()) {
            let hash = transaction.hash();
            let place = TransactionPlace::Included { height, block, index };
            included.insert(hash, TransactionEvent { hash, parties: Parties::of(transaction), place });
        }
    }
    included
}

/// Transactions of a block, of this turn or an earlier one. One that is pruned by now was left long ago.
fn body<'a>(block: &Hash, draft: &'a Draft, bodies: &mut impl Bodies) -> Cow<'a, [SignedTransaction]> {
    match draft.accepted.iter().find(|accepted| accepted.block.hash() == *block) {
        Some(accepted) => Cow::Borrowed(accepted.block.transactions()),
        None => Cow::Owned(bodies.body(block)),
    }
}

/// All that a reorganisation has cost at once: each was acknowledged by some node.
fn note_dropped(draft: &Draft, observer: &mut impl Observer) {
    if draft.moved.iter().all(|moved| moved.left.is_empty()) {
        return;
    }
    let mut dropped: BTreeMap<&'static str, u64> = BTreeMap::new();
    for happened in &draft.happened {
        if let TransactionPlace::Dropped { why, .. } = &happened.place {
            *dropped.entry(why.reason()).or_default() += 1;
        }
    }
    if !dropped.is_empty() {
        observer.note(Note::DroppedAfterReorg(&dropped));
    }
}

/// Why a transaction of a block that was left does not wait again.
pub(crate) fn drop_reason(rejected: Rejected) -> DropReason {
    match rejected {
        Rejected::Fault(TransactionFault::NonceTooLow { .. }) => DropReason::NonceUsed,
        Rejected::Fault(TransactionFault::InsufficientBalance { .. }) => DropReason::Unaffordable,
        Rejected::Fault(fault) => DropReason::Fault(fault),
        // Another one has its place, or all others are worth more.
        Rejected::Known | Rejected::NonceGap { .. } | Rejected::Underpriced { .. } | Rejected::Full => {
            DropReason::Evicted
        }
    }
}
