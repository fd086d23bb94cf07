//! What the chain does for this node's producer.

use tonic::Status;
use vision_block_tree::{PrepareError, Refusal};
use vision_host::metrics::time;
use vision_primitives::{Block, BlockError, Hash, NodeId, Signature, Slot, TimestampMs};
use vision_wire::Reason;

use super::{Core, MAX_PREPARED};
use crate::actor::PreparedBlock;
use crate::trace;

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
        let _inside = trace::under(
            tracing::info_span!(
                "chain.block.prepare",
                "vision.height" = trace::number(head.height().next().get()),
                "vision.slot" = trace::number(slot.get()),
            ),
            &self.parts.rules.genesis_hash,
            head.height().next(),
        )
        .entered();
        let params = &self.parts.rules.genesis.params;
        // More than a block holds, for some do not apply: sync proofs that come too early, a registration forestalled.
        let fits = self.pace.most();
        let most = if fits < params.max_block_txs { fits } else { u64::MAX };
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        let bytes = usize::try_from(params.max_block_bytes).unwrap_or(usize::MAX);
        let candidates = self.pool.select(head.state(), most, bytes).cloned();
        let tree = &self.parts.tree;
        let prepare = || tree.prepare(&parent, slot, producer, stamp, candidates);
        let (header, transactions) =
            time(&self.parts.metrics.phases.prepare, prepare).map_err(|error| prepare_status(&error))?;
        let bytes = header.to_bytes();
        let hash = vision_primitives::Header::hash_bytes(&self.parts.rules.genesis_hash, &bytes);
        let bodies = transactions.iter().map(|transaction| transaction.bytes().to_vec()).collect();
        let height = header.height.get();
        self.prepared.push_back((header, transactions));
        if self.prepared.len() > MAX_PREPARED {
            self.prepared.pop_front();
        }
        Ok(PreparedBlock { header: bytes, hash, height, transactions: bodies })
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
        let malformed = |why: String| vision_wire::status(Reason::InvalidArgument, why, &[]);
        if let Some(at) = self.prepared.iter().position(|(prepared, _)| prepared.to_bytes() == header) {
            let signature = Signature::from_slice(signature)
                .ok_or_else(|| malformed(BlockError::SignatureLength(signature.len()).to_string()))?;
            if let Some((header, transactions)) = self.prepared.remove(at) {
                return Ok(Block::assemble(header, signature, transactions, genesis_hash));
            }
        }
        let without_body = transactions.is_empty();
        let block = Block::from_parts(header, signature, transactions, genesis_hash)
            .map_err(|error| malformed(error.to_string()))?;
        if without_body && !block.header().tx_root.is_zero() {
            let why = "the body of this block is no longer kept: submit it too, or prepare again";
            return Err(vision_wire::status(Reason::PreparedBlockGone, why, &[]));
        }
        Ok(block)
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
