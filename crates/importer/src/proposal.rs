//! What the chain does for this node's producer.

use vision_primitives::{Block, BlockError, Hash, Header, NodeId, Signature, Slot, TimestampMs};

use crate::answers::{NotPrepared, NotStored, Prepared};
use crate::{Importer, Observer, Step};

/// Prepared blocks kept for their signature.
const MAX_PREPARED: usize = 8;

impl Importer {
    pub(crate) fn prepare(
        &mut self,
        parent: Hash,
        slot: Slot,
        producer: NodeId,
        stamp: TimestampMs,
        observer: &mut impl Observer,
    ) -> Result<Prepared, NotPrepared> {
        if self.is_behind() {
            return Err(NotPrepared::StoreUnavailable);
        }
        let head = self.tree.head();
        if head.hash() != parent {
            return Err(NotPrepared::TipChanged { head: head.hash() });
        }
        observer.begin(Step::Prepare { height: head.height().next(), slot }, head.height(), self.now);
        let params = self.tree.rules().params();
        // More than a block holds, for some do not apply: sync proofs that come too early, a registration
        // forestalled.
        let fits = self.budget.most();
        let most = if fits < params.max_block_txs { fits } else { u64::MAX };
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        let bytes = usize::try_from(params.max_block_bytes).unwrap_or(usize::MAX);
        let candidates = self.pool.select(head.state(), most, bytes).cloned();
        let made = self.tree.prepare(&parent, slot, producer, stamp, candidates);
        observer.end(None);
        let (header, transactions) = made?;
        let bytes = header.to_bytes();
        let hash = Header::hash_bytes(&self.tree.rules().genesis_hash, &bytes);
        let bodies = transactions.iter().map(|transaction| transaction.bytes().to_vec()).collect();
        let height = header.height;
        self.prepared.push_back((header, transactions));
        if self.prepared.len() > MAX_PREPARED {
            self.prepared.pop_front();
        }
        Ok(Prepared { header: bytes, hash, height, transactions: bodies })
    }

    /// The block of a signed header: with the body as prepared, or as submitted when the header is of an
    /// earlier run of this process.
    pub(crate) fn assemble(
        &mut self,
        header: Vec<u8>,
        signature: &[u8],
        transactions: Vec<Vec<u8>>,
    ) -> Result<Block, NotStored> {
        let genesis_hash = &self.tree.rules().genesis_hash;
        if let Some(at) = self.prepared.iter().position(|(prepared, _)| prepared.to_bytes() == header) {
            let signature =
                Signature::from_slice(signature).ok_or(BlockError::SignatureLength(signature.len()))?;
            if let Some((header, transactions)) = self.prepared.remove(at) {
                return Ok(Block::assemble(header, signature, transactions, genesis_hash));
            }
        }
        let without_body = transactions.is_empty();
        let block = Block::from_parts(header, signature, transactions, genesis_hash)?;
        if without_body && !block.header().tx_root.is_zero() {
            return Err(NotStored::BodyGone);
        }
        Ok(block)
    }
}
