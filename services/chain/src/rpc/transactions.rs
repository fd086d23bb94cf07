//! Transactions and accounts: submitted, looked up, watched, proven.

use std::time::Duration;

use futures::StreamExt;
use tonic::{Response, Status};
use vision_importer::TransactionPlace;
use vision_ledger::TransactionFault;
use vision_primitives::trace::HeightTrace;
use vision_primitives::{Address, Hash, Height, MerkleStep, SignedTransaction, encode, merkle_proof};
use vision_wire::chain::{self as proto, transaction_info};
use vision_wire::{EventKind, Reason, ResponseStream, parse_hash};

use super::ChainRpc;
use crate::refusals::{store_status, store_unavailable};
use crate::store::{Place, Position, StoreError};
use crate::transaction_events::{event_to_proto, fate_to_proto, place_to_proto};
use crate::view::HeadView;

/// The longest a caller waits for its transaction to be in a block: below the 30 s that any call may take.
const WAIT_DEADLINE: Duration = Duration::from_secs(25);
/// A watcher whom nothing concerns is sent so often where to resume, while other things happen, milliseconds.
pub(super) const SILENCE_MS: u64 = 10_000;
/// Why a transaction is dropped that was in a block once and of which no more is remembered.
const LEFT_BLOCK: &str = "LEFT_BLOCK";

impl ChainRpc {
    fn decode(&self, bytes: &[u8]) -> Result<SignedTransaction, Status> {
        SignedTransaction::from_bytes(bytes.to_vec(), &self.rules.genesis_hash).map_err(|error| {
            let metadata = [("rule", "MALFORMED".to_owned())];
            vision_wire::status(Reason::InvalidTransaction, error.to_string(), &metadata)
        })
    }

    pub(super) async fn submit_one(
        &self,
        request: proto::SubmitTransactionRequest,
    ) -> Result<Response<proto::SubmitTransactionResponse>, Status> {
        let proto::SubmitTransactionRequest { transaction, wait } = request;
        let transaction = self.decode(&transaction)?;
        let hash = transaction.hash();
        let shown = wait.then(|| vision_wire::transaction_to_proto(&transaction));
        let mut answers = self.ingress.submit(vec![transaction]).await;
        let answer = answers.pop().ok_or_else(|| vision_wire::status(Reason::Internal, "no answer", &[]))?;
        let taken = match answer {
            Ok(taken) => taken,
            Err(status) => return Err(self.known_if_included(hash, status).await),
        };
        if let (false, Some(since)) = (wait, taken.since) {
            let place = TransactionPlace::Waiting { since, missing_nonce: taken.missing_nonce };
            let transaction = Some(self.outside(hash, None, &place));
            return Ok(Response::new(proto::SubmitTransactionResponse {
                hash: hash.to_string(),
                transaction,
            }));
        }
        if wait {
            // Whatever is the case then is the answer.
            tokio::select! {
                biased;
                () = self.ingress.stopping() => {}
                _ = tokio::time::timeout(WAIT_DEADLINE, self.ended(hash)) => {}
            }
        }
        let transaction = self.find(hash, false).await.ok().map(|mut found| {
            found.transaction = shown;
            found
        });
        Ok(Response::new(proto::SubmitTransactionResponse { hash: hash.to_string(), transaction }))
    }

    /// Whoever submits again what is in a block, because the answer was lost, learns that it is known, and
    /// not that its nonce is used.
    async fn known_if_included(&self, hash: Hash, status: Status) -> Status {
        let used = TransactionFault::NonceTooLow { expected: 0, got: 0 }.reason();
        if vision_wire::metadata_of(&status, "rule").as_deref() != Some(used) {
            return status;
        }
        match self.load(move |store| store.place_of(&hash)).await {
            Ok(Some(place)) => {
                let why = format!("the transaction is in block {} of the head's chain", place.height.get());
                vision_wire::status(Reason::TransactionKnown, why, &[("rule", "KNOWN".to_owned())])
            }
            _ => status,
        }
    }

