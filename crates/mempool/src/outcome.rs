//! Why a transaction may not wait, and why one no longer does.

use vision_ledger::TransactionFault;
use vision_primitives::{Hash, SignedTransaction};

use crate::NONCE_WINDOW;

/// Why a transaction may not wait.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Rejected {
    /// It waits already, or a sync proof of the producer that is as new.
    #[error("the transaction is already pending")]
    Known,
    /// The ledger would not apply it, even after all that waits before it.
    #[error(transparent)]
    Fault(#[from] TransactionFault),
    /// Its nonce is too far ahead.
    #[error("nonce {got} is {NONCE_WINDOW} or more above the account's next, {next}")]
    NonceGap {
        /// The account's next nonce.
        next: u64,
        /// The transaction's.
        got: u64,
    },
    /// Another one waits in its place: with the sender's nonce, or for the same producer to be registered.
    /// It must pay a tenth more, in whole and per byte, and must not wait behind one that pays less.
    #[error("another pending transaction has its place: the fee must be at least {needed}")]
    Underpriced {
        /// Least fee with which it takes the place; the largest there is if it is out of range.
        needed: u64,
    },
    /// No room, and it pays no more per byte than what waits, or waits behind a gap or one that does not, or
    /// what waits is spared.
    #[error("the pool is full, and its transactions pay as much per byte or may not be displaced now")]
    Full,
}

impl Rejected {
    /// The stable name.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Known => "KNOWN",
            Self::Fault(fault) => fault.reason(),
            Self::NonceGap { .. } => "NONCE_GAP",
            Self::Underpriced { .. } => "UNDERPRICED",
            Self::Full => "POOL_FULL",
        }
    }
}

/// A transaction that waits no longer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dropped {
    /// The transaction.
    pub transaction: SignedTransaction,
    /// Why.
    pub why: DropReason,
}

impl Dropped {
    /// Its hash.
    #[must_use]
    pub const fn hash(&self) -> Hash {
        self.transaction.hash()
    }
}

/// Why a transaction waits no longer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DropReason {
    /// The account has used the nonce: the transaction is in a block, or another one is in its place.
    NonceUsed,
    /// It has waited for its lifetime.
    Expired,
    /// One that pays more has taken its place, or a newer sync proof.
    Replaced {
        /// Hash of that one.
        by: Hash,
    },
    /// Something that is worth more needed the room, or a reorganisation took its nonce out of the window.
    Evicted,
    /// The account can no longer pay for it and all that waits before it, or one before it went for that.
    Unaffordable,
    /// The producer needs no proof any more, or the block named is too old.
    ProofUseless,
    /// A registration or exit that the ledger would no longer apply.
    Fault(TransactionFault),
}

impl DropReason {
    /// The stable name.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::NonceUsed => "NONCE_USED",
            Self::Expired => "EXPIRED",
            Self::Replaced { .. } => "REPLACED",
            Self::Evicted => "EVICTED",
            Self::Unaffordable => "UNAFFORDABLE",
            Self::ProofUseless => "PROOF_USELESS",
            Self::Fault(fault) => fault.reason(),
        }
    }
}
