//! Refusals as callers see them.

use tonic::Status;
use vision_importer::{NotPrepared, NotStored, NotTaken};
use vision_mempool::Rejected;
use vision_wire::Reason;

use crate::store::StoreError;

/// What is answered while the disk does not take writes.
pub(crate) fn store_unavailable() -> Status {
    vision_wire::status(Reason::StoreUnavailable, NotStored::StoreUnavailable.to_string(), &[])
}

/// How a failing store is reported.
pub(crate) fn store_status(error: &StoreError) -> Status {
    let reason = if error.is_transient() { Reason::StoreUnavailable } else { Reason::StoreCorrupt };
    vision_wire::status(reason, error.to_string(), &[])
}

/// Why a transaction does not wait.
pub(crate) fn not_taken(refused: &NotTaken) -> Status {
    let (reason, rule) = match refused {
        NotTaken::StoreUnavailable => return store_unavailable(),
        NotTaken::Rejected(rejected) => (pool_reason(rejected), rejected.reason()),
        NotTaken::OwesTooMuch => (Reason::PoolFull, Rejected::Full.reason()),
    };
    vision_wire::status(reason, refused.to_string(), &[("rule", rule.to_owned())])
}

fn pool_reason(rejected: &Rejected) -> Reason {
    match rejected {
        Rejected::Known => Reason::TransactionKnown,
        Rejected::Fault(_) => Reason::InvalidTransaction,
        Rejected::NonceGap { .. } => Reason::NonceGap,
        Rejected::Underpriced { .. } => Reason::Underpriced,
        Rejected::Full => Reason::PoolFull,
    }
}

/// Why no block is prepared.
pub(crate) fn not_prepared(refused: &NotPrepared) -> Status {
    let (reason, metadata) = match refused {
        NotPrepared::StoreUnavailable => return store_unavailable(),
        NotPrepared::TipChanged { head } => (Reason::TipChanged, ("head", head.to_string())),
        NotPrepared::Refused(error) => (Reason::SlotRefused, ("rule", error.reason().to_owned())),
    };
    vision_wire::status(reason, refused.to_string(), &[metadata])
}

/// Why a block of this node's producer is not stored.
pub(crate) fn not_stored(refused: &NotStored) -> Status {
    use vision_block_tree::Refusal;
    let reason = match refused {
        NotStored::StoreUnavailable => return store_unavailable(),
        NotStored::Malformed(_) => Reason::InvalidArgument,
        NotStored::BodyGone => Reason::PreparedBlockGone,
        NotStored::NoRoom => Reason::Overloaded,
        // Its producer submits it again when the answer was lost.
        NotStored::Refused(Refusal::AlreadyKnown) => Reason::BlockKnown,
        NotStored::Refused(_) => Reason::InvalidBlock,
    };
    let rule = match refused {
        NotStored::Refused(refusal) => vec![("rule", refusal.reason().to_owned())],
        _ => Vec::new(),
    };
    vision_wire::status(reason, refused.to_string(), &rule)
}