    /// Waits until a transaction no longer waits.
    async fn ended(&self, hash: Hash) {
        // Again when so much has happened that something was missed.
        while let Ok(mut events) = self.transaction_events.subscribe("") {
            // From the first item on nothing is missed; what was before is seen by asking.
            if events.next().await.is_none() || !self.waits(hash).await {
                return;
            }
            while let Some(Ok(item)) = events.next().await {
                let of_it = item.event.iter().rev().find(|happened| happened.hash == hash);
                if item.kind == EventKind::New && of_it.is_some_and(|happened| happened.place.is_end()) {
                    return;
                }
            }
        }
    }

    async fn waits(&self, hash: Hash) -> bool {
        let found = self.find(hash, false).await;
        found.is_ok_and(|found| matches!(found.place, Some(transaction_info::Place::Waiting(_))))
    }

    pub(super) async fn submit_many(
        &self,
        request: proto::SubmitTransactionsRequest,
    ) -> Result<Response<proto::SubmitTransactionsResponse>, Status> {
        let decoded: Vec<_> = request.transactions.iter().map(|bytes| self.decode(bytes)).collect();
        let good = decoded.iter().filter_map(|decoded| decoded.as_ref().ok().cloned()).collect();
        let mut answers = self.ingress.submit(good).await.into_iter();
        let outcomes = decoded.into_iter().map(|decoded| match decoded {
            Err(status) => refused(String::new(), &status),
            Ok(transaction) => {
                let hash = transaction.hash().to_string();
                match answers.next() {
                    Some(Ok(taken)) => {
                        let missing_nonce = taken.missing_nonce;
                        proto::SubmitOutcome { hash, missing_nonce, ..Default::default() }
                    }
                    Some(Err(status)) => refused(hash, &status),
                    None => refused(hash, &vision_wire::status(Reason::Internal, "no answer", &[])),
                }
            }
        });
        Ok(Response::new(proto::SubmitTransactionsResponse { outcomes: outcomes.collect() }))
    }

    pub(super) async fn transaction(
        &self,
        request: proto::GetTransactionRequest,
    ) -> Result<Response<proto::GetTransactionResponse>, Status> {
        let hash = parse_hash("hash", &request.hash)?;
        let transaction = self.find(hash, request.with_proof).await?;
        Ok(Response::new(proto::GetTransactionResponse { transaction: Some(transaction) }))
    }

    /// Where a transaction is: on the chain before all else, for there it stays.
    async fn find(&self, hash: Hash, with_proof: bool) -> Result<proto::TransactionInfo, Status> {
        // Looked for among those that wait first: one that leaves them meanwhile is then found in its block.
        let outside = self.outside_of_blocks(hash).await;
        let (place, was_in_a_block, fate) = self
            .load(move |store| {
                let place = store.place_of(&hash)?;
                let was_in_a_block = place.is_some() || store.was_in_a_block(&hash)?;
                Ok((place, was_in_a_block, store.fate_of(&hash)?))
            })
            .await?;
        if let Some(place) = place {
            return self.included(hash, place, with_proof).await;
        }
        let found = match outside? {
            // The head may have left its block between the two looks, so that it waits now.
            None if was_in_a_block => self.outside_of_blocks(hash).await?,
            found => found,
        };
        let fate = fate.map(fate_to_proto).or(was_in_a_block.then(|| {
            let reason = LEFT_BLOCK.into();
            transaction_info::Place::Dropped(proto::Dropped { reason, ..Default::default() })
        }));
        match (found, fate) {
            (Some(found), _) => Ok(found),
            (None, Some(place)) => Ok(proto::TransactionInfo {
                hash: hash.to_string(),
                place: Some(place),
                ..Default::default()
            }),
            (None, None) => {
                let why = "this node knows no transaction with this hash";
                let metadata = [("hash", hash.to_string())];
                Err(vision_wire::status(Reason::TransactionNotFound, why, &metadata))
            }
        }
    }

