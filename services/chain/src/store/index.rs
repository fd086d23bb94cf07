//! Transactions of the head's chain by their senders and by the data they publish.
//!
//! Rows have no value where the key says all, and go with their block when the head's chain leaves it, so
//! that a page is read from nothing but rows of that chain. How many there are is written with every change:
//! an index that is not whole is refused when the store is opened.

mod page;

use std::collections::BTreeSet;

use redb::{ReadableTable, ReadableTableMetadata, TableDefinition, WriteTransaction};
use vision_primitives::{Action, Address, Hash, Header, Height, SignedTransaction};

pub(crate) use page::Wanted;

use super::blocks::block_of;
use super::transactions::note_places;
use super::{BLOCKS, BlockRecord, CHAIN, Key, META, Store, StoreError, failed, u64_of};

/// Bytes of a transaction's data that it is found by.
pub(crate) const MAX_DATA_HEAD_BYTES: usize = 64;
/// Transactions indexed in one step of the upgrade.
const MAX_UPGRADE_STEP_TRANSACTIONS: usize = 100_000;
/// Blocks looked at in one step of the upgrade.
const MAX_UPGRADE_STEP_BLOCKS: usize = 10_000;
/// Blocks that the head's chain has left, of which is kept that it once had them.
const MAX_LEFT_BLOCKS: u64 = 65_536;

/// Sender, height and index in the block.
const BY_SENDER: TableDefinition<(&Key, u64, u32), ()> = TableDefinition::new("by_sender");
/// The first bytes of the data, and behind them the height and the index, big-endian.
const BY_DATA: TableDefinition<&[u8], ()> = TableDefinition::new("by_data");
/// The first bytes of the data by height and index.
const DATA: TableDefinition<(u64, u32), &[u8]> = TableDefinition::new("data");
/// Blocks that were on the head's chain, by height and hash, and their parents.
pub(super) const LEFT: TableDefinition<(u64, &Key), &Key> = TableDefinition::new("left");

/// Number of rows in the tables above, while they are whole.
const INDEXED: &str = "indexed";
/// The first height that has yet to be indexed, while they are being made.
const INDEXING: &str = "indexing";

/// Bytes of height and index behind the data of a row.
const PLACE_BYTES: usize = 12;

/// Where a transaction of the head's chain is: height and index in the block.
pub(super) type Spot = (u64, u32);

/// What the tables of places say of a transaction.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Indexed {
    /// Its hash.
    pub hash: Hash,
    /// The account that sent it.
    pub sender: Address,
    /// The first bytes of the data it publishes.
    head: Vec<u8>,
}

impl Indexed {
    /// That of a transaction.
    pub(crate) fn of(transaction: &SignedTransaction) -> Self {
        let head = match &transaction.transaction().action {
            Action::Data { bytes } => bytes[..bytes.len().min(MAX_DATA_HEAD_BYTES)].to_vec(),
            _ => Vec::new(),
        };
        Self { hash: transaction.hash(), sender: transaction.sender_address(), head }
    }
}

impl Store {
    fn decode(&self, block: &Hash, bytes: &[u8]) -> Result<SignedTransaction, StoreError> {
        SignedTransaction::from_bytes(bytes.to_vec(), &self.genesis_hash)
            .map_err(|error| StoreError::Corrupt(format!("block {block}: {error}")))
    }

    fn indexed(&self, block: &Hash, record: &BlockRecord) -> Result<Vec<Indexed>, StoreError> {
        let transactions = record.transactions.iter();
        transactions.map(|bytes| Ok(Indexed::of(&self.decode(block, bytes)?))).collect()
    }

    /// Notes where the transactions of a stored block are that joins the head's chain.
    pub(super) fn note_joined(
        &self,
        write: &WriteTransaction,
        height: Height,
        hash: &Hash,
        block: &BlockRecord,
    ) -> Result<(), StoreError> {
        note_spots(write, height, &self.indexed(hash, block)?)
    }

