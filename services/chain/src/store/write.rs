//! The store's only writer.

use std::collections::BTreeMap;

use redb::{ReadableTable, WriteTransaction};
use vision_ledger::{Changes, State};
use vision_primitives::{Hash, Height, SignedTransaction, TimestampMs};

use super::{
    ACCOUNTS, BLOCKS, BlockRecord, CHAIN, CHANGES, FORMAT, Key, META, PRODUCER_HISTORY, PRODUCERS, Store,
    StoreError, WaitingRecord,
    blocks::block_of,
    failed,
    fates::{FATES, Fate, note_fates},
    headers::{HEADERS, note_header},
    history_key,
    index::{self, Indexed, note_spots},
    record,
    transactions::{PLACES, WAITING},
};

/// A block to be written.
pub(crate) struct NewBlock {
    /// Its hash.
    pub hash: Hash,
    /// Its parts.
    pub record: BlockRecord,
    /// What it changes.
    pub changes: Changes,
    /// By what its transactions are found.
    pub transactions: Vec<Indexed>,
}

/// Everything that one turn of the chain's loop changes; written whole or not at all.
#[derive(Default)]
pub(crate) struct Commit {
    /// New blocks.
    pub blocks: Vec<NewBlock>,
    /// The head after the turn, if it has moved or something has followed from a block.
    pub head: Option<Hash>,
    /// Heights of the head's chain that changed, in the order they changed; `None`: no longer there.
    pub chain: Vec<(Height, Option<Hash>)>,
    /// Blocks that became final, ascending.
    pub finalized: Vec<(Height, Hash)>,
    /// Blocks that can never be on the head's chain again.
    pub pruned: Vec<Hash>,
    /// Transactions that wait from now on.
    pub waiting: BTreeMap<Hash, WaitingRecord>,
    /// Transactions that wait no more; none of the above.
    pub gone: Vec<Hash>,
    /// What became of those that were acknowledged and dropped.
    pub fates: BTreeMap<Hash, Fate>,
    /// How long the node has run, milliseconds, over all its starts.
    pub running_ms: u64,
}

impl Store {
    pub(super) fn initialise(&self, state: &State) -> Result<(), StoreError> {
        let write = self.begin_write()?;
        {
            let mut meta = write.open_table(META).map_err(failed)?;
            let genesis = self.genesis_hash.as_bytes().as_slice();
            for key in ["genesis", "head", "final"] {
                meta.insert(key, genesis).map_err(failed)?;
            }
            meta.insert("supply", state.supply().to_le_bytes().as_slice()).map_err(failed)?;
            meta.insert("format", FORMAT.to_le_bytes().as_slice()).map_err(failed)?;
            for table in [BLOCKS, CHANGES, FATES, HEADERS, WAITING] {
                write.open_table(table).map_err(failed)?;
            }
            write.open_table(CHAIN).map_err(failed)?;
            write.open_table(PLACES).map_err(failed)?;
        }
        index::create(&write)?;
        index::count_rows(&write)?;
        let changes = Changes {
            accounts: state.accounts().map(|(address, account)| (*address, *account)).collect(),
            producers: state.producers().map(|(id, producer)| (*id, producer.clone())).collect(),
            supply: state.supply(),
        };
        fold(&write, Height::GENESIS, &changes)?;
        write.commit().map_err(failed)
    }

    /// Writes one turn's changes and syncs them to disk.
    pub(crate) fn commit(&self, commit: &Commit) -> Result<(), StoreError> {
        let write = self.begin_write()?;
        note_fates(&write, &commit.fates, commit.running_ms)?;
        {
            let mut blocks = write.open_table(BLOCKS).map_err(failed)?;
            let mut changes = write.open_table(CHANGES).map_err(failed)?;
            let mut headers = write.open_table(HEADERS).map_err(failed)?;
            for new in &commit.blocks {
                let key = new.hash.as_bytes();
                note_header(&mut headers, key, &new.record)?;
                blocks.insert(key, record::seal(key, &new.record).as_slice()).map_err(failed)?;
                changes.insert(key, record::seal(key, &new.changes).as_slice()).map_err(failed)?;
            }
            let mut chain = write.open_table(CHAIN).map_err(failed)?;
            for (height, hash) in &commit.chain {
                let Some(hash) = hash else {
                    let left = chain.remove(height.get()).map_err(failed)?.map(|hash| Hash(*hash.value()));
                    if let Some(left) = left {
                        self.note_left(&write, *height, &left, &block_of(&blocks, &left)?)?;
                    }
                    continue;
                };
                chain.insert(height.get(), hash.as_bytes()).map_err(failed)?;
                match commit.blocks.iter().find(|new| new.hash == *hash) {
                    Some(new) => note_spots(&write, *height, &new.transactions)?,
                    None => self.note_joined(&write, *height, hash, &block_of(&blocks, hash)?)?,
                }
            }
            if !commit.chain.is_empty() {
                index::count_rows(&write)?;
            }
            for (height, hash) in &commit.finalized {
                let made: Changes = {
                    let value = changes.remove(hash.as_bytes()).map_err(failed)?.ok_or_else(|| {
                        StoreError::Corrupt(format!("the changes of the final block {hash} are missing"))
                    })?;
                    record::open("changes", hash.as_bytes(), value.value())?
                };
                fold(&write, *height, &made)?;
            }
            for hash in &commit.pruned {
                blocks.remove(hash.as_bytes()).map_err(failed)?;
                headers.remove(hash.as_bytes()).map_err(failed)?;
                changes.remove(hash.as_bytes()).map_err(failed)?;
            }
            let mut waiting = write.open_table(WAITING).map_err(failed)?;
            for (hash, record) in &commit.waiting {
                let key = hash.as_bytes();
                waiting.insert(key, record::seal(key, record).as_slice()).map_err(failed)?;
            }
            for hash in &commit.gone {
                waiting.remove(hash.as_bytes()).map_err(failed)?;
            }
            let mut meta = write.open_table(META).map_err(failed)?;
            if let Some(head) = &commit.head {
                meta.insert("head", head.as_bytes().as_slice()).map_err(failed)?;
            }
            if let Some((_, hash)) = commit.finalized.last() {
                meta.insert("final", hash.as_bytes().as_slice()).map_err(failed)?;
            }
        }
        write.commit().map_err(failed)
    }
}