    /// A transaction that waits or was dropped.
    async fn outside_of_blocks(&self, hash: Hash) -> Result<Option<proto::TransactionInfo>, Status> {
        let (waiting, dropped, behind) = self
            .core
            .read(move |core| {
                let waiting =
                    core.waiting_transaction(&hash).map(|(transaction, place)| (transaction.clone(), place));
                Ok((waiting, core.fate_of(&hash).cloned(), core.is_behind()))
            })
            .await?;
        let (transaction, place) = match (waiting, dropped) {
            (Some((transaction, place)), _) => (Some(vision_wire::transaction_to_proto(&transaction)), place),
            (None, Some(fate)) => (None, fate.place()),
            // It may be in the block that has yet to be written.
            (None, None) if behind => return Err(store_unavailable()),
            (None, None) => return Ok(None),
        };
        Ok(Some(self.outside(hash, transaction, &place)))
    }

    fn outside(
        &self,
        hash: Hash,
        transaction: Option<proto::Transaction>,
        place: &TransactionPlace,
    ) -> proto::TransactionInfo {
        let place = Some(place_to_proto(place, &self.rules.genesis_hash, self.head().finalized_height));
        proto::TransactionInfo { hash: hash.to_string(), transaction, place, ..Default::default() }
    }

    async fn included(
        &self,
        hash: Hash,
        place: Place,
        with_proof: bool,
    ) -> Result<proto::TransactionInfo, Status> {
        let Place { height, block, index, mut record } = place;
        let broken =
            || store_status(&StoreError::Corrupt(format!("block {block} has no transaction {index}")));
        let at = usize::try_from(index).map_err(|_| broken())?;
        let proof = if with_proof {
            let hashes: Vec<Hash> = record
                .transactions
                .iter()
                .map(|bytes| SignedTransaction::hash_bytes(&self.rules.genesis_hash, bytes))
                .collect();
            let steps = merkle_proof(&hashes, at).ok_or_else(broken)?.0;
            let mut proof = proto::TransactionProof {
                genesis_hash: self.rules.genesis_hash.to_string(),
                header: record.header.clone().into(),
                steps: steps.into_iter().map(step_to_proto).collect(),
                ..proto::TransactionProof::default()
            };
            if let Some(seal) = self.seal(block, &Self::own_header(&record.header)?).await? {
                (proof.signature, proof.producer) = (seal.signature, seal.producer);
                proof.producer_public_key = seal.producer_public_key;
            }
            Some(proof)
        } else {
            None
        };
        let bytes = record.transactions.get_mut(at).map(std::mem::take).ok_or_else(broken)?;
        let signed = SignedTransaction::from_bytes(bytes, &self.rules.genesis_hash).map_err(|_| broken())?;
        Ok(proto::TransactionInfo {
            hash: hash.to_string(),
            transaction: Some(vision_wire::transaction_to_proto(&signed)),
            place: Some(transaction_info::Place::Included(proto::Included {
                height: height.get(),
                block_hash: block.to_string(),
                index,
                finalized: height <= self.head().finalized_height,
                proof,
                trace_id: HeightTrace::of(&self.rules.genesis_hash, height).to_string(),
            })),
            ..Default::default()
        })
    }

