//! Making a block's header, all but the producer's signature.

use vision_ledger::{BlockContext, Executor, LedgerError};
use vision_primitives::{
    HEADER_VERSION, Hash, Header, NodeId, Signature, SignedTransaction, Slot, TimestampMs, merkle_root,
};
use vision_schedule::SlotError;

use crate::BlockTree;
use crate::parent_context::child_weight;

/// Why no block can be prepared.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PrepareError {
    /// The parent is not (any more) in the tree.
    #[error("the parent {0} is not known")]
    UnknownParent(Hash),
    /// The slot is not the producer's, or the stamp not the slot's.
    #[error(transparent)]
    Slot(#[from] SlotError),
    /// The chain's weight would leave its range.
    #[error("the chain's weight would exceed 2^64 - 1")]
    WeightOverflow,
    /// The ledger broke one of its own promises.
    #[error("ledger: {0}")]
    Ledger(#[from] LedgerError),
}

impl PrepareError {
    /// The error's stable name.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::UnknownParent(_) => "UNKNOWN_PARENT",
            Self::Slot(error) => error.reason(),
            Self::WeightOverflow => "WEIGHT_OVERFLOW",
            Self::Ledger(_) => "LEDGER_BROKEN",
        }
    }
}

impl BlockTree {
    /// The header of a block for `slot` on `parent`, and the transactions it commits to: the candidates
    /// in their order, without those that do not apply or do not fit. Their signatures are taken as
    /// verified.
    ///
    /// # Errors
    /// [`PrepareError`].
    pub fn prepare(
        &self,
        parent: &Hash,
        slot: Slot,
        producer: NodeId,
        stamp: TimestampMs,
        candidates: impl IntoIterator<Item = SignedTransaction>,
    ) -> Result<(Header, Vec<SignedTransaction>), PrepareError> {
        let parent = self.get(parent).ok_or(PrepareError::UnknownParent(*parent))?;
        parent.schedule().check(slot, &producer, stamp)?;
        let mut header = Header {
            version: HEADER_VERSION,
            height: parent.height().next(),
            parent: parent.hash(),
            timestamp_ms: stamp,
            slot,
            producer,
            tx_root: Hash::ZERO,
            state_root: Hash::ZERO,
            pool_root: parent.state().active().root(),
            weight: child_weight(parent.weight(), parent.schedule(), slot)
                .ok_or(PrepareError::WeightOverflow)?,
            certificate_hash: Hash::ZERO,
            reveal: Hash::ZERO,
            mix: Hash::ZERO,
        };

        let (genesis, missed_owners) = (&self.rules.genesis, parent.schedule().missed_owners(slot));
        let recent = self.recent(parent);
        let context = BlockContext {
            genesis_hash: self.rules.genesis_hash,
            height: header.height,
            producer,
            missed_owners: &missed_owners,
            recent: &recent,
        };
        let mut executor = Executor::new(parent.state(), &genesis.params, genesis.finality, context);
        let most = usize::try_from(genesis.params.max_block_txs).unwrap_or(usize::MAX);
        // A header's length does not depend on what is in it.
        let frame = (header.to_bytes().len() + Signature::BYTES) as u64;
        let mut room = genesis.params.max_block_bytes.saturating_sub(frame);
        let mut chosen = Vec::new();
        for transaction in candidates {
            if chosen.len() >= most {
                break;
            }
            let size = transaction.bytes().len() as u64;
            if size <= room && executor.execute(&transaction).is_ok() {
                room -= size;
                chosen.push(transaction);
            }
        }

        let hashes: Vec<Hash> = chosen.iter().map(SignedTransaction::hash).collect();
        header.tx_root = merkle_root(&hashes);
        header.state_root = executor.finish()?.0.root();
        Ok((header, chosen))
    }
}
