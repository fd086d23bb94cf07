//! What the chain does for this node's producer and for whoever hands in transactions.

use tonic::Status;
use vision_block_tree::{PrepareError, Refusal};
use vision_primitives::{Block, Hash, NodeId, SignedTransaction, Slot, TimestampMs};
use vision_wire::Reason;

use super::{Core, MAX_PREPARED};
use crate::actor::PreparedBlock;
use crate::pending::Rejected;

impl Core {
    pub(super) fn prepare(
        &mut self,
        parent: Hash,
        slot: Slot,
        producer: NodeId,
        stamp: TimestampMs,
    ) -> Result<PreparedBlock, Status> {
        if self.unwritten.is_some() {
            return Err(Self::store_unavailable());
        }
        let head = self.parts.tree.head();
        if head.hash() != parent {
            let metadata = [("head", head.hash().to_string())];
            return Err(vision_wire::status(Reason::TipChanged, "the head is another block", &metadata));
        }
        let candidates = self.pending.candidates().cloned();
        let (header, transactions) = self
            .parts
            .tree
            .prepare(&parent, slot, producer, stamp, candidates)
            .map_err(|error| prepare_status(&error))?;
        let bytes = header.to_bytes();
        let hash = vision_primitives::Header::hash_bytes(&self.parts.rules.genesis_hash, &bytes);
        let bodies = transactions.iter().map(|transaction| transaction.bytes().to_vec()).collect();
        self.prepared.push_back((bytes.clone(), transactions));
        if self.prepared.len() > MAX_PREPARED {
            self.prepared.pop_front();
        }
        Ok(PreparedBlock { header: bytes, hash, height: header.height.get(), transactions: bodies })
    }

    /// The block of a signed header: with the body as prepared, or as handed in when the header is of an
    /// earlier run of this process.
    pub(super) fn assemble(
        &mut self,
        header: Vec<u8>,
        signature: &[u8],
        transactions: Vec<Vec<u8>>,
    ) -> Result<Block, Status> {
        let genesis_hash = &self.parts.rules.genesis_hash;
        let prepared = self.prepared.iter().position(|(bytes, _)| *bytes == header);
        let transactions = match prepared.and_then(|at| self.prepared.remove(at)) {
            Some((_, prepared)) => prepared.iter().map(|transaction| transaction.bytes().to_vec()).collect(),
            None => transactions,
        };
        let without_body = transactions.is_empty();
        let block = Block::from_parts(header, signature, transactions, genesis_hash)
            .map_err(|error| vision_wire::status(Reason::InvalidArgument, error.to_string(), &[]))?;
        if without_body && !block.header().tx_root.is_zero() {
            let why = "the body of this block is no longer kept: hand it in too, or prepare again";
            return Err(vision_wire::status(Reason::PreparedBlockGone, why, &[]));
        }
        Ok(block)
    }

    pub(super) fn admit(&mut self, transaction: SignedTransaction) -> Result<(), Rejected> {
        let head = self.parts.tree.head();
        let genesis = &self.parts.rules.genesis;
        self.pending.admit(
            transaction,
            head.state(),
            head.height(),
            &genesis.params,
            &self.parts.rules.genesis_hash,
        )
    }

    /// Transactions of blocks that the head has left wait again, unless its new chain has them, too.
    pub(super) fn readmit(&mut self, left: &[Hash]) {
        for hash in left {
            // A block that is pruned by now was left long ago.
            let Ok(Some(record)) = self.parts.store.block(hash) else { continue };
            for bytes in record.transactions {
                let read = SignedTransaction::from_bytes(bytes, &self.parts.rules.genesis_hash);
                // Most are refused here: their nonce is used on the new chain.
                let _ = read.map(|transaction| self.admit(transaction));
            }
        }
    }

    pub(super) fn transaction(&mut self, transaction: SignedTransaction) -> Result<Hash, Status> {
        let (hash, bytes) = (transaction.hash(), bytes::Bytes::copy_from_slice(transaction.bytes()));
        self.admit(transaction).map_err(|rejected| rejected_status(&rejected))?;
        self.parts.peers.broadcast_transactions(vec![bytes], None);
        Ok(hash)
    }

    pub(super) fn transactions(&mut self, peer: NodeId, transactions: Vec<bytes::Bytes>) {
        let mut taken = Vec::new();
        for bytes in transactions {
            match SignedTransaction::from_bytes(bytes.to_vec(), &self.parts.rules.genesis_hash) {
                Err(error) => return self.parts.peers.charge(&peer, 50, &error.to_string()),
                Ok(transaction) => match self.admit(transaction) {
                    Ok(()) => taken.push(bytes),
                    Err(Rejected::Signature) => {
                        return self.parts.peers.charge(&peer, 50, "a transaction with a wrong signature");
                    }
                    // The peer's state may differ from ours for a moment.
                    Err(_) => {}
                },
            }
        }
        if !taken.is_empty() {
            self.parts.peers.broadcast_transactions(taken, Some(&peer));
        }
    }
}

pub(super) fn refusal_status(refusal: &Refusal) -> Status {
    let metadata = [("rule", refusal.reason().to_owned())];
    let reason = match refusal {
        // Its producer hands it in again when the answer was lost.
        Refusal::AlreadyKnown => Reason::BlockKnown,
        _ => Reason::InvalidBlock,
    };
    vision_wire::status(reason, refusal.to_string(), &metadata)
}

fn prepare_status(error: &PrepareError) -> Status {
    vision_wire::status(Reason::SlotRefused, error.to_string(), &[("rule", error.reason().to_owned())])
}

fn rejected_status(rejected: &Rejected) -> Status {
    let (reason, rule) = match rejected {
        Rejected::Known => (Reason::TransactionKnown, "KNOWN"),
        Rejected::Fault(fault) => (Reason::InvalidTransaction, fault.reason()),
        Rejected::Signature => (Reason::InvalidTransaction, "BAD_SIGNATURE"),
        Rejected::NonceGap { .. } => (Reason::NonceGap, "NONCE_GAP"),
        Rejected::NonceTaken(_) => (Reason::InvalidTransaction, "NONCE_TAKEN"),
        Rejected::Full => (Reason::PoolFull, "POOL_FULL"),
    };
    vision_wire::status(reason, rejected.to_string(), &[("rule", rule.to_owned())])
}
