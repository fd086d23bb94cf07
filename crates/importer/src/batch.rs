//! What one turn has decided: the batch to be stored first, and what is reported afterwards.

use std::collections::BTreeMap;
use std::sync::Arc;

use vision_block_tree::{ChainChange, Entry};
use vision_ledger::Changes;
use vision_mempool::{DropReason, Moment};
use vision_primitives::{Block, Hash, Height, NodeId, SignedTransaction, TimestampMs};

use crate::answers::ImportEnd;
use crate::messages::{Origin, RequestId, Ticket};
use crate::reports::Report;
use crate::{TransactionEvent, TransactionPlace};

/// A block to be written.
#[derive(Clone, Debug)]
pub struct NewBlock {
    /// The block.
    pub block: Arc<Block>,
    /// What it changes in its parent's state.
    pub changes: Changes,
}

/// A transaction that waits, as it is written.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct WaitingTransaction {
    /// When it came.
    pub since: Moment,
    /// Its signed bytes.
    pub bytes: Vec<u8>,
}

/// What became of a transaction that waits no more and is in no block.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fate {
    /// Why it was dropped.
    pub why: DropReason,
    /// When.
    pub at: TimestampMs,
}

impl Fate {
    /// As an event.
    #[must_use]
    pub fn place(self) -> TransactionPlace {
        TransactionPlace::Dropped { why: self.why, at: self.at }
    }
}

/// Everything that one turn changes; to be written whole or not at all.
#[derive(Clone, Default, Debug)]
pub struct Batch {
    /// New blocks.
    pub blocks: Vec<NewBlock>,
    /// The head after the turn, if something has followed from a block.
    pub head: Option<Hash>,
    /// Heights of the head's chain that changed, in the order they changed; `None`: no longer there.
    pub chain: Vec<(Height, Option<Hash>)>,
    /// Blocks that became final, ascending.
    pub finalized: Vec<(Height, Hash)>,
    /// Blocks that can never be on the head's chain again.
    pub pruned: Vec<Hash>,
    /// Transactions that wait from now on.
    pub waiting: BTreeMap<Hash, WaitingTransaction>,
    /// Transactions that wait no more; none of the above.
    pub gone: Vec<Hash>,
    /// What became of those that were acknowledged and dropped.
    pub fates: BTreeMap<Hash, Fate>,
    /// How long the node has run, milliseconds, over all its starts.
    pub running_ms: u64,
}

impl Batch {
    /// Whether there is nothing to write.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        // What is gone need not be written for itself: at the next start it is found to be of no use.
        self.blocks.is_empty()
            && self.chain.is_empty()
            && self.finalized.is_empty()
            && self.pruned.is_empty()
            && self.waiting.is_empty()
            && self.fates.is_empty()
    }
}

/// A block accepted in the turn.
#[derive(Debug)]
pub(crate) struct Accepted {
    pub(crate) block: Arc<Block>,
    pub(crate) origin: Origin,
    /// Whether it became the head when it came.
    pub(crate) became_head: bool,
    /// Who waits for its number of peers.
    pub(crate) reply: Option<RequestId>,
}

/// A move of the head in the turn.
#[derive(Debug)]
pub(crate) struct Moved {
    pub(crate) head: Arc<Entry>,
    pub(crate) finalized: Height,
    pub(crate) cause: Hash,
    /// The blocks left, highest first.
    pub(crate) left: Vec<Hash>,
}

/// A transaction let in to wait in the turn.
#[derive(Debug)]
pub(crate) struct Admitted {
    /// None once it is settled.
    pub(crate) ticket: Option<Ticket>,
    pub(crate) peer: Option<NodeId>,
    pub(crate) transaction: SignedTransaction,
}

/// The turn so far: what it will write, and what follows once that is durable.
#[derive(Default, Debug)]
pub(crate) struct Draft {
    pub(crate) batch: Batch,
    /// Blocks to announce, in order.
    pub(crate) accepted: Vec<Accepted>,
    /// Moves of the head, in order.
    pub(crate) moved: Vec<Moved>,
    /// Transactions to acknowledge and pass on.
    pub(crate) admitted: Vec<Admitted>,
    /// Transactions that callers submitted and that wait already, to be confirmed.
    pub(crate) known: Vec<Ticket>,
    /// What happened to transactions.
    pub(crate) happened: Vec<TransactionEvent>,
    /// Events for those who watch, in order.
    pub(crate) reports: Vec<Report>,
    /// Transactions of blocks that the head has left, which none that joined its chain has.
    pub(crate) returned: u64,
    /// Ends of imports that wait for the store.
    pub(crate) imports: Vec<(RequestId, ImportEnd)>,
    /// The last block that became final.
    pub(crate) last_final: Option<(Height, Hash)>,
    /// Transactions of its blocks.
    pub(crate) transactions: usize,
    /// When the first of its blocks came to be checked.
    pub(crate) began_ms: Option<u64>,
}

impl Draft {
    /// Notes a block that the tree has taken; what followed from it is for [`Draft::follow`].
    pub(crate) fn accept(&mut self, accepted: Accepted, changes: Changes) {
        let block = &accepted.block;
        self.transactions += block.transactions().len();
        // A block that was evicted earlier in the turn and came again must not be deleted after all.
        self.batch.pruned.retain(|pruned| *pruned != block.hash());
        self.batch.blocks.push(NewBlock { block: block.clone(), changes });
        self.accepted.push(accepted);
    }

    /// Notes what followed from an insertion, whether or not the block itself has stayed in the tree; `head`
    /// is the head after it and `finalized` the highest final height.
    pub(crate) fn follow(&mut self, cause: Hash, change: &ChainChange, head: &Arc<Entry>, finalized: Height) {
        self.batch.head = Some(head.hash());
        if let Some(moved) = &change.head {
            // A height that was left and joined again is noted twice; the last note counts.
            self.batch.chain.extend(moved.left.iter().rev().map(|left| (left.height, None)));
            self.batch.chain.extend(moved.joined.iter().map(|joined| (joined.height, Some(joined.hash))));
            let left = moved.left.iter().map(|left| left.hash).collect();
            self.moved.push(Moved { head: head.clone(), finalized, cause, left });
        }
        self.batch.finalized.extend(change.newly_final.iter().map(|block| (block.height, block.hash)));
        self.batch.pruned.extend(change.pruned.iter().copied());
    }
}

#[cfg(test)]
mod tests {
    use vision_test_blocks::bare_block;

    use super::*;

    #[test]
    fn a_block_that_was_evicted_and_came_again_in_one_turn_stays_stored() {
        let block = Arc::new(bare_block(Hash::ZERO, 0));
        let accepted =
            || Accepted { block: block.clone(), origin: Origin::Own, became_head: false, reply: None };
        let changes = || Changes { accounts: vec![], producers: vec![], supply: 0 };
        let other = Hash([9; 32]);
        let mut draft = Draft::default();
        draft.accept(accepted(), changes());
        draft.batch.pruned.extend([block.hash(), other]);
        draft.accept(accepted(), changes());
        assert_eq!(draft.batch.pruned, [other]);
    }
}
