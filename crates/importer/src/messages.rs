//! What goes into the machine and what comes out.

use std::sync::Arc;

use vision_block_tree::Entry;
use vision_mempool::Moment;
use vision_primitives::{Block, Hash, Height, NodeId, SignedTransaction, Slot, TimestampMs};

use crate::answers::{Answer, NotTaken, Taken};
use crate::{Batch, ChainEvent, TransactionEvent};

/// An instant on the clocks of this node.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Now {
    /// Milliseconds since the Unix epoch. May jump.
    pub wall: TimestampMs,
    /// Milliseconds since some fixed instant of this start. Never goes back.
    pub mono_ms: u64,
    /// How long the node has run over all its starts, milliseconds.
    pub running_ms: u64,
}

impl Now {
    /// As the pool counts.
    pub(crate) const fn moment(self) -> Moment {
        Moment { wall: self.wall, running_ms: self.running_ms }
    }
}

/// Number of something asked; its answer bears the same.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct RequestId(pub u64);

/// Number of a transaction on its way into the pool.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Ticket(pub u64);

/// Number of a batch to write.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct CommitId(pub u64);

/// What is known of a peer's clock.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct PeerClock {
    /// How far it is ahead of ours, milliseconds; 0 if it is behind or was not measured.
    pub ahead_ms: u64,
    /// Whether it was measured since ours was last set.
    pub measured: bool,
}

impl PeerClock {
    /// By how much it is ahead of ours, milliseconds, as measured; negative if it is behind.
    #[must_use]
    pub fn of_offset(offset_ms: Option<f64>) -> Self {
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        // not negative; a huge one saturates
        let ahead_ms = offset_ms.unwrap_or_default().max(0.0) as u64;
        Self { ahead_ms, measured: offset_ms.is_some() }
    }
}

/// A tip as a peer's status shows it, signed by that peer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TipClaim {
    /// Its height.
    pub height: u64,
    /// Its hash.
    pub hash: Hash,
    /// Bytes of its header; none at height 0.
    pub header: Vec<u8>,
    /// Bytes of its producer's signature.
    pub signature: Vec<u8>,
}

/// A transaction on its way into the pool.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Arrival {
    /// What its fate is reported by, see [`Output::Settled`].
    pub ticket: Ticket,
    /// The peer that passed it on; none if a caller of this node submitted it.
    pub peer: Option<NodeId>,
    /// The transaction.
    pub transaction: SignedTransaction,
}

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
    #[must_use]
    pub const fn peer(&self) -> Option<&NodeId> {
        match self {
            Self::Own => None,
            Self::Announced(peer) | Self::Fetched(peer) => Some(peer),
        }
    }
}

/// Something that happened.
#[derive(Clone, Debug)]
pub enum Input {
    /// A peer sent a new block.
    Announced {
        /// The peer.
        peer: NodeId,
        /// Its clock.
        clock: PeerClock,
        /// The block.
        block: Arc<Block>,
    },
    /// A peer announced a new block by its header.
    Header {
        /// The peer.
        peer: NodeId,
        /// Bytes of the header.
        header: Vec<u8>,
        /// Bytes of the signature.
        signature: Vec<u8>,
    },
    /// A peer reported its head.
    Tip {
        /// The peer.
        peer: NodeId,
        /// Its clock.
        clock: PeerClock,
        /// What it shows.
        tip: TipClaim,
    },
    /// Blocks fetched from a peer, ascending. Answered with [`Answer::Imported`].
    Fetched {
        /// What it is answered by.
        id: RequestId,
        /// The peer.
        peer: NodeId,
        /// Its clock.
        clock: PeerClock,
        /// The blocks.
        blocks: Vec<Block>,
    },
    /// This node's producer wants a header to sign. Answered with [`Answer::Prepared`].
    Prepare {
        /// What it is answered by.
        id: RequestId,
        /// What to build on; only the head will do.
        parent: Hash,
        /// The slot used.
        slot: Slot,
        /// Its owner.
        producer: NodeId,
        /// Time stamp of the block.
        stamp: TimestampMs,
    },
    /// This node's producer has signed. Answered with [`Answer::Refused`], or by the block's
    /// [`Output::Stored`].
    Submit {
        /// What it is answered by.
        id: RequestId,
        /// Bytes of the header.
        header: Vec<u8>,
        /// Bytes of the signature.
        signature: Vec<u8>,
        /// Signed bytes of the transactions; may be none if the block was prepared by this machine.
        transactions: Vec<Vec<u8>>,
    },
    /// Transactions come in. Answered with [`Answer::Screened`]; those that cannot be admitted are settled.
    Screen {
        /// What it is answered by.
        id: RequestId,
        /// They.
        batch: Vec<Arrival>,
    },
    /// Transactions come in whose signatures are right. Each is settled in time.
    Admit {
        /// They.
        batch: Vec<Arrival>,
    },
    /// Until when, by the monotonic clock and included, this node may call a block LATE (`docs/protocol.md`,
    /// section 5): it is at the tip and has ready peers. None: not now.
    InSyncUntil(Option<u64>),
    /// Looks at the clock: blocks whose time has come are taken.
    Tick,
    /// The turn ends: gives [`Output::Commit`], or publishes what needs no write. While a batch is being
    /// written the next turn stays open, and is to be closed again after [`Input::Committed`].
    CloseBatch,
    /// A batch is durable.
    Committed {
        /// Which.
        id: CommitId,
        /// Fates the store has now; `u64::MAX` if it cannot say.
        fates: u64,
    },
    /// A batch could not be written and may be later. It is asked for again with [`Output::Retry`].
    CommitFailed {
        /// Which.
        id: CommitId,
        /// As in [`Input::Committed`].
        fates: u64,
    },
}

