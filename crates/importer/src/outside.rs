//! What the machine is run in: where bodies of stored blocks lie, and who hears of what it does.

use std::collections::BTreeMap;

use vision_block_tree::Refusal;
use vision_primitives::{Block, Hash, Height, NodeId, SignedTransaction, Slot, TimestampMs};

use crate::messages::{Now, Origin};

/// Where bodies of stored blocks lie.
pub trait Bodies {
    /// The transactions of a block that was committed and not pruned; none if it cannot be read. Asked for
    /// one block at a time, and only for those that the head has left or joined.
    fn body(&mut self, block: &Hash) -> Vec<SignedTransaction>;
}

/// A step in the life of a block.
#[derive(Clone, Copy, Debug)]
pub enum Step<'a> {
    /// It is checked and executed.
    Check(&'a Block),
    /// It is entered into the tree, which chooses the head.
    Insert(&'a Block),
    /// One is put together for this node's producer.
    Prepare {
        /// At this height.
        height: Height,
        /// In this slot.
        slot: Slot,
    },
}

/// Who is to blame for a block that is not taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Blame {
    /// Nobody.
    Nobody,
    /// The peer it came from.
    Peer(NodeId),
    /// This node, whose block it is.
    Own,
}

/// Something to be counted or logged, at the instant it happens.
#[derive(Clone, Copy, Debug)]
pub enum Note<'a> {
    /// A block is not taken.
    BlockRefused {
        /// The block.
        block: &'a Block,
        /// Where it came from.
        origin: Origin,
        /// Why.
        refusal: &'a Refusal,
        /// Whose fault it is.
        blame: Blame,
    },
    /// A good block found no room in the tree.
    NoRoom,
    /// A good block came from the peer that announced it, so long after its time stamp.
    Propagated {
        /// Milliseconds.
        delay_ms: u64,
    },
    /// A block was entered into the tree.
    Inserted(&'a Block),
    /// When a block came that is reported by itself.
    Arrived {
        /// The block.
        block: &'a Block,
        /// When.
        at: TimestampMs,
    },
    /// A transaction was let in to wait.
    TransactionAdmitted,
    /// A transaction was not, by this rule.
    TransactionRefused(&'static str),
    /// A transaction that waited goes without a block, for this reason.
    TransactionDropped(&'static str),
    /// So many transactions are in blocks that joined the head's chain.
    TransactionsIncluded(u64),
    /// What a reorganisation has cost: dropped transactions by reason.
    DroppedAfterReorg(&'a BTreeMap<&'static str, u64>),
}

/// Hears of everything the machine does, at the instant it does it, and has no say in it.
pub trait Observer {
    /// A step begins; the head has this height.
    fn begin(&mut self, _step: Step<'_>, _head: Height, _now: Now) {}

    /// The step that began last has ended; with a fault, if one is named.
    fn end(&mut self, _fault: Option<&'static str>) {}

    /// Something happened.
    fn note(&mut self, _note: Note<'_>) {}
}

/// What the machine is run in.
pub trait Outside: Bodies + Observer {}

impl<H: Bodies + Observer> Outside for H {}
