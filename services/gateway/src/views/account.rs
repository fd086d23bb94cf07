//! `GET /api/accounts/{address}`.

use serde::Serialize;
use tonic::Status;
use vision_primitives::{Hash, Header};
use vision_wire::chain::GetAccountResponse;
use vision_wire::{Reason, status};

use super::SealView;

#[derive(Serialize)]
pub(crate) struct AccountView<'a> {
    address: &'a str,
    balance: String,
    nonce: u64,
    pending_nonce: u64,
    height: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    proof: Option<ProofView>,
}

/// All that is needed to recompute what the account holds.
#[derive(Serialize)]
struct ProofView {
    genesis_hash: Hash,
    /// Empty at height 0, which has no header.
    header: String,
    /// Of the header.
    #[serde(skip_serializing_if = "Option::is_none")]
    block_hash: Option<Hash>,
    #[serde(skip_serializing_if = "Option::is_none")]
    state_root: Option<Hash>,
    /// Canonical bytes of the ledger's proof.
    account_proof: String,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    seal: Option<SealView>,
}

impl ProofView {
    fn new(answer: &GetAccountResponse, genesis_hash: &Hash, seal: Option<SealView>) -> Result<Self, Status> {
        let decoded = match &answer.header[..] {
            [] => None,
            bytes => Some(Header::from_bytes(bytes).map_err(|error| {
                status(Reason::Internal, format!("chain sent a header that does not decode: {error}"), &[])
            })?),
        };
        Ok(Self {
            genesis_hash: *genesis_hash,
            header: hex::encode(&answer.header),
            block_hash: decoded.as_ref().map(|_| Header::hash_bytes(genesis_hash, &answer.header)),
            state_root: decoded.map(|header| header.state_root),
            account_proof: hex::encode(&answer.proof),
            seal,
        })
    }
}

impl<'a> AccountView<'a> {
    /// With the proof that the answer bears, if it bears one.
    pub(crate) fn new(
        answer: &'a GetAccountResponse,
        genesis_hash: &Hash,
        seal: Option<SealView>,
    ) -> Result<Self, Status> {
        let bears = !answer.proof.is_empty();
        Ok(Self {
            address: &answer.address,
            balance: answer.balance.to_string(),
            nonce: answer.nonce,
            pending_nonce: answer.pending_nonce,
            height: answer.height,
            proof: bears.then(|| ProofView::new(answer, genesis_hash, seal)).transpose()?,
        })
    }
}