/// Something to do. In the order in which it has to be done.
#[derive(Debug)]
pub enum Output {
    /// Write this, all or nothing, and sync it. Then [`Input::Committed`] or [`Input::CommitFailed`].
    Commit {
        /// Which.
        id: CommitId,
        /// What.
        batch: Batch,
    },
    /// Try again to write a batch that was given out before.
    Retry {
        /// Which.
        id: CommitId,
    },
    /// An answer.
    Reply {
        /// To what was asked under this number.
        id: RequestId,
        /// The answer.
        answer: Answer,
    },
    /// A transaction's way has ended. A caller gets this answer; a peer gets none.
    Settled {
        /// Of which.
        ticket: Ticket,
        /// Whether it is stored and waits.
        answer: Result<Taken, NotTaken>,
    },
    /// Charge misbehaviour to a peer.
    Charge {
        /// The peer.
        peer: NodeId,
        /// How much.
        points: u32,
        /// What for.
        why: &'static str,
    },
    /// Only our clock or our disk keeps us from taking what a peer claims or has delivered.
    Excuse {
        /// The peer.
        peer: NodeId,
    },
    /// A peer has a block, be it unknown to us.
    PeerHas {
        /// The peer.
        peer: NodeId,
        /// The block.
        hash: Hash,
    },
    /// Ask a peer for a block it has announced.
    Fetch {
        /// The peer.
        peer: NodeId,
        /// The block.
        hash: Hash,
    },
    /// A peer's tip is a block we have.
    TipKnown {
        /// The peer.
        peer: NodeId,
        /// Its height.
        height: Height,
        /// Its hash.
        hash: Hash,
    },
    /// A peer claims a tip that we lack.
    TipClaimed {
        /// The peer.
        peer: NodeId,
        /// Its height.
        height: Height,
        /// Its hash.
        hash: Hash,
        /// Weight of its chain, no more than a chain of this height can have.
        weight: u64,
        /// Whether the header shown is signed by a producer we know.
        verified: bool,
    },
    /// The head moved, and the block is durable.
    HeadMoved {
        /// The head after it.
        head: Arc<Entry>,
        /// Highest final height then.
        finalized: Height,
        /// The block whose insertion moved it.
        cause: Hash,
        /// Blocks of the old branch that were left; 0 when the head was extended.
        left: u64,
    },
    /// A block is durable. Unless it was fetched it is to be announced to all peers that lack it.
    Stored {
        /// The block.
        block: Arc<Block>,
        /// Where it came from.
        origin: Origin,
        /// Whether it became the head when it came.
        became_head: bool,
        /// Time stamp of its parent, if that is in the tree.
        parent_stamp: Option<TimestampMs>,
        /// What [`Input::Submit`] is answered by, with the number of peers that took it.
        reply: Option<RequestId>,
    },
    /// Something to report to those who watch the chain's events.
    Event(ChainEvent),
    /// Pass these on to all peers but one.
    Forward {
        /// The transactions.
        transactions: Vec<SignedTransaction>,
        /// Where they came from.
        except: Option<NodeId>,
    },
    /// Send these to all peers again; they were submitted here and still wait.
    ForwardAgain {
        /// Hashes of transactions in the pool.
        transactions: Vec<Hash>,
    },
    /// What happened to transactions.
    Happened(Vec<TransactionEvent>),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_is_ahead_by_what_was_measured() {
        let cases = [
            (None, 0, false),
            (Some(0.0), 0, true),
            (Some(-900.0), 0, true),
            (Some(12.9), 12, true),
            (Some(f64::MAX), u64::MAX, true),
        ];
        for (offset_ms, ahead_ms, measured) in cases {
            assert_eq!(PeerClock::of_offset(offset_ms), PeerClock { ahead_ms, measured }, "{offset_ms:?}");
        }
    }
}
