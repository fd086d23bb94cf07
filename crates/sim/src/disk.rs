//! What survives a crash: the chain's store and the signer's file, each written whole or not at all.

use std::collections::BTreeMap;
use std::sync::Arc;

use vision_authoring::{Guard, Proposal};
use vision_block_tree::{BlockTree, ChainRules, RestoreBase, RestoreError, StoredBlock};
use vision_importer::{Batch, Fate, WaitingTransaction};
use vision_ledger::{Changes, State};
use vision_mempool::Moment;
use vision_peering::{MAX_BLOCKS, MAX_BYTES, Query};
use vision_primitives::{Block, Hash, Height, SignedTransaction, TimestampMs};

use crate::sabotage::Sabotage;

/// The chain's store.
#[derive(Clone, Default)]
pub(crate) struct ChainStore {
    blocks: BTreeMap<Hash, Arc<Block>>,
    /// The head's chain.
    chain: BTreeMap<Height, Hash>,
    /// Blocks above the last final one, in the order of their import, with what they change.
    open: Vec<(Hash, Changes)>,
    /// The last final block and the state after it; none for block 0.
    last_final: Option<(Hash, State)>,
    waiting: BTreeMap<Hash, WaitingTransaction>,
    fates: BTreeMap<Hash, Fate>,
    running_ms: u64,
}

impl ChainStore {
    /// Writes what a turn has changed, with a rule broken perhaps.
    pub(crate) fn write(&mut self, mut batch: Batch, genesis: &State, broken: Option<Sabotage>) {
        match broken {
            Some(Sabotage::LosesWaiting) => batch.waiting.clear(),
            Some(Sabotage::LosesChanges) => {
                batch.blocks.iter_mut().for_each(|new| new.changes.accounts.clear())
            }
            _ => {}
        }
        for new in batch.blocks {
            let hash = new.block.hash();
            self.blocks.insert(hash, new.block);
            self.open.push((hash, new.changes));
        }
        for (height, hash) in batch.chain {
            match hash {
                Some(hash) => drop(self.chain.insert(height, hash)),
                None => drop(self.chain.remove(&height)),
            }
        }
        for (_, hash) in batch.finalized {
            let Some(at) = self.open.iter().position(|(open, _)| *open == hash) else { continue };
            let (_, changes) = self.open.remove(at);
            let before = self.last_final.as_ref().map_or(genesis, |(_, state)| state);
            self.last_final = Some((hash, before.apply_changes(&changes)));
        }
        for hash in &batch.pruned {
            self.blocks.remove(hash);
        }
        if !batch.pruned.is_empty() {
            self.open.retain(|(hash, _)| !batch.pruned.contains(hash));
        }
        for hash in &batch.gone {
            self.waiting.remove(hash);
        }
        self.waiting.extend(batch.waiting);
        self.fates.extend(batch.fates);
        self.running_ms = batch.running_ms;
    }

    /// The tree as it was.
    pub(crate) fn tree(&self, rules: &Arc<ChainRules>) -> Result<BlockTree, RestoreError> {
        let stored = |hash: &Hash| self.blocks.get(hash).map(|block| StoredBlock::from(&**block));
        let base = self.last_final.as_ref().and_then(|(hash, state)| {
            let block = stored(hash)?;
            let height = self.blocks.get(hash)?.header().height;
            let reach = usize::try_from(rules.params().max_desync_blocks).unwrap_or(usize::MAX);
            let below = self.chain.range(..height).rev().map(|(_, hash)| *hash);
            let trail = below.chain([rules.genesis_hash]).take(reach).collect();
            Some(RestoreBase { block, state: state.clone(), trail })
        });
        let open = self.open.iter().filter_map(|(hash, changes)| Some((stored(hash)?, changes.clone())));
        BlockTree::restore(rules.clone(), base, open)
    }

    /// Makes the head's chain that of a restored tree. LATE marks are gone, so it may be another one than
    /// before; transactions of blocks left thereby wait again.
    pub(crate) fn align(&mut self, tree: &BlockTree, now: TimestampMs) {
        let (from, to) = (tree.final_entry().height().next(), tree.head().height());
        let before = self.chain.split_off(&from);
        let mut height = from;
        while height <= to {
            let Some(entry) = tree.canonical(height) else { break };
            self.chain.insert(height, entry.hash());
            height = height.next();
        }
        let since = Moment { wall: now, running_ms: self.running_ms };
        for (_, left) in before.into_iter().filter(|(height, hash)| self.chain.get(height) != Some(hash)) {
            for transaction in self.transactions(&left) {
                let record = WaitingTransaction { since, bytes: transaction.bytes().to_vec() };
                self.waiting.insert(transaction.hash(), record);
            }
        }
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.running_ms == 0
    }

    pub(crate) fn hash_at(&self, height: Height) -> Option<&Hash> {
        self.chain.get(&height)
    }

    /// The head's chain, the highest first.
    pub(crate) fn down(&self) -> impl Iterator<Item = &Arc<Block>> {
        self.chain.values().rev().filter_map(|hash| self.blocks.get(hash))
    }

    pub(crate) fn waiting(&self) -> Vec<(Hash, WaitingTransaction)> {
        self.waiting.iter().map(|(hash, record)| (*hash, record.clone())).collect()
    }

    pub(crate) fn waits(&self, transaction: &Hash) -> bool {
        self.waiting.contains_key(transaction)
    }

