//! What happens to the chain and to transactions, as values.

use std::sync::Arc;

use vision_block_tree::{BlockRef, Entry};
use vision_mempool::DropReason;
use vision_primitives::{Action, Address, Hash, Height, NodeId, SignedTransaction, Slot, TimestampMs};

/// A block as it is shown to those who watch.
#[derive(Clone, Debug)]
pub struct ShownBlock {
    /// It, without its transactions.
    pub entry: Arc<Entry>,
    /// Whether it is on the head's chain.
    pub canonical: bool,
    /// Its parent's time stamp.
    pub parent_stamp: TimestampMs,
    /// The slots before its own that passed unused, and their owners.
    pub missed: Vec<(Slot, NodeId)>,
}

/// A move of the head to another branch.
#[derive(Clone, Debug)]
pub struct Reorg {
    /// Height of the head after it.
    pub height: Height,
    /// Blocks left.
    pub depth: u64,
    /// Those of them that are shown, highest first.
    pub left: Vec<ShownBlock>,
    /// Those that joined and are shown, highest first.
    pub joined: Vec<ShownBlock>,
    /// Blocks that joined.
    pub joined_count: u64,
    /// Transactions of the blocks left, which none that joined has.
    pub transactions_returned: u64,
}

/// A slot that passed unused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MissedSlot {
    /// Height.
    pub height: Height,
    /// The slot.
    pub slot: Slot,
    /// Its owner.
    pub owner: NodeId,
    /// Who made the block instead.
    pub made_by: NodeId,
    /// In this slot.
    pub made_in: Slot,
}

/// A producer that was suspended or is active again.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum StandingEvent {
    /// It was suspended.
    Suspended {
        /// Who.
        id: NodeId,
        /// At this height.
        height: Height,
        /// Slots it had missed in a row.
        missed: u64,
    },
    /// It is active again.
    Returned {
        /// Who.
        id: NodeId,
        /// At this height.
        height: Height,
        /// Whether it never was before.
        first_time: bool,
    },
}

/// What happens to the chain.
#[derive(Clone, Debug)]
pub enum ChainEvent {
    /// A block was stored, on the head's chain or beside it.
    Block(ShownBlock),
    /// A slot passed unused.
    Missed(MissedSlot),
    /// A producer's standing changed.
    Standing(StandingEvent),
    /// The head moved to another branch.
    Reorg(Reorg),
    /// Old blocks joined the head's chain.
    CaughtUp {
        /// The first height.
        from: Height,
        /// The last.
        to: Height,
    },
    /// Everything up to this block is final.
    Finalized(BlockRef),
}

/// The accounts that a transaction concerns.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Parties {
    /// Who sent it.
    pub sender: Address,
    /// Who receives what it transfers.
    pub receiver: Option<Address>,
}

impl Parties {
    /// Those of a transaction.
    #[must_use]
    pub fn of(transaction: &SignedTransaction) -> Self {
        let receiver = match &transaction.transaction().action {
            Action::Transfer { to, .. } => Some(*to),
            _ => None,
        };
        Self { sender: transaction.sender_address(), receiver }
    }

    /// Whether an account is one of them.
    #[must_use]
    pub fn include(&self, address: &Address) -> bool {
        self.sender == *address || self.receiver == Some(*address)
    }
}

/// Where a transaction is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum TransactionPlace {
    /// It waits.
    Waiting {
        /// Since when.
        since: TimestampMs,
        /// The nonce that is missing first before it, if it waits behind a gap.
        missing_nonce: Option<u64>,
    },
    /// It is in a block of the head's chain.
    Included {
        /// Height of the block.
        height: Height,
        /// Its hash.
        block: Hash,
        /// Position in the block.
        index: u32,
    },
    /// It waits no more.
    Dropped {
        /// Why.
        why: DropReason,
        /// Since when.
        at: TimestampMs,
    },
}

impl TransactionPlace {
    /// Whether nothing more is to be expected.
    #[must_use]
    pub const fn is_end(&self) -> bool {
        matches!(self, Self::Included { .. } | Self::Dropped { .. })
    }
}

/// A transaction to which something happened.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TransactionEvent {
    /// Its hash.
    pub hash: Hash,
    /// The accounts it concerns.
    pub parties: Parties,
    /// Where it is now.
    pub place: TransactionPlace,
}

impl TransactionEvent {
    /// Whether it concerns an account.
    #[must_use]
    pub fn concerns(&self, address: Option<&Address>) -> bool {
        address.is_none_or(|address| self.parties.include(address))
    }
}
