//! Why a transaction does not apply, and why a block cannot be finished.

use vision_primitives::{Hash, Height, NodeId};

/// Why a transaction does not apply to the state it meets.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TransactionFault {
    /// A nonce already used.
    #[error("nonce {got} was already used; the account's next is {expected}")]
    NonceTooLow {
        /// The account's next nonce.
        expected: u64,
        /// The transaction's.
        got: u64,
    },
    /// A nonce whose predecessors are missing.
    #[error("nonce {got} is ahead of the account's next, {expected}")]
    NonceTooHigh {
        /// The account's next nonce.
        expected: u64,
        /// The transaction's.
        got: u64,
    },
    /// The account has used all nonces there are.
    #[error("the account has used all nonces")]
    NonceExhausted,
    /// A fee below `min_fee`.
    #[error("fee {got} is below the minimum, {min}")]
    FeeTooLow {
        /// `min_fee`.
        min: u64,
        /// The transaction's.
        got: u64,
    },
    /// The account cannot pay amount and fee.
    #[error("the account has {balance}, but needs {needed}")]
    InsufficientBalance {
        /// What it holds.
        balance: u64,
        /// Amount plus fee; the largest amount there is if the sum is out of range.
        needed: u64,
    },
    /// The receiver's balance or the block's fees would leave the range of an amount.
    #[error("an amount would exceed 2^64 - 1")]
    AmountOverflow,
    /// A `Data` action with too many bytes.
    #[error("{got} bytes of data; at most {max} are allowed")]
    DataTooLarge {
        /// Most allowed.
        max: usize,
        /// How many there are.
        got: usize,
    },
    /// A registration not signed by the producer's key.
    #[error("the proof of possession does not verify")]
    ProofOfPossession,
    /// A registration of a key that is, or once was, registered.
    #[error("producer {0} is registered, or was")]
    AlreadyRegistered(NodeId),
    /// All places are taken.
    #[error("all {max} places for producers are taken")]
    RegistryFull {
        /// `max_producers`.
        max: u64,
    },
    /// Exit or sync proof of somebody who is no producer, or no longer one.
    #[error("{0} is not a registered producer")]
    NotAProducer(NodeId),
    /// An exit that would leave no active producer.
    #[error("no active producer would be left")]
    LastProducer,
    /// A sync proof with a nonce or a fee.
    #[error("a sync proof has nonce 0 and fee 0")]
    SyncProofNotFree,
    /// A sync proof of a producer that is active.
    #[error("producer {0} is not suspended")]
    NotSuspended(NodeId),
    /// A sync proof before the back-off is over.
    #[error("the producer may return at height {may_return_at}, not at {height}")]
    ReturnTooEarly {
        /// First height allowed.
        may_return_at: Height,
        /// Height of the including block.
        height: Height,
    },
    /// A second sync proof by one producer in one block.
    #[error("the block already has a sync proof of producer {0}")]
    DuplicateSyncProof(NodeId),
    /// A sync proof naming a block outside the window below the parent.
    #[error("the sync proof names height {got}; allowed heights are {lowest} to {highest}")]
    SyncProofHeight {
        /// Parent's height − `max_desync_blocks`, but not below the producer's suspension or registration.
        lowest: Height,
        /// Parent's height.
        highest: Height,
        /// The height named.
        got: Height,
    },
    /// A sync proof naming a block of another chain.
    #[error("block {hash} at height {height} is not on this chain")]
    SyncProofBlock {
        /// The height named.
        height: Height,
        /// The hash named.
        hash: Hash,
    },
}

impl TransactionFault {
    /// The fault's stable name.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::NonceTooLow { .. } => "NONCE_TOO_LOW",
            Self::NonceTooHigh { .. } => "NONCE_TOO_HIGH",
            Self::NonceExhausted => "NONCE_EXHAUSTED",
            Self::FeeTooLow { .. } => "FEE_TOO_LOW",
            Self::InsufficientBalance { .. } => "INSUFFICIENT_BALANCE",
            Self::AmountOverflow => "AMOUNT_OVERFLOW",
            Self::DataTooLarge { .. } => "DATA_TOO_LARGE",
            Self::ProofOfPossession => "PROOF_OF_POSSESSION_INVALID",
            Self::AlreadyRegistered(_) => "ALREADY_REGISTERED",
            Self::RegistryFull { .. } => "REGISTRY_FULL",
            Self::NotAProducer(_) => "NOT_A_PRODUCER",
            Self::LastProducer => "LAST_PRODUCER",
            Self::SyncProofNotFree => "SYNC_PROOF_NOT_FREE",
            Self::NotSuspended(_) => "NOT_SUSPENDED",
            Self::ReturnTooEarly { .. } => "RETURN_TOO_EARLY",
            Self::DuplicateSyncProof(_) => "DUPLICATE_SYNC_PROOF",
            Self::SyncProofHeight { .. } => "SYNC_PROOF_HEIGHT",
            Self::SyncProofBlock { .. } => "SYNC_PROOF_BLOCK",
        }
    }

    /// Whether the transaction may apply later without any change to it.
    #[must_use]
    pub const fn may_pass_later(&self) -> bool {
        matches!(
            self,
            Self::NonceTooHigh { .. }
                | Self::InsufficientBalance { .. }
                | Self::RegistryFull { .. }
                | Self::NotAProducer(_)
                | Self::LastProducer
                | Self::ReturnTooEarly { .. }
                | Self::DuplicateSyncProof(_)
        )
    }
}

/// A broken promise of the ledger or of its caller, not a fault of the block's sender.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LedgerError {
    /// An amount left its range although the supply invariant rules that out.
    #[error("{what} exceeds 2^64 - 1")]
    Overflow {
        /// Which amount.
        what: &'static str,
    },
    /// The block's producer, or somebody who is said to have missed a slot, has no record.
    #[error("{0} has no record in the producer registry")]
    UnknownProducer(NodeId),
    /// Balances and supply do not change alike.
    #[error("balances changed by {balances}, the supply by {supply}")]
    SupplyBroken {
        /// Sum of the changes of all balances.
        balances: i128,
        /// Reward less what was burnt.
        supply: i128,
    },
}
