//! Transactions, alone and where they are.

use serde::Serialize;
use tonic::Status;
use vision_primitives::{Action, DecodeError, Hash, SignedTransaction};
use vision_wire::chain::transaction_info::Place;
use vision_wire::chain::{TransactionInfo, TransactionProof};
use vision_wire::{Reason, status};

use super::SealView;
use super::block::trace_id;

#[derive(Serialize)]
pub(crate) struct TransactionView {
    hash: Hash,
    bytes: String,
    sender: Hash,
    sender_public_key: String,
    nonce: u64,
    fee: String,
    #[serde(flatten)]
    action: ActionView,
    signature: String,
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum ActionView {
    Transfer { to: Hash, amount: String },
    Data { data: String },
    RegisterProducer { public_key: String, payout: Hash, proof_of_possession: String },
    ExitProducer,
    SyncProof { block_height: u64, block_hash: Hash },
}

impl From<&Action> for ActionView {
    fn from(action: &Action) -> Self {
        match action {
            Action::Transfer { to, amount } => Self::Transfer { to: *to, amount: amount.to_string() },
            Action::Data { bytes } => Self::Data { data: hex::encode(bytes) },
            Action::RegisterProducer { public_key, payout, proof_of_possession } => Self::RegisterProducer {
                public_key: public_key.to_string(),
                payout: *payout,
                proof_of_possession: proof_of_possession.to_string(),
            },
            Action::ExitProducer => Self::ExitProducer,
            Action::SyncProof(proof) => {
                Self::SyncProof { block_height: proof.height.get(), block_hash: proof.hash }
            }
        }
    }
}

impl TransactionView {
    /// Of signed bytes.
    pub(super) fn decode(bytes: &[u8], genesis_hash: &Hash) -> Result<Self, DecodeError> {
        let signed = SignedTransaction::from_bytes(bytes.to_vec(), genesis_hash)?;
        let transaction = signed.transaction();
        Ok(Self {
            hash: signed.hash(),
            bytes: hex::encode(signed.bytes()),
            sender: signed.sender_address(),
            sender_public_key: transaction.sender.to_string(),
            nonce: transaction.nonce,
            fee: transaction.fee.to_string(),
            action: (&transaction.action).into(),
            signature: signed.signature().to_string(),
        })
    }
}

/// A transaction with where it is: `GET /api/transactions/{hash}` and the events.
#[derive(Serialize)]
pub(crate) struct PlacedView<'a> {
    hash: &'a str,
    #[serde(flatten)]
    place: PlaceView<'a>,
    /// Left out where its bytes are not kept, and in events. On its own: an action may name a block too.
    #[serde(skip_serializing_if = "Option::is_none")]
    transaction: Option<TransactionView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    proof: Option<ProofView>,
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
        trace_id: String,
    },
    Dropped {
        reason: &'a str,
        at_ms: u64,
        #[serde(skip_serializing_if = "str::is_empty")]
        replaced_by: &'a str,
    },
}

/// All that is needed to recompute, with the transaction's bytes, that it is in a block.
#[derive(Serialize)]
struct ProofView {
    genesis_hash: Hash,
    header: String,
    steps: Vec<StepView>,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    seal: Option<SealView>,
}

#[derive(Serialize)]
struct StepView {
    side: &'static str,
    hash: String,
}

impl ProofView {
    fn new(proof: &TransactionProof, genesis_hash: &Hash) -> Self {
        let step = |step: &vision_wire::chain::MerkleStep| StepView {
            side: if step.right { "right" } else { "left" },
            hash: hex::encode(&step.hash),
        };
        Self {
            genesis_hash: *genesis_hash,
            header: hex::encode(&proof.header),
            steps: proof.steps.iter().map(step).collect(),
            seal: None,
        }
    }
}

/// The header of a transaction's proof, if it has one.
pub(crate) fn proven_header(info: &TransactionInfo) -> Option<&[u8]> {
    match &info.place {
        Some(Place::Included(included)) => included.proof.as_ref().map(|proof| proof.header.as_ref()),
        _ => None,
    }
}

fn broken(info: &TransactionInfo, why: &str) -> Status {
    status(Reason::Internal, format!("chain sent a transaction {} {why}", info.hash), &[])
}

impl<'a> PlacedView<'a> {
    pub(crate) fn new(info: &'a TransactionInfo, genesis_hash: &Hash) -> Result<Self, Status> {
        let proof = match &info.place {
            Some(Place::Included(included)) => included.proof.as_ref(),
            _ => None,
        };
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
                trace_id: trace_id(genesis_hash, included.height),
            },
            Some(Place::Dropped(dropped)) => PlaceView::Dropped {
                reason: &dropped.reason,
                at_ms: dropped.at_ms,
                replaced_by: &dropped.replaced_by,
            },
        };
        let decoded = |bytes| TransactionView::decode(bytes, genesis_hash);
        let kept = Some(&info.transaction[..]).filter(|bytes| !bytes.is_empty());
        let transaction = kept.map(decoded).transpose();
        let transaction =
            transaction.map_err(|error| broken(info, &format!("that does not decode: {error}")))?;
        let proof = proof.map(|proof| ProofView::new(proof, genesis_hash));
        Ok(Self { hash: &info.hash, place, transaction, proof })
    }

    /// With the signature over the header of its proof.
    pub(crate) fn sealed(mut self, seal: Option<SealView>) -> Self {
        if let Some(proof) = &mut self.proof {
            proof.seal = seal;
        }
        self
    }

    /// Whether it waits for a block still.
    pub(crate) const fn is_pending(&self) -> bool {
        matches!(self.place, PlaceView::Pending { .. })
    }
}
