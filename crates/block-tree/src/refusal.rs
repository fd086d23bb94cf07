//! Why a block is not accepted.

use vision_ledger::{LedgerError, TransactionFault};
use vision_primitives::{DecodeError, Hash, Height, NodeId, Slot, TimestampMs};
use vision_schedule::{ScheduleError, SlotError};

/// Why a block, or a claim about one, is not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// No fault: the block is known.
    #[error("the block is already known")]
    AlreadyKnown,
    /// No fault: the parent must be fetched first.
    #[error("the parent {0} is not known")]
    UnknownParent(Hash),
    /// Bytes that are no header.
    #[error(transparent)]
    HeaderBytes(#[from] DecodeError),
    /// Another header version.
    #[error("version is {got}, must be {expected}")]
    Version {
        /// The version there is.
        expected: u16,
        /// The header's.
        got: u16,
    },
    /// A height other than the parent's plus 1.
    #[error("height is {got}, must be {expected}")]
    Height {
        /// Parent's height + 1.
        expected: Height,
        /// The header's.
        got: Height,
    },
    /// The block is not on the final chain, nor on top of it.
    #[error("it conflicts with the final block at height {0}")]
    ConflictsWithFinal(Height),
    /// No fault of whoever sent it: the tree keeps no more blocks of one producer on one parent.
    #[error("{producer} already has {max} other blocks on the parent {parent}", max = crate::MAX_SIBLINGS)]
    TooManySiblings {
        /// Who signed all of them.
        producer: NodeId,
        /// What they stand on.
        parent: Hash,
    },
    /// A stamp before the slot's window.
    #[error("timestamp {stamp} is too early for slot {slot}, which opens at {opens_at}")]
    TooEarly {
        /// The slot.
        slot: Slot,
        /// The stamp.
        stamp: TimestampMs,
        /// First stamp allowed; without the owner's jitter if the stamp is before the slot's start.
        opens_at: TimestampMs,
    },
    /// A stamp after the slot's window.
    #[error("timestamp {stamp} is too late for slot {slot}, which closes at {closes_at}")]
    TooLate {
        /// The slot.
        slot: Slot,
        /// The stamp.
        stamp: TimestampMs,
        /// First stamp too late.
        closes_at: TimestampMs,
    },
    /// A slot of somebody else.
    #[error("slot {slot} belongs to {owner}, not to {producer}")]
    NotSlotOwner {
        /// The slot.
        slot: Slot,
        /// Whose it is.
        owner: NodeId,
        /// Who used it.
        producer: NodeId,
    },
    /// A producer that the registry has never heard of.
    #[error("{0} was never registered as a producer")]
    UnknownProducer(NodeId),
    /// Another pool than the parent's state has.
    #[error("pool root is {got}, the parent's state gives {expected}")]
    PoolRoot {
        /// Root of the active pool.
        expected: Hash,
        /// The header's.
        got: Hash,
    },
    /// A `mix` although the chain has none.
    #[error("mix must be zero")]
    Mix,
    /// A `reveal` although the chain has none.
    #[error("reveal must be zero")]
    Reveal,
    /// A certificate although the chain has none.
    #[error("certificate hash must be zero")]
    Certificate,
    /// Another weight than the parent's and the slot give.
    #[error("weight is {got}, parent and slot give {expected}")]
    Weight {
        /// Parent's weight + max(1, m − slot).
        expected: u64,
        /// The header's.
        got: u64,
    },
    /// The producer's signature does not verify.
    #[error("the producer's signature does not verify")]
    Signature,
    /// More transactions than `max_block_txs`.
    #[error("{got} transactions; at most {max} are allowed")]
    TooManyTransactions {
        /// Most allowed.
        max: u64,
        /// How many there are.
        got: u64,
    },
    /// More bytes than `max_block_bytes`.
    #[error("{got} bytes; at most {max} are allowed")]
    TooLarge {
        /// Most allowed.
        max: u64,
        /// How many there are.
        got: u64,
    },
    /// Other transactions than the header commits to.
    #[error("the header's tx root is {expected}, the transactions give {got}")]
    TxRoot {
        /// The header's.
        expected: Hash,
        /// What the transactions give.
        got: Hash,
    },
    /// A transaction that is in the block twice.
    #[error("transaction {index} appears earlier in the block")]
    DuplicateTransaction {
        /// Its second place.
        index: usize,
    },
    /// A transaction not signed by its sender.
    #[error("the signature of transaction {index} does not verify")]
    TransactionSignature {
        /// Its place.
        index: usize,
    },
    /// A transaction that does not apply.
    #[error("transaction {index}: {fault}")]
    Transaction {
        /// Its place.
        index: usize,
        /// Why it does not apply.
        fault: TransactionFault,
    },
    /// Another state than executing the block gives.
    #[error("the header's state root is {expected}, execution gives {got}")]
    StateRoot {
        /// The header's.
        expected: Hash,
        /// What executing gives.
        got: Hash,
    },
    /// A claimed height that the time since the last final block does not allow.
    #[error("claimed height {got}, but by its timestamp a chain reaches at most {highest}")]
    ImplausibleHeight {
        /// Highest that time allows.
        highest: Height,
        /// The height claimed.
        got: Height,
    },
    /// A claimed weight that a chain of the claimed height cannot have.
    #[error("claimed weight {got}, but at height {height} a chain has at most {highest}")]
    ImplausibleWeight {
        /// The height claimed.
        height: Height,
        /// Highest that its slots allow.
        highest: u64,
        /// The weight claimed.
        got: u64,
    },
    /// A claimed block from the future.
    #[error("timestamp {stamp} is more than {ahead_ms} ms ahead", ahead_ms = crate::MAX_CLAIM_AHEAD_MS)]
    FromTheFuture {
        /// The stamp.
        stamp: TimestampMs,
    },
    /// The ledger broke one of its own promises; nobody's block can cause that.
    #[error("ledger: {0}")]
    Ledger(#[from] LedgerError),
    /// A state without any registered producer, which no block leads to: the last one cannot leave.
    #[error("schedule: {0}")]
    Schedule(#[from] ScheduleError),
}

impl Refusal {
    /// The refusal's stable name.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::AlreadyKnown => "ALREADY_KNOWN",
            Self::UnknownParent(_) => "UNKNOWN_PARENT",
            Self::HeaderBytes(_) => "BAD_HEADER_BYTES",
            Self::Version { .. } => "BAD_VERSION",
            Self::Height { .. } => "BAD_HEIGHT",
            Self::ConflictsWithFinal(_) => "CONFLICTS_WITH_FINAL",
            Self::TooManySiblings { .. } => "TOO_MANY_SIBLINGS",
            Self::TooEarly { .. } => "TOO_EARLY",
            Self::TooLate { .. } => "TOO_LATE",
            Self::NotSlotOwner { .. } => "NOT_SLOT_OWNER",
            Self::UnknownProducer(_) => "UNKNOWN_PRODUCER",
            Self::PoolRoot { .. } => "BAD_POOL_ROOT",
            Self::Mix => "BAD_MIX",
            Self::Reveal => "BAD_REVEAL",
            Self::Certificate => "BAD_CERTIFICATE",
            Self::Weight { .. } => "BAD_WEIGHT",
            Self::Signature => "BAD_BLOCK_SIGNATURE",
            Self::TooManyTransactions { .. } => "TOO_MANY_TRANSACTIONS",
            Self::TooLarge { .. } => "BLOCK_TOO_LARGE",
            Self::TxRoot { .. } => "BAD_TX_ROOT",
            Self::DuplicateTransaction { .. } => "DUPLICATE_TRANSACTION",
            Self::TransactionSignature { .. } => "BAD_TRANSACTION_SIGNATURE",
            Self::Transaction { .. } => "BAD_TRANSACTION",
            Self::StateRoot { .. } => "BAD_STATE_ROOT",
            Self::ImplausibleHeight { .. } => "IMPLAUSIBLE_HEIGHT",
            Self::ImplausibleWeight { .. } => "IMPLAUSIBLE_WEIGHT",
            Self::FromTheFuture { .. } => "FROM_THE_FUTURE",
            Self::Ledger(_) => "LEDGER_BROKEN",
            Self::Schedule(_) => "NO_SCHEDULE",
        }
    }

    /// Whether whoever sent the block is to be charged.
    #[must_use]
    pub const fn is_fault(&self) -> bool {
        !matches!(
            self,
            Self::AlreadyKnown
                | Self::UnknownParent(_)
                | Self::TooManySiblings { .. }
                | Self::Ledger(_)
                | Self::Schedule(_)
        )
    }

    /// Whether no block with this header hash can ever be valid, whatever signature and body come with
    /// it, so that the hash may be remembered as bad. True of the header's own faults, and of
    /// faults found behind a `tx_root` that fits: it commits to every byte of the body. Not true of a
    /// bad signature or of a body that is not the header's: a good copy may follow.
    #[must_use]
    pub const fn is_header_fault(&self) -> bool {
        match self {
            Self::AlreadyKnown
            | Self::UnknownParent(_)
            | Self::TooManySiblings { .. }
            | Self::Signature
            | Self::TooManyTransactions { .. }
            | Self::TooLarge { .. }
            | Self::TxRoot { .. }
            | Self::ImplausibleHeight { .. }
            | Self::ImplausibleWeight { .. }
            | Self::FromTheFuture { .. }
            | Self::Ledger(_)
            | Self::Schedule(_) => false,
            Self::HeaderBytes(_)
            | Self::Version { .. }
            | Self::Height { .. }
            | Self::ConflictsWithFinal(_)
            | Self::TooEarly { .. }
            | Self::TooLate { .. }
            | Self::NotSlotOwner { .. }
            | Self::UnknownProducer(_)
            | Self::PoolRoot { .. }
            | Self::Mix
            | Self::Reveal
            | Self::Certificate
            | Self::Weight { .. }
            | Self::DuplicateTransaction { .. }
            | Self::TransactionSignature { .. }
            | Self::Transaction { .. }
            | Self::StateRoot { .. } => true,
        }
    }
}

impl From<SlotError> for Refusal {
    fn from(error: SlotError) -> Self {
        match error {
            SlotError::NotOwner { slot, owner, producer } => Self::NotSlotOwner { slot, owner, producer },
            SlotError::TooEarly { slot, stamp, opens_at } => Self::TooEarly { slot, stamp, opens_at },
            SlotError::TooLate { slot, stamp, closes_at } => Self::TooLate { slot, stamp, closes_at },
        }
    }
}
