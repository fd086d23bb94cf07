//! What the chain's machine gives out to be written, as rows of the store.

use vision_importer::{Batch, NewBlock as OfMachine, WaitingTransaction};
use vision_mempool::Moment;

use super::{BlockRecord, Commit, Fate, Indexed, NewBlock, WaitingRecord};

impl From<Batch> for Commit {
    fn from(batch: Batch) -> Self {
        let waiting = batch.waiting.into_iter().map(|(hash, waiting)| (hash, waiting.into()));
        let fates = batch.fates.into_iter().map(|(hash, fate)| (hash, Fate::new(&fate.why, fate.at)));
        Self {
            blocks: batch.blocks.into_iter().map(NewBlock::from).collect(),
            head: batch.head,
            chain: batch.chain,
            finalized: batch.finalized,
            pruned: batch.pruned,
            waiting: waiting.collect(),
            gone: batch.gone,
            fates: fates.collect(),
            running_ms: batch.running_ms,
        }
    }
}

impl From<OfMachine> for NewBlock {
    fn from(OfMachine { block, changes }: OfMachine) -> Self {
        Self {
            hash: block.hash(),
            record: BlockRecord::of(&block),
            changes,
            transactions: block.transactions().iter().map(Indexed::of).collect(),
        }
    }
}

impl From<WaitingTransaction> for WaitingRecord {
    fn from(WaitingTransaction { since, bytes }: WaitingTransaction) -> Self {
        Self { since: since.wall, running_ms: since.running_ms, bytes }
    }
}

impl From<WaitingRecord> for WaitingTransaction {
    fn from(WaitingRecord { since, running_ms, bytes }: WaitingRecord) -> Self {
        Self { since: Moment { wall: since, running_ms }, bytes }
    }
}