    pub(super) async fn transaction_events(
        &self,
        request: &proto::WatchTransactionsRequest,
    ) -> Result<ResponseStream<proto::WatchTransactionsResponse>, Status> {
        let address = match request.address.as_str() {
            "" => None,
            text => Some(parse_hash("address", text)?),
        };
        let (mut events, view) = (self.transaction_events.subscribe(&request.cursor)?, self.view.clone());
        let (clock, genesis_hash) = (self.clock.clone(), self.rules.genesis_hash);
        let mut sent_at_ms = clock.monotonic_ms();
        // Without a cursor, the place to begin at is taken before the call is answered: whatever the watcher
        // does then is reported.
        let first = if request.cursor.is_empty() { events.next().await } else { None };
        let events = futures::stream::iter(first).chain(events);
        let answers = events.filter_map(move |item| {
            let mut answer = item.map(|item| {
                // The last event before the watch began is not of it.
                let heartbeat = item.kind != EventKind::New;
                let finalized = view.borrow().finalized_height;
                let concerned = item.event.iter().filter(|happened| happened.concerns(address.as_ref()));
                let transactions = match heartbeat {
                    true => Vec::new(),
                    false => concerned.map(|event| event_to_proto(event, &genesis_hash, finalized)).collect(),
                };
                proto::WatchTransactionsResponse { cursor: item.cursor, heartbeat, transactions }
            });
            let silent =
                answer.as_ref().is_ok_and(|answer| !answer.heartbeat && answer.transactions.is_empty());
            let now_ms = clock.monotonic_ms();
            if silent && now_ms.saturating_sub(sent_at_ms) < SILENCE_MS {
                return std::future::ready(None);
            }
            if let Ok(answer) = &mut answer {
                answer.heartbeat |= silent;
            }
            sent_at_ms = now_ms;
            std::future::ready(Some(answer))
        });
        Ok(Box::pin(answers))
    }

    pub(super) async fn account(
        &self,
        request: proto::GetAccountRequest,
    ) -> Result<Response<proto::GetAccountResponse>, Status> {
        let address: Address = parse_hash("address", &request.address)?;
        let head = self.head();
        let account = head.state.account(&address);
        let pending_nonce = self.core.read(move |core| Ok(core.next_nonce(&address))).await?;
        let proof = if request.with_proof { Some(self.account_proof(&head, &address).await?) } else { None };
        Ok(Response::new(proto::GetAccountResponse {
            address: address.to_string(),
            balance: account.balance,
            nonce: account.nonce,
            height: head.height.get(),
            pending_nonce,
            proof,
        }))
    }

    async fn account_proof(&self, head: &HeadView, address: &Address) -> Result<proto::AccountProof, Status> {
        let mut proof = proto::AccountProof {
            genesis_hash: self.rules.genesis_hash.to_string(),
            header: head.header_bytes.clone(),
            account_proof: encode(&head.state.prove_account(address)).into(),
            ..proto::AccountProof::default()
        };
        if head.header_bytes.is_empty() {
            return Ok(proof);
        }
        let header = Self::own_header(&head.header_bytes)?;
        proof.block_hash = head.hash.to_string();
        proof.state_root = header.state_root.to_string();
        if let Some(seal) = self.seal(head.hash, &header).await? {
            (proof.signature, proof.producer) = (seal.signature, seal.producer);
            proof.producer_public_key = seal.producer_public_key;
        }
        Ok(proof)
    }
}

/// A transaction of the head's chain with its place.
pub(super) fn included_info(
    transaction: &SignedTransaction,
    position: &Position,
    genesis_hash: &Hash,
    finalized: Height,
) -> proto::TransactionInfo {
    proto::TransactionInfo {
        hash: transaction.hash().to_string(),
        transaction: Some(vision_wire::transaction_to_proto(transaction)),
        place: Some(transaction_info::Place::Included(proto::Included {
            height: position.height.get(),
            block_hash: position.block.to_string(),
            index: position.index,
            finalized: position.height <= finalized,
            proof: None,
            trace_id: HeightTrace::of(genesis_hash, position.height).to_string(),
        })),
        ..Default::default()
    }
}

fn step_to_proto(step: MerkleStep) -> proto::MerkleStep {
    use proto::merkle_step::Side;
    let (side, hash) = match step {
        MerkleStep::Left(hash) => (Side::Left, hash),
        MerkleStep::Right(hash) => (Side::Right, hash),
    };
    proto::MerkleStep { side: side.into(), hash: hash.0.to_vec().into() }
}

fn refused(hash: String, status: &Status) -> proto::SubmitOutcome {
    let reason = vision_wire::reason_of(status).unwrap_or_default();
    let rule = vision_wire::metadata_of(status, "rule").unwrap_or_default();
    proto::SubmitOutcome { hash, reason, rule, detail: status.message().to_owned(), missing_nonce: None }
}
