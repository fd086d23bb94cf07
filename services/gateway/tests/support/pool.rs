//! What the fake chain service says of transactions and accounts.

use std::sync::{Arc, Mutex};

use tonic::Status;
use vision_primitives::trace::HeightTrace;
use vision_primitives::{Hash, Height, MerkleStep as Step, SignedTransaction, merkle_proof};
use vision_wire::chain::follow_transactions_response::What;
use vision_wire::chain::merkle_step::Side;
use vision_wire::chain::transaction_info::Place;
use vision_wire::chain::*;
use vision_wire::{EventLog, Reason, status, transaction_to_proto};

use super::chain::FakeChain;

/// What was submitted, and what shall become of it.
#[derive(Clone)]
pub struct Pool(Arc<Mutex<Inner>>, pub EventLog<Vec<TransactionInfo>>, pub EventLog<Option<What>>);

#[derive(Default)]
pub struct Inner {
    /// Signed bytes of all that was submitted alone, and whether it shall be waited for.
    pub submitted: Vec<(Vec<u8>, bool)>,
    /// What lists of transactions were asked for.
    pub listed: Vec<ListTransactionsRequest>,
    /// How many watches of all transactions have been opened, and the cursors they began at.
    pub watched: Vec<String>,
    /// What was asked to be followed.
    pub followed: Vec<FollowTransactionsRequest>,
    /// Sizes of the batches submitted.
    pub batches: Vec<usize>,
    /// Answer to every handing in, instead of taking it.
    pub refusal: Option<Status>,
    /// Where one that is waited for is in the end; it waits still if this is not set.
    pub ends_in: Option<Place>,
    /// While set, one that is waited for is never answered.
    pub hangs: bool,
}

impl Pool {
    pub fn new() -> Self {
        Self::started(1)
    }

    /// Of a chain service that was started at another time.
    pub fn started(start_id: u64) -> Self {
        let log = EventLog::new(start_id, 16);
        log.publish(vec![]);
        let chain = EventLog::new(start_id, 16);
        chain.publish(None);
        Self(Arc::default(), log, chain)
    }

    pub fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.0.lock().expect("no panic")
    }
}

pub fn waiting() -> Place {
    Place::Waiting(Waiting { since_ms: 17, missing_nonce: None })
}

/// Behind a nonce that is missing.
pub fn behind_a_gap() -> Place {
    Place::Waiting(Waiting { since_ms: 17, missing_nonce: Some(3) })
}

/// Hash of the transaction that has been dropped, and of the one that took its place.
pub const DROPPED: Hash = Hash([0xdd; 32]);
pub const ITS_HEIR: Hash = Hash([0xee; 32]);

pub fn dropped() -> Place {
    let (reason, replaced_by) = ("REPLACED".into(), ITS_HEIR.to_string());
    Place::Dropped(Dropped { reason, at_ms: 18, replaced_by })
}

impl FakeChain {
    pub async fn submit(
        &self,
        request: SubmitTransactionRequest,
    ) -> Result<SubmitTransactionResponse, Status> {
        let bytes = request.transaction.to_vec();
        let signed = SignedTransaction::from_bytes(bytes.clone(), &self.genesis_hash);
        let place = {
            let mut pool = self.pool.lock();
            pool.submitted.push((bytes, request.wait));
            if let Some(refusal) = pool.refusal.clone() {
                return Err(refusal);
            }
            if pool.hangs { None } else { Some(pool.ends_in.clone().unwrap_or_else(waiting)) }
        };
        let Some(place) = place else { return std::future::pending().await };
        let signed = signed.map_err(|error| status(Reason::InvalidTransaction, error.to_string(), &[]))?;
        let hash = signed.hash().to_string();
        let transaction = request.wait.then(|| transaction_to_proto(&signed));
        let info =
            TransactionInfo { hash: hash.clone(), place: Some(place), transaction, ..Default::default() };
        Ok(SubmitTransactionResponse { hash, transaction: Some(info) })
    }

