//! Answers to those who asked something of the machine, and why they are refused.

use vision_block_tree::{PrepareError, Refusal};
use vision_mempool::Rejected;
use vision_primitives::{BlockError, Hash, Height, TimestampMs};

use crate::messages::Arrival;

/// An answer to something asked.
#[derive(Debug)]
pub enum Answer {
    /// To [`crate::Input::Prepare`].
    Prepared(Result<Prepared, NotPrepared>),
    /// To [`crate::Input::Submit`] if the block is not taken.
    Refused(NotStored),
    /// To [`crate::Input::Fetched`].
    Imported(ImportEnd),
    /// To [`crate::Input::Screen`].
    Screened(Screened),
}

/// A header to sign and what belongs to it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Prepared {
    /// Canonical header bytes.
    pub header: Vec<u8>,
    /// Block hash.
    pub hash: Hash,
    /// Height.
    pub height: Height,
    /// Signed bytes of its transactions.
    pub transactions: Vec<Vec<u8>>,
}

/// How the import of a chunk of fetched blocks ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ImportEnd {
    /// All of it is stored; so many were new.
    Imported(usize),
    /// It cannot go on; so many were new and are stored.
    Stopped(usize),
}

/// The transactions of a batch that may be admitted.
#[derive(Debug)]
pub struct Screened {
    /// Those whose signature has been verified before.
    pub verified: Vec<Arrival>,
    /// The others.
    pub unverified: Vec<Arrival>,
}

/// The answer about a transaction that is stored and waits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Taken {
    /// Since when it waits; none if the same turn has included or dropped it.
    pub since: Option<TimestampMs>,
    /// The first nonce that is missing before it, if one is.
    pub missing_nonce: Option<u64>,
}

/// Why a transaction does not wait here, as far as its caller may know.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum NotTaken {
    /// The disk does not take writes.
    #[error("the store cannot be written; nothing is lost, and the node retries every second")]
    StoreUnavailable,
    /// By a rule of the pool.
    #[error(transparent)]
    Rejected(#[from] Rejected),
    /// No answer about it could be kept if it were dropped later.
    #[error(
        "this node keeps as many answers about dropped transactions as it can; \
         try again later, or another node"
    )]
    OwesTooMuch,
}

/// Why no block is prepared.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum NotPrepared {
    /// The disk does not take writes.
    #[error("the store cannot be written; nothing is lost, and the node retries every second")]
    StoreUnavailable,
    /// The parent is not the head.
    #[error("the parent is not the head")]
    TipChanged {
        /// The head.
        head: Hash,
    },
    /// By a rule of the chain.
    #[error(transparent)]
    Refused(#[from] PrepareError),
}

/// Why a block of this node's producer is not stored.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum NotStored {
    /// The disk does not take writes.
    #[error("the store cannot be written; nothing is lost, and the node retries every second")]
    StoreUnavailable,
    /// Bytes that are no block.
    #[error(transparent)]
    Malformed(#[from] BlockError),
    /// It was prepared too long ago, and came without its transactions.
    #[error("the transactions of this block are no longer kept: submit them too, or prepare again")]
    BodyGone,
    /// By a rule of the chain.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The tree is full.
    #[error("too many open blocks")]
    NoRoom,
}