    /// Notes that the head's chain leaves a block: it goes out of the index.
    pub(super) fn note_left(
        &self,
        write: &WriteTransaction,
        height: Height,
        hash: &Hash,
        block: &BlockRecord,
    ) -> Result<(), StoreError> {
        let mut by_sender = write.open_table(BY_SENDER).map_err(failed)?;
        let mut by_data = write.open_table(BY_DATA).map_err(failed)?;
        let mut data = write.open_table(DATA).map_err(failed)?;
        for (transaction, index) in self.indexed(hash, block)?.iter().zip(0..) {
            by_sender.remove((transaction.sender.as_bytes(), height.get(), index)).map_err(failed)?;
            if !transaction.head.is_empty() {
                by_data.remove(data_key(&transaction.head, height, index).as_slice()).map_err(failed)?;
                data.remove((height.get(), index)).map_err(failed)?;
            }
        }
        let header = Header::from_bytes(&block.header)
            .map_err(|error| StoreError::Corrupt(format!("block {hash}: {error}")))?;
        let mut left = write.open_table(LEFT).map_err(failed)?;
        left.insert((height.get(), hash.as_bytes()), header.parent.as_bytes()).map_err(failed)?;
        if left.len().map_err(failed)? > MAX_LEFT_BLOCKS {
            left.pop_first().map_err(failed)?;
        }
        Ok(())
    }

    /// Whether the index is whole; goes on making one that is not finished.
    pub(super) fn check_index(&self) -> Result<(), StoreError> {
        if self.meta(INDEXING)?.is_some() {
            return self.make_index();
        }
        let read = self.begin_read()?;
        let counted = rows_of(
            read.open_table(BY_SENDER).map_err(failed)?.len().map_err(failed)?,
            read.open_table(BY_DATA).map_err(failed)?.len().map_err(failed)?,
            read.open_table(DATA).map_err(failed)?.len().map_err(failed)?,
        );
        if self.meta(INDEXED)?.as_deref() == Some(counted.as_slice()) {
            return Ok(());
        }
        Err(StoreError::Corrupt("the index of transactions is not whole".into()))
    }

    /// Begins to make the index of a store of format 4, which then has format 5, and finishes it.
    pub(super) fn upgrade_from_4(&self) -> Result<(), StoreError> {
        let write = self.begin_write()?;
        create(&write)?;
        {
            let mut meta = write.open_table(META).map_err(failed)?;
            meta.insert(INDEXING, 1_u64.to_le_bytes().as_slice()).map_err(failed)?;
            // From the first step on, so that no earlier program goes on with a part of the index.
            meta.insert("format", 5_u64.to_le_bytes().as_slice()).map_err(failed)?;
        }
        write.commit().map_err(failed)?;
        self.make_index()
    }

    fn make_index(&self) -> Result<(), StoreError> {
        tracing::info!("making the index of transactions");
        while !self.index_some(MAX_UPGRADE_STEP_BLOCKS)? {}
        Ok(())
    }

    /// One step of the upgrade, durable when it returns; whether it was the last.
    fn index_some(&self, max_blocks: usize) -> Result<bool, StoreError> {
        let write = self.begin_write()?;
        let mut is_done = true;
        {
            let from = self.meta(INDEXING)?.unwrap_or_default();
            let mut from = u64_of(INDEXING, &from)?;
            let chain = write.open_table(CHAIN).map_err(failed)?;
            let blocks = write.open_table(BLOCKS).map_err(failed)?;
            let (mut taken, mut transactions) = (0, 0);
            for row in chain.range(from..).map_err(failed)? {
                if taken == max_blocks || transactions >= MAX_UPGRADE_STEP_TRANSACTIONS {
                    is_done = false;
                    break;
                }
                let (height, hash) = row.map_err(failed)?;
                let (height, hash) = (Height(height.value()), Hash(*hash.value()));
                let block = block_of(&blocks, &hash)?;
                let spots = self.indexed(&hash, &block)?;
                index(&write, height, &spots)?;
                from = height.get() + 1;
                (taken, transactions) = (taken + 1, transactions + spots.len());
            }
            let mut meta = write.open_table(META).map_err(failed)?;
            if is_done {
                meta.remove(INDEXING).map_err(failed)?;
            } else {
                meta.insert(INDEXING, from.to_le_bytes().as_slice()).map_err(failed)?;
            }
        }
        if is_done {
            count_rows(&write)?;
        }
        write.commit().map_err(failed)?;
        Ok(is_done)
    }
}

