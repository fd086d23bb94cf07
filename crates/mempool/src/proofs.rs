//! Sync proofs that wait: one per producer, the newest (section 7).

use std::collections::BTreeMap;

use vision_ledger::TransactionFault;
use vision_primitives::{Action, Hash, Height, Invariant as _, NodeId, SignedTransaction, SyncProof};

use crate::{Context, DropReason, Dropped, Rejected};

#[derive(Debug, Default)]
pub(crate) struct Proofs {
    by_producer: BTreeMap<NodeId, (Height, SignedTransaction)>,
    producers: BTreeMap<Hash, NodeId>,
    bytes: usize,
}

/// The proof in a transaction that is one.
pub(crate) fn proof_in(transaction: &SignedTransaction) -> Option<&SyncProof> {
    match &transaction.transaction().action {
        Action::SyncProof(proof) => Some(proof),
        _ => None,
    }
}

impl Proofs {
    pub(crate) fn check(&self, id: &NodeId, height: Height, context: &Context<'_>) -> Result<(), Rejected> {
        check_proof(id, height, context)?;
        match self.by_producer.get(id) {
            Some((held, _)) if *held >= height => Err(Rejected::Known),
            _ => Ok(()),
        }
    }

    pub(crate) fn insert(
        &mut self,
        id: NodeId,
        height: Height,
        transaction: SignedTransaction,
    ) -> Option<Dropped> {
        let by = transaction.hash();
        self.bytes += transaction.bytes().len();
        self.producers.insert(by, id);
        let (_, old) = self.by_producer.insert(id, (height, transaction))?;
        self.forget(&old);
        Some(Dropped { transaction: old, why: DropReason::Replaced { by } })
    }

    /// Drops those that no next block can hold.
    pub(crate) fn head_moved(&mut self, context: &Context<'_>) -> Vec<Dropped> {
        let useless: Vec<NodeId> = self
            .by_producer
            .iter()
            .filter(|(id, (height, _))| check_proof(id, *height, context).is_err())
            .map(|(id, _)| *id)
            .collect();
        let gone = useless.iter().filter_map(|id| self.by_producer.remove(id)).collect::<Vec<_>>();
        gone.into_iter()
            .map(|(_, old)| {
                self.forget(&old);
                Dropped { transaction: old, why: DropReason::ProofUseless }
            })
            .collect()
    }

    fn forget(&mut self, old: &SignedTransaction) {
        self.bytes -= old.bytes().len();
        self.producers.remove(&old.hash());
    }

    pub(crate) fn get(&self, hash: &Hash) -> Option<&SignedTransaction> {
        let id = self.producers.get(hash)?;
        let (_, transaction) = self.by_producer.get(id).invariant("a proof is found by hash and by producer");
        Some(transaction)
    }

    pub(crate) fn contains(&self, hash: &Hash) -> bool {
        self.producers.contains_key(hash)
    }

    pub(crate) fn len(&self) -> usize {
        self.by_producer.len()
    }

    pub(crate) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Ids of the producers ascending.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &SignedTransaction> {
        self.by_producer.values().map(|(_, transaction)| transaction)
    }
}

/// Whether a sync proof can be in a block soon. Whether it names a block of the chain, and whether the
/// producer may return yet, is left to the execution.
fn check_proof(id: &NodeId, height: Height, context: &Context<'_>) -> Result<(), TransactionFault> {
    let producer = context.state.producer(id).ok_or(TransactionFault::NotAProducer(*id))?;
    if !producer.status.awaits_sync_proof() {
        return Err(if producer.status.is_registered() {
            TransactionFault::NotSuspended(*id)
        } else {
            TransactionFault::NotAProducer(*id)
        });
    }
    let highest = context.head;
    let lowest = producer.lowest_proof(highest, context.params.max_desync_blocks);
    if height < lowest || height > highest {
        return Err(TransactionFault::SyncProofHeight { lowest, highest, got: height });
    }
    Ok(())
}