impl Store {
    /// Makes the height index above the last final block equal to the chain that fork choice has found
    /// at start: LATE marks are gone, so it may be another one than when the store was last written.
    /// Transactions of blocks left thereby wait again, as after any other reorganisation, from `now` on.
    pub(crate) fn align_chain(&self, chain: &[(Height, Hash)], now: TimestampMs) -> Result<(), StoreError> {
        let Some((first, _)) = chain.first() else { return Ok(()) };
        let running_ms = self.running_ms()?;
        let write = self.begin_write()?;
        let mut same = true;
        {
            let mut index = write.open_table(CHAIN).map_err(failed)?;
            let mut stale = Vec::new();
            for row in index.range(first.get()..).map_err(failed)? {
                let (height, hash) = row.map_err(failed)?;
                stale.push((Height(height.value()), Hash(*hash.value())));
            }
            if stale != chain {
                same = false;
                let blocks = write.open_table(BLOCKS).map_err(failed)?;
                let mut waiting = write.open_table(WAITING).map_err(failed)?;
                for (height, hash) in stale {
                    index.remove(height.get()).map_err(failed)?;
                    if chain.contains(&(height, hash)) {
                        continue;
                    }
                    let block = block_of(&blocks, &hash)?;
                    self.note_left(&write, height, &hash, &block)?;
                    for bytes in block.transactions {
                        let hash = SignedTransaction::hash_bytes(&self.genesis_hash, &bytes);
                        let record = WaitingRecord { since: now, running_ms, bytes };
                        let key = hash.as_bytes();
                        waiting.insert(key, record::seal(key, &record).as_slice()).map_err(failed)?;
                    }
                }
                for (height, hash) in chain {
                    index.insert(height.get(), hash.as_bytes()).map_err(failed)?;
                    self.note_joined(&write, *height, hash, &block_of(&blocks, hash)?)?;
                }
                index::count_rows(&write)?;
            }
        }
        if same { write.abort().map_err(failed) } else { write.commit().map_err(failed) }
    }

    /// After the disk has failed: opens the file again and writes the turn, unless the failed try has
    /// reached the disk after all.
    pub(crate) fn reopen_and_commit(&self, commit: &Commit) -> Result<(), StoreError> {
        self.reopen()?;
        let all_there = commit
            .blocks
            .iter()
            .filter(|new| !commit.pruned.contains(&new.hash))
            .try_fold(true, |there, new| Ok::<bool, StoreError>(there && self.block(&new.hash)?.is_some()))?;
        let final_there = match commit.finalized.last() {
            Some((_, hash)) => self.meta_hash("final")? == *hash,
            None => true,
        };
        let pruned_gone = commit
            .pruned
            .iter()
            .try_fold(true, |gone, hash| Ok::<bool, StoreError>(gone && self.block(hash)?.is_none()))?;
        let head_there = match &commit.head {
            Some(head) => self.meta_hash("head")? == *head,
            None => true,
        };
        let fates_there = self.has_fates(&commit.fates)?;
        let rest_there = all_there && final_there && pruned_gone && head_there && fates_there;
        if rest_there && self.waits_as(&commit.waiting, &commit.gone)? {
            return Ok(());
        }
        self.commit(commit)
    }
}

/// Applies a final block's changes to the state that lies in the store.
fn fold(write: &WriteTransaction, height: Height, changes: &Changes) -> Result<(), StoreError> {
    let mut accounts = write.open_table(ACCOUNTS).map_err(failed)?;
    for (address, account) in &changes.accounts {
        let key = address.as_bytes();
        if account.balance == 0 && account.nonce == 0 {
            accounts.remove(key).map_err(failed)?;
        } else {
            accounts.insert(key, record::seal(key, account).as_slice()).map_err(failed)?;
        }
    }
    let mut producers = write.open_table(PRODUCERS).map_err(failed)?;
    let mut history = write.open_table(PRODUCER_HISTORY).map_err(failed)?;
    for (id, producer) in &changes.producers {
        let key: &Key = id.as_bytes();
        producers.insert(key, record::seal(key, producer).as_slice()).map_err(failed)?;
        let sealed = record::seal(&history_key(key, height.get()), producer);
        history.insert((key, height.get()), sealed.as_slice()).map_err(failed)?;
    }
    let mut meta = write.open_table(META).map_err(failed)?;
    meta.insert("supply", changes.supply.to_le_bytes().as_slice()).map_err(failed)?;
    Ok(())
}
