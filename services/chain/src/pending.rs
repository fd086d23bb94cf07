//! Transactions that wait for a block: bounded, by sender in nonce order. Pure.
//!
//! Sync proofs wait apart, one per producer, the newest; they cost nothing and are sent again by their
//! producer until they are in a block.

use std::collections::{BTreeMap, BTreeSet};

use vision_ledger::{ProducerStatus, State, TransactionFault, check_form};
use vision_primitives::{
    Action, Address, ConsensusParams, Hash, Height, NodeId, SignedTransaction, SyncProof,
};

/// Most waiting transactions.
const MAX_TRANSACTIONS: usize = 10_000;
/// Most bytes of all waiting transactions.
const MAX_BYTES: usize = 16 << 20;
/// How far above the account's next nonce a waiting transaction's may be.
const NONCE_WINDOW: u64 = 64;

/// Why a transaction may not wait.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Rejected {
    /// It waits already.
    #[error("the transaction waits already")]
    Known,
    /// It breaks a rule of the ledger.
    #[error(transparent)]
    Fault(#[from] TransactionFault),
    /// The signature does not verify.
    #[error("the signature does not verify")]
    Signature,
    /// Its nonce is too far ahead.
    #[error("nonce {got} is {NONCE_WINDOW} or more above the account's next, {next}")]
    NonceGap {
        /// The account's next nonce.
        next: u64,
        /// The transaction's.
        got: u64,
    },
    /// Another transaction of the sender waits with this nonce.
    #[error("another transaction of this account waits with nonce {0}")]
    NonceTaken(u64),
    /// No room.
    #[error("{MAX_TRANSACTIONS} transactions or {MAX_BYTES} bytes wait already")]
    Full,
}

/// The waiting transactions.
#[derive(Debug, Default)]
pub struct Pending {
    by_sender: BTreeMap<Address, BTreeMap<u64, SignedTransaction>>,
    proofs: BTreeMap<NodeId, (SyncProof, SignedTransaction)>,
    hashes: BTreeSet<Hash>,
    bytes: usize,
}

impl Pending {
    /// Takes a transaction, judged on the state after the head; its signature is verified here, once.
    pub fn admit(
        &mut self,
        transaction: SignedTransaction,
        state: &State,
        head: Height,
        params: &ConsensusParams,
        genesis_hash: &Hash,
    ) -> Result<(), Rejected> {
        if self.hashes.contains(&transaction.hash()) {
            return Err(Rejected::Known);
        }
        let inner = transaction.transaction();
        check_form(inner, params)?;
        let sender = transaction.sender_address();
        if let Action::SyncProof(proof) = &inner.action {
            let proof = proof.clone();
            check_proof(&sender, &proof, state, head, params)?;
            if self.proofs.get(&sender).is_some_and(|(held, _)| held.height >= proof.height) {
                return Err(Rejected::Known);
            }
            transaction.verify(genesis_hash).map_err(|_| Rejected::Signature)?;
            self.hashes.insert(transaction.hash());
            if let Some((_, old)) = self.proofs.insert(sender, (proof, transaction)) {
                self.hashes.remove(&old.hash());
            }
            return Ok(());
        }
        let account = state.account(&sender);
        let (next, got) = (account.nonce, inner.nonce);
        if got < next {
            return Err(TransactionFault::NonceTooLow { expected: next, got }.into());
        }
        if got - next >= NONCE_WINDOW {
            return Err(Rejected::NonceGap { next, got });
        }
        let cost = |tx: &SignedTransaction| match &tx.transaction().action {
            Action::Transfer { amount, .. } => tx.transaction().fee.saturating_add(*amount),
            _ => tx.transaction().fee,
        };
        let waiting = self.by_sender.get(&sender);
        if waiting.is_some_and(|waiting| waiting.contains_key(&got)) {
            return Err(Rejected::NonceTaken(got));
        }
        let before: u64 =
            waiting.map_or(0, |waiting| waiting.values().map(cost).fold(0, u64::saturating_add));
        let needed = before.saturating_add(cost(&transaction));
        if needed > account.balance {
            return Err(TransactionFault::InsufficientBalance { balance: account.balance, needed }.into());
        }
        if self.hashes.len() >= MAX_TRANSACTIONS || self.bytes + transaction.bytes().len() > MAX_BYTES {
            return Err(Rejected::Full);
        }
        transaction.verify(genesis_hash).map_err(|_| Rejected::Signature)?;
        self.hashes.insert(transaction.hash());
        self.bytes += transaction.bytes().len();
        self.by_sender.entry(sender).or_default().insert(got, transaction);
        Ok(())
    }

    /// Whether this node has verified the signature of a transaction that still waits.
    pub fn is_verified(&self, hash: &Hash) -> bool {
        self.hashes.contains(hash)
    }

    /// Candidates for the next block: sync proofs, then every sender's in nonce order.
    pub fn candidates(&self) -> impl Iterator<Item = &SignedTransaction> {
        let proofs = self.proofs.values().map(|(_, transaction)| transaction);
        proofs.chain(self.by_sender.values().flat_map(BTreeMap::values))
    }

    /// Drops what the new head has made useless.
    pub fn head_moved(&mut self, state: &State, head: Height, params: &ConsensusParams) {
        let (hashes, bytes) = (&mut self.hashes, &mut self.bytes);
        self.by_sender.retain(|sender, waiting| {
            let next = state.account(sender).nonce;
            let kept = waiting.split_off(&next);
            for gone in std::mem::replace(waiting, kept).into_values() {
                hashes.remove(&gone.hash());
                *bytes -= gone.bytes().len();
            }
            !waiting.is_empty()
        });
        self.proofs.retain(|id, (proof, transaction)| {
            let keep = check_proof(id, proof, state, head, params).is_ok();
            if !keep {
                hashes.remove(&transaction.hash());
            }
            keep
        });
    }
}

/// Whether a sync proof can be in the block after the head. Whether it names a block of the chain is
/// left to the execution.
fn check_proof(
    id: &NodeId,
    proof: &SyncProof,
    state: &State,
    head: Height,
    params: &ConsensusParams,
) -> Result<(), TransactionFault> {
    let producer = state.producer(id).ok_or(TransactionFault::NotAProducer(*id))?;
    match producer.status {
        ProducerStatus::Exited => return Err(TransactionFault::NotAProducer(*id)),
        ProducerStatus::Active => return Err(TransactionFault::NotSuspended(*id)),
        ProducerStatus::Suspended | ProducerStatus::Candidate => {}
    }
    let lowest = Height(head.get().saturating_sub(params.max_desync_blocks));
    if proof.height < lowest || proof.height > head {
        return Err(TransactionFault::SyncProofHeight { lowest, highest: head, got: proof.height });
    }
    Ok(())
}
