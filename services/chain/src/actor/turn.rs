//! What one turn of the loop has decided, to be stored first and told afterwards.

use tokio::time::Instant;
use vision_block_tree::Inserted;
use vision_ledger::Changes;
use vision_primitives::{Block, Hash, NodeId};

use super::core::News;
use super::view::HeadView;
use super::{ImportEnd, Reply, StoredBlock};
use crate::intake::Handed;
use crate::store::{BlockRecord, Commit, Indexed, NewBlock};
use crate::transactions::Happened;

/// Where a block came from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Origin {
    /// This node's producer.
    Own,
    /// A peer announced it.
    Announced(NodeId),
    /// It was asked for: an ancestor or part of a range.
    Fetched(NodeId),
}

impl Origin {
    /// The peer it came from.
    pub const fn peer(&self) -> Option<&NodeId> {
        match self {
            Self::Own => None,
            Self::Announced(peer) | Self::Fetched(peer) => Some(peer),
        }
    }
}

/// A block accepted in the turn.
pub struct Accepted {
    /// The block.
    pub block: Block,
    /// Where it came from.
    pub origin: Origin,
    /// Whether it became the head when it came.
    pub became_head: bool,
    /// When it came.
    pub arrived: Instant,
    /// Who waits for its number of peers.
    pub reply: Option<Reply<StoredBlock>>,
}

/// A move of the head in the turn.
pub struct Moved {
    /// The head after it.
    pub head: HeadView,
    /// Number of blocks left.
    pub reorg_depth: u64,
    /// The blocks left, highest first.
    pub left: Vec<Hash>,
}

/// The turn so far.
#[derive(Default)]
pub struct Turn {
    /// What the store has to write.
    pub commit: Commit,
    /// Blocks to announce, in order.
    pub accepted: Vec<Accepted>,
    /// Moves of the head, in order.
    pub moved: Vec<Moved>,
    /// Transactions to acknowledge and pass on.
    pub admitted: Vec<Handed>,
    /// Transactions that callers handed in and that wait already, to be told so.
    pub known: Vec<Handed>,
    /// What happened to transactions.
    pub happened: Vec<Happened>,
    /// What those who watch events are to be told, in order.
    pub news: Vec<News>,
    /// Transactions of blocks that the head has left, which none that joined its chain has.
    pub returned: u64,
    /// Ends of imports that wait for the store.
    pub imports: Vec<(tokio::sync::oneshot::Sender<ImportEnd>, ImportEnd)>,
    transactions: usize,
    began_ms: Option<u64>,
}

impl Turn {
    /// Transactions of the blocks accepted so far.
    pub const fn transactions(&self) -> usize {
        self.transactions
    }

    /// Notes, once, when the first of its blocks came to be checked.
    pub fn began_at(&mut self, now_ms: u64) {
        self.began_ms.get_or_insert(now_ms);
    }

    /// How long its blocks have taken until now.
    pub fn took_ms(&self, now_ms: u64) -> u64 {
        self.began_ms.map_or(0, |began_ms| now_ms.saturating_sub(began_ms))
    }

    /// Notes a block that the tree has taken; what followed from it is for [`Turn::follow`].
    pub fn accept(
        &mut self,
        block: Block,
        changes: Changes,
        origin: Origin,
        became_head: bool,
        arrived: Instant,
        reply: Option<Reply<StoredBlock>>,
    ) {
        self.transactions += block.transactions().len();
        // A block that was evicted earlier in the turn and came again must not be deleted after all.
        self.commit.pruned.retain(|pruned| *pruned != block.hash());
        self.commit.blocks.push(NewBlock {
            hash: block.hash(),
            record: BlockRecord::of(&block),
            changes,
            transactions: block.transactions().iter().map(Indexed::of).collect(),
        });
        self.accepted.push(Accepted { block, origin, became_head, arrived, reply });
    }

    /// Notes what followed from an insertion, whether or not the block itself has stayed in the tree;
    /// `head` is the head after it.
    pub fn follow(&mut self, inserted: &Inserted, head: &HeadView) {
        self.commit.head = Some(head.hash);
        if let Some(change) = &inserted.change.head {
            // A height that was left and joined again is noted twice; the last note counts.
            self.commit.chain.extend(change.left.iter().rev().map(|left| (left.height, None)));
            self.commit.chain.extend(change.joined.iter().map(|joined| (joined.height, Some(joined.hash))));
            let left = change.left.iter().map(|left| left.hash).collect();
            let reorg_depth = change.left.len() as u64;
            self.moved.push(Moved { head: head.clone(), reorg_depth, left });
        }
        let newly_final = inserted.change.newly_final.iter().map(|block| (block.height, block.hash));
        self.commit.finalized.extend(newly_final);
        self.commit.pruned.extend(inserted.change.pruned.iter().copied());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::block;

    #[test]
    fn a_block_that_was_evicted_and_came_again_in_one_turn_stays_stored() {
        let block = block(Hash::ZERO, 0);
        let changes = || Changes { accounts: vec![], producers: vec![], supply: 0 };
        let other = Hash([9; 32]);
        let mut turn = Turn::default();
        turn.accept(block.clone(), changes(), Origin::Own, false, Instant::now(), None);
        turn.commit.pruned.extend([block.hash(), other]);
        turn.accept(block, changes(), Origin::Own, false, Instant::now(), None);
        assert_eq!(turn.commit.pruned, [other]);
    }
}
