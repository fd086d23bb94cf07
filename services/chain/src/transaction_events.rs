//! What happens to transactions, as watchers see it.

use std::sync::Arc;

use vision_importer::{TransactionEvent, TransactionPlace};
use vision_primitives::trace::HeightTrace;
use vision_primitives::{Hash, Height};
use vision_wire::EventLog;
use vision_wire::chain::{self as proto, transaction_info::Place};

use crate::store::Fate;

/// Turns in which something happened to transactions.
pub(crate) type TransactionEvents = EventLog<Arc<Vec<TransactionEvent>>>;

/// A transaction's place, as callers see it.
pub(crate) fn place_to_proto(place: &TransactionPlace, genesis_hash: &Hash, finalized: Height) -> Place {
    match place {
        TransactionPlace::Waiting { since, missing_nonce } => {
            Place::Waiting(proto::Waiting { since_ms: since.get(), missing_nonce: *missing_nonce })
        }
        TransactionPlace::Included { height, block, index } => Place::Included(proto::Included {
            height: height.get(),
            block_hash: block.to_string(),
            index: *index,
            finalized: *height <= finalized,
            proof: None,
            trace_id: HeightTrace::of(genesis_hash, *height).to_string(),
        }),
        TransactionPlace::Dropped { why, at } => fate_to_proto(Fate::new(why, *at)),
    }
}

/// What became of one that waits no more, as callers see it.
pub(crate) fn fate_to_proto(Fate { reason, at, replaced_by }: Fate) -> Place {
    let replaced_by = replaced_by.map(|by| by.to_string()).unwrap_or_default();
    Place::Dropped(proto::Dropped { reason, at_ms: at.get(), replaced_by })
}

/// An event, as watchers see it.
pub(crate) fn event_to_proto(
    event: &TransactionEvent,
    genesis_hash: &Hash,
    finalized: Height,
) -> proto::TransactionInfo {
    proto::TransactionInfo {
        hash: event.hash.to_string(),
        transaction: None,
        place: Some(place_to_proto(&event.place, genesis_hash, finalized)),
        sender: event.parties.sender.to_string(),
        receiver: event.parties.receiver.map(|receiver| receiver.to_string()).unwrap_or_default(),
    }
}