/// Makes the tables, empty.
pub(super) fn create(write: &WriteTransaction) -> Result<(), StoreError> {
    write.open_table(BY_SENDER).map_err(failed)?;
    write.open_table(BY_DATA).map_err(failed)?;
    write.open_table(DATA).map_err(failed)?;
    write.open_table(LEFT).map_err(failed)?;
    Ok(())
}

/// Writes how many rows there are.
pub(super) fn count_rows(write: &WriteTransaction) -> Result<(), StoreError> {
    let rows = rows_of(
        write.open_table(BY_SENDER).map_err(failed)?.len().map_err(failed)?,
        write.open_table(BY_DATA).map_err(failed)?.len().map_err(failed)?,
        write.open_table(DATA).map_err(failed)?.len().map_err(failed)?,
    );
    let mut meta = write.open_table(META).map_err(failed)?;
    meta.insert(INDEXED, rows.as_slice()).map_err(failed)?;
    Ok(())
}

fn rows_of(by_sender: u64, by_data: u64, data: u64) -> Vec<u8> {
    [by_sender, by_data, data].map(u64::to_le_bytes).concat()
}

/// Notes where the transactions of a block are that joins the head's chain.
pub(super) fn note_spots(
    write: &WriteTransaction,
    height: Height,
    transactions: &[Indexed],
) -> Result<(), StoreError> {
    let hashes: Vec<Hash> = transactions.iter().map(|transaction| transaction.hash).collect();
    note_places(write, height, &hashes)?;
    index(write, height, transactions)
}

fn index(write: &WriteTransaction, height: Height, transactions: &[Indexed]) -> Result<(), StoreError> {
    let mut by_sender = write.open_table(BY_SENDER).map_err(failed)?;
    // In the order of the table each of its pages is come to once.
    let sorted: BTreeSet<(&Address, u32)> = transactions.iter().map(|it| &it.sender).zip(0..).collect();
    for (sender, index) in sorted {
        by_sender.insert((sender.as_bytes(), height.get(), index), ()).map_err(failed)?;
    }
    if transactions.iter().all(|transaction| transaction.head.is_empty()) {
        return Ok(());
    }
    let mut by_data = write.open_table(BY_DATA).map_err(failed)?;
    let mut data = write.open_table(DATA).map_err(failed)?;
    for (transaction, index) in transactions.iter().zip(0..) {
        if !transaction.head.is_empty() {
            by_data.insert(data_key(&transaction.head, height, index).as_slice(), ()).map_err(failed)?;
            data.insert((height.get(), index), transaction.head.as_slice()).map_err(failed)?;
        }
    }
    Ok(())
}

fn data_key(head: &[u8], height: Height, index: u32) -> Vec<u8> {
    [head, &height.get().to_be_bytes(), &index.to_be_bytes()].concat()
}

/// The data and the spot that a key of the table by data is made of.
fn split_data_key(key: &[u8]) -> Result<(&[u8], Spot), StoreError> {
    let at = key.len().saturating_sub(PLACE_BYTES);
    let (head, place) = key.split_at(at);
    let parts = place.split_first_chunk().zip(place.last_chunk());
    match parts {
        Some(((height, _), index)) if place.len() == PLACE_BYTES => {
            Ok((head, (u64::from_be_bytes(*height), u32::from_be_bytes(*index))))
        }
        _ => Err(StoreError::Corrupt("the index of data has a key that is too short".into())),
    }
}

#[cfg(test)]
mod tests;
