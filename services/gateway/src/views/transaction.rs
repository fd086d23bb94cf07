//! Transactions, alone and where they are.

use serde::Serialize;
use tonic::Status;
use vision_wire::chain::transaction::Action;
use vision_wire::chain::transaction_info::Place;
use vision_wire::chain::{Transaction, TransactionInfo};
use vision_wire::{Reason, status};

#[derive(Serialize)]
pub(crate) struct TransactionView<'a> {
    hash: &'a str,
    bytes: String,
    sender: &'a str,
    sender_public_key: &'a str,
    nonce: u64,
    fee: String,
    #[serde(flatten)]
    action: ActionView<'a>,
    signature: String,
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum ActionView<'a> {
    Transfer { to: &'a str, amount: String },
    Data { data: String },
    RegisterProducer { public_key: &'a str, payout: &'a str, proof_of_possession: String },
    ExitProducer,
    SyncProof { block_height: u64, block_hash: &'a str },
}

impl<'a> From<&'a Action> for ActionView<'a> {
    fn from(action: &'a Action) -> Self {
        match action {
            Action::Transfer(it) => Self::Transfer { to: &it.to, amount: it.amount.to_string() },
            Action::Data(it) => Self::Data { data: hex::encode(&it.data) },
            Action::RegisterProducer(it) => Self::RegisterProducer {
                public_key: &it.public_key,
                payout: &it.payout,
                proof_of_possession: hex::encode(&it.proof_of_possession),
            },
            Action::ExitProducer(_) => Self::ExitProducer,
            Action::SyncProof(it) => {
                Self::SyncProof { block_height: it.block_height, block_hash: &it.block_hash }
            }
        }
    }
}

impl<'a> TransactionView<'a> {
    pub(super) fn new(transaction: &'a Transaction) -> Result<Self, Status> {
        let nothing = || {
            let what = format!("chain sent a transaction {} that does nothing", transaction.hash);
            status(Reason::Internal, what, &[])
        };
        Ok(Self {
            hash: &transaction.hash,
            bytes: hex::encode(&transaction.bytes),
            sender: &transaction.sender,
            sender_public_key: &transaction.sender_public_key,
            nonce: transaction.nonce,
            fee: transaction.fee.to_string(),
            action: transaction.action.as_ref().ok_or_else(nothing)?.into(),
            signature: hex::encode(&transaction.signature),
        })
    }
}

/// A transaction with where it is, without a proof: lists, events, and one that was waited for.
#[derive(Serialize)]
pub(crate) struct PlacedView<'a> {
    hash: &'a str,
    #[serde(flatten)]
    place: PlaceView<'a>,
    /// Left out where its bytes are not kept, and in events. On its own: an action may name a block too.
    #[serde(skip_serializing_if = "Option::is_none")]
    transaction: Option<TransactionView<'a>>,
}

#[derive(Serialize)]
#[serde(tag = "status", rename_all = "lowercase")]
enum PlaceView<'a> {
    Pending {
        since_ms: u64,
        #[serde(skip_serializing_if = "Option::is_none")]
        missing_nonce: Option<u64>,
    },
    Included {
        height: u64,
        block_hash: &'a str,
        index: u32,
        finalized: bool,
        trace_id: &'a str,
    },
    Dropped {
        reason: &'a str,
        at_ms: u64,
        #[serde(skip_serializing_if = "str::is_empty")]
        replaced_by: &'a str,
    },
}

fn broken(info: &TransactionInfo, why: &str) -> Status {
    status(Reason::Internal, format!("chain sent a transaction {} {why}", info.hash), &[])
}

impl<'a> PlacedView<'a> {
    pub(crate) fn new(info: &'a TransactionInfo) -> Result<Self, Status> {
        let place = match &info.place {
            None => return Err(broken(info, "that is nowhere")),
            Some(Place::Waiting(waiting)) => {
                PlaceView::Pending { since_ms: waiting.since_ms, missing_nonce: waiting.missing_nonce }
            }
            Some(Place::Included(included)) => PlaceView::Included {
                height: included.height,
                block_hash: &included.block_hash,
                index: included.index,
                finalized: included.finalized,
                trace_id: &included.trace_id,
            },
            Some(Place::Dropped(dropped)) => PlaceView::Dropped {
                reason: &dropped.reason,
                at_ms: dropped.at_ms,
                replaced_by: &dropped.replaced_by,
            },
        };
        let transaction = info.transaction.as_ref().map(TransactionView::new).transpose()?;
        Ok(Self { hash: &info.hash, place, transaction })
    }

    /// Whether it waits for a block still.
    pub(crate) const fn is_pending(&self) -> bool {
        matches!(self.place, PlaceView::Pending { .. })
    }
}