    pub fn submit_many(
        &self,
        request: SubmitTransactionsRequest,
    ) -> Result<SubmitTransactionsResponse, Status> {
        self.pool.lock().batches.push(request.transactions.len());
        if let Some(refusal) = self.pool.lock().refusal.clone() {
            return Err(refusal);
        }
        let outcome =
            |bytes: &bytes::Bytes| match SignedTransaction::from_bytes(bytes.to_vec(), &self.genesis_hash) {
                Ok(signed) => SubmitOutcome {
                    hash: signed.hash().to_string(),
                    missing_nonce: (signed.transaction().nonce > 3).then_some(3),
                    ..SubmitOutcome::default()
                },
                Err(error) => SubmitOutcome {
                    hash: String::new(),
                    reason: "INVALID_TRANSACTION".into(),
                    rule: "MALFORMED".into(),
                    detail: error.to_string(),
                    missing_nonce: None,
                },
            };
        Ok(SubmitTransactionsResponse { outcomes: request.transactions.iter().map(outcome).collect() })
    }

    /// Those of block 4 are included, the last one submitted waits, one is dropped.
    pub fn transaction(&self, request: &GetTransactionRequest) -> Result<GetTransactionResponse, Status> {
        let answer = |bytes: &[u8], place| {
            let signed = SignedTransaction::from_bytes(bytes.to_vec(), &self.genesis_hash).ok();
            let transaction = signed.as_ref().map(transaction_to_proto);
            let info = TransactionInfo {
                hash: request.hash.clone(),
                transaction,
                place: Some(place),
                ..Default::default()
            };
            Ok(GetTransactionResponse { transaction: Some(info) })
        };
        let block = self.block(4);
        let hashes: Vec<Hash> = block.transactions().iter().map(SignedTransaction::hash).collect();
        if let Some(index) = hashes.iter().position(|hash| hash.to_string() == request.hash) {
            let steps = merkle_proof(&hashes, index).expect("in range").0;
            let step = |step: Step| match step {
                Step::Left(hash) => MerkleStep { side: Side::Left.into(), hash: hash.0.to_vec().into() },
                Step::Right(hash) => MerkleStep { side: Side::Right.into(), hash: hash.0.to_vec().into() },
            };
            let proof = TransactionProof {
                header: block.header_bytes().to_vec().into(),
                steps: steps.into_iter().map(step).collect(),
                genesis_hash: self.genesis_hash.to_string(),
                signature: block.signature().0.to_vec().into(),
                producer: block.header().producer.to_string(),
                producer_public_key: self.keys[4 % 3].public_key().to_string(),
            };
            let included = Included {
                height: 4,
                block_hash: block.hash().to_string(),
                index: u32::try_from(index).expect("few"),
                finalized: false,
                proof: request.with_proof.then_some(proof),
                trace_id: HeightTrace::of(&self.genesis_hash, Height(4)).to_string(),
            };
            return answer(block.transactions()[index].bytes(), Place::Included(included));
        }
        if request.hash == DROPPED.to_string() {
            return answer(&[], dropped());
        }
        if let Some((bytes, _)) = self.pool.lock().submitted.last() {
            return answer(bytes, waiting());
        }
        Err(status(Reason::TransactionNotFound, "no such transaction", &[("hash", request.hash.clone())]))
    }

    /// Those of block 4, one a page of the size 1.
    pub fn list(&self, request: ListTransactionsRequest) -> Result<ListTransactionsResponse, Status> {
        let size = request.page_size as usize;
        self.pool.lock().listed.push(request);
        let block = self.block(4);
        let find = |signed: &SignedTransaction| {
            let request = GetTransactionRequest { hash: signed.hash().to_string(), with_proof: false };
            self.transaction(&request).map(|found| found.transaction.expect("there"))
        };
        let transactions: Vec<_> =
            block.transactions().iter().rev().take(size).map(find).collect::<Result<_, _>>()?;
        let more = transactions.len() < block.transactions().len();
        let next_page_token = if more { "more".to_owned() } else { String::new() };
        Ok(ListTransactionsResponse { transactions, next_page_token, up_to_height: 5 })
    }

    /// All accounts are alike. The proof is of no meaning: the gateway passes it on.
    pub fn account(&self, request: GetAccountRequest) -> GetAccountResponse {
        let block = self.block(5);
        let key = self.keys[5 % 3].public_key();
        let proof = || AccountProof {
            genesis_hash: self.genesis_hash.to_string(),
            header: block.header_bytes().to_vec().into(),
            block_hash: block.hash().to_string(),
            state_root: block.header().state_root.to_string(),
            account_proof: vec![1, 2, 3].into(),
            signature: block.signature().0.to_vec().into(),
            producer: key.id().to_string(),
            producer_public_key: key.to_string(),
        };
        GetAccountResponse {
            address: request.address,
            balance: u64::MAX,
            nonce: 7,
            pending_nonce: 9,
            height: 5,
            proof: request.with_proof.then(proof),
        }
    }
}