    pub(crate) fn fate(&self, transaction: &Hash) -> Option<&Fate> {
        self.fates.get(transaction)
    }

    pub(crate) fn fates(&self) -> u64 {
        self.fates.len() as u64
    }

    pub(crate) const fn running_ms(&self) -> u64 {
        self.running_ms
    }

    pub(crate) fn transactions(&self, block: &Hash) -> Vec<SignedTransaction> {
        self.blocks.get(block).map(|block| block.transactions().to_vec()).unwrap_or_default()
    }

    /// The answer to a question of a peer.
    pub(crate) fn answer(&self, query: &Query) -> Vec<Arc<Block>> {
        let from = |first: Height, count: u32| {
            let mut bytes = 0_u64;
            let blocks = self.chain.range(first..).take(count.min(MAX_BLOCKS) as usize);
            let blocks = blocks.filter_map(|(_, hash)| self.blocks.get(hash).cloned());
            let fits = |block: &Arc<Block>| {
                let before = bytes;
                bytes += block.size_bytes();
                before <= MAX_BYTES as u64
            };
            blocks.take_while(fits).collect()
        };
        match query {
            Query::One(hash) => self.blocks.get(hash).cloned().into_iter().collect(),
            Query::Stretch { from: first, max_blocks } => from(*first, *max_blocks),
            Query::After { locator, max_blocks } => {
                let on_chain = |hash: &Hash| {
                    let height = self.blocks.get(hash)?.header().height;
                    (self.chain.get(&height) == Some(hash)).then_some(height)
                };
                let common = locator.iter().find_map(on_chain).unwrap_or(Height::GENESIS);
                from(common.next(), *max_blocks)
            }
        }
    }
}

/// The signer's file.
#[derive(Clone, Default)]
pub(crate) struct SignerStore {
    floor: Height,
    promised: BTreeMap<(Height, Hash), Hash>,
    last: Option<Arc<Proposal>>,
}

impl SignerStore {
    pub(crate) fn write(&mut self, proposal: Option<&Arc<Proposal>>, floor: Height) {
        self.floor = self.floor.max(floor);
        if let Some(proposal) = proposal {
            self.promised.insert((proposal.height, proposal.parent), proposal.hash);
            self.last = Some(proposal.clone());
        }
        self.promised = self.promised.split_off(&(self.floor.next(), Hash::ZERO));
    }

    /// Promises that are kept.
    pub(crate) fn promises(&self) -> usize {
        self.promised.len()
    }

    /// The guard, and the block promised last.
    pub(crate) fn read(&self) -> (Guard, Option<Arc<Proposal>>) {
        let promised = self.promised.iter().map(|((height, parent), block)| (*height, *parent, *block));
        let guard = Guard::restore(self.floor, promised);
        let last = self.last.clone();
        let last = last.filter(|last| guard.promised(last.height, &last.parent) == Some(last.hash));
        (guard, last)
    }
}

/// How a disk behaves.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DiskManner {
    /// It takes no writes.
    pub full: bool,
    /// What a synced write takes, microseconds.
    pub sync_us: u64,
}

impl Default for DiskManner {
    fn default() -> Self {
        Self { full: false, sync_us: 400 }
    }
}

/// A node's disk.
#[derive(Clone, Default)]
pub(crate) struct Disk {
    pub chain: ChainStore,
    pub signer: SignerStore,
    /// There is no signer's file: the service does not start.
    pub signer_lost: bool,
    pub manner: DiskManner,
}

#[cfg(test)]
mod tests {
    use vision_importer::NewBlock;
    use vision_primitives::{Action, Header, SecretKey, Signature, Slot, Transaction};

    use super::*;

    #[test]
    fn transactions_of_a_block_that_is_left_at_a_start_wait_again() {
        let (genesis_hash, key) = (Hash([1; 32]), SecretKey::from_seed(&[2; 32]));
        let rules = Arc::new(ChainRules::new(crate::Scenario::default().genesis().expect("a genesis")));
        let tree = BlockTree::new(rules).expect("a tree");
        let action = Action::Transfer { to: Hash([3; 32]), amount: 1 };
        let transfer = Transaction { sender: key.public_key(), nonce: 0, fee: 1, action };
        let transfer = transfer.sign(&key, &genesis_hash);
        let header = Header {
            version: 1,
            height: Height(1),
            parent: tree.head().hash(),
            timestamp_ms: TimestampMs(1),
            slot: Slot(0),
            producer: Hash::ZERO,
            tx_root: Hash::ZERO,
            state_root: Hash::ZERO,
            pool_root: Hash::ZERO,
            weight: 1,
            certificate_hash: Hash::ZERO,
            reveal: Hash::ZERO,
            mix: Hash::ZERO,
        };
        let block = Block::assemble(header, Signature::ZERO, vec![transfer.clone()], &genesis_hash);
        let block = Arc::new(block);
        let changes = Changes { accounts: vec![], producers: vec![], supply: 0 };
        let mut store = ChainStore::default();
        let batch = Batch {
            chain: vec![(Height(1), Some(block.hash()))],
            blocks: vec![NewBlock { block, changes }],
            ..Batch::default()
        };
        store.write(batch, tree.head().state(), None);
        assert!(!store.waits(&transfer.hash()));
        // The restored tree knows nothing of it.
        store.align(&tree, TimestampMs(5));
        assert!(store.waits(&transfer.hash()) && store.hash_at(Height(1)).is_none());
    }
}
