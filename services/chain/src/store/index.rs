//! Transactions of the head's chain by their senders and by the data they publish.
//!
//! Rows have no value where the key says all, and go with their block when the head's chain leaves it, so
//! that a page is read from nothing but rows of that chain. How many there are is written with every change:
//! an index that is not whole is refused when the store is opened.

use std::collections::BTreeSet;
use std::ops::Bound;

use redb::{ReadTransaction, ReadableTable, ReadableTableMetadata, TableDefinition, WriteTransaction};
use vision_primitives::{Action, Address, Hash, Header, Height, SignedTransaction};

use super::transactions::note_places;
use super::{BLOCKS, BlockRecord, CHAIN, Key, META, Store, StoreError, failed, u64_of};

/// Bytes of a transaction's data that it is found by.
pub(crate) const MAX_DATA_HEAD_BYTES: usize = 64;
/// Rows looked at for one page that names a sender and data, or data that very many have.
const MAX_ROWS_PER_PAGE: usize = 65_536;
/// Transactions with the wanted data among which those of a page are picked; with more, all that publish data
/// are gone through, newest first.
const MAX_PICKED_AMONG: usize = 8_192;
/// Bytes of blocks read for one page, past the first: a page ends there.
const MAX_READ_BYTES_PER_PAGE: usize = 16 << 20;
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

/// Where a transaction of the head's chain is: height and index in the block.
pub(super) type Spot = (u64, u32);

/// Which transactions are wanted.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Wanted {
    /// Those of a sender.
    Sender(Address),
    /// Those with data that begins with these bytes, at least one and at most [`MAX_DATA_HEAD_BYTES`].
    Data(Vec<u8>),
    /// Those of a sender with such data.
    Both(Address, Vec<u8>),
}

impl Wanted {
    fn takes(&self, found: &Indexed) -> bool {
        match self {
            Self::Sender(sender) => found.sender == *sender,
            Self::Data(prefix) => found.head.starts_with(prefix),
            Self::Both(sender, prefix) => found.sender == *sender && found.head.starts_with(prefix),
        }
    }
}

/// A transaction of the head's chain.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Listed {
    /// Height of its block.
    pub height: Height,
    /// Hash of its block.
    pub block: Hash,
    /// Position in the block.
    pub index: u32,
    /// The transaction.
    pub transaction: SignedTransaction,
}

/// Transactions of the head's chain, newest first.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct TransactionPage {
    /// They.
    pub found: Vec<Listed>,
    /// Where to go on, below this spot, if there may be more.
    pub next: Option<Spot>,
    /// Height of the head when they were read.
    pub up_to: Height,
}

impl Store {
    /// A page of the transactions wanted, newest first, below a spot: at most `items`, and past the first at
    /// most `max_bytes` of them. A page may be short, or even empty, though more follow.
    pub(crate) fn list(
        &self,
        wanted: &Wanted,
        below: Option<Spot>,
        items: usize,
        max_bytes: usize,
    ) -> Result<TransactionPage, StoreError> {
        let read = self.begin_read()?;
        let chain = read.open_table(CHAIN).map_err(failed)?;
        let head = chain.last().map_err(failed)?.map_or(0, |(height, _)| height.value());
        let below = below.unwrap_or((u64::MAX, 0));
        let (spots, mut next) = spots(&read, wanted, below, items)?;
        let blocks = read.open_table(BLOCKS).map_err(failed)?;
        let mut found: Vec<Listed> = Vec::new();
        let mut open: Option<(u64, Hash, BlockRecord)> = None;
        let (mut bytes, mut read_bytes) = (0, 0);
        for (height, index) in spots {
            if open.as_ref().is_none_or(|(at, ..)| *at != height) {
                if read_bytes > MAX_READ_BYTES_PER_PAGE {
                    next = found.last().map(|last| (last.height.get(), last.index));
                    break;
                }
                let hash = chain.get(height).map_err(failed)?.map(|hash| Hash(*hash.value()));
                let hash = hash.ok_or_else(|| unfit(height, index))?;
                let block = super::write::block_of(&blocks, &hash)?;
                read_bytes += block.size_bytes();
                open = Some((height, hash, block));
            }
            let Some((_, block, record)) = &open else { continue };
            let at = usize::try_from(index).ok().and_then(|index| record.transactions.get(index));
            let transaction = self.decode(block, at.ok_or_else(|| unfit(height, index))?)?;
            if !wanted.takes(&Indexed::of(&transaction)) {
                return Err(unfit(height, index));
            }
            bytes += transaction.bytes().len();
            if !found.is_empty() && bytes > max_bytes {
                next = found.last().map(|last| (last.height.get(), last.index));
                break;
            }
            found.push(Listed { height: Height(height), block: *block, index, transaction });
        }
        Ok(TransactionPage { found, next, up_to: Height(head) })
    }

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
                let block = super::write::block_of(&blocks, &hash)?;
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

fn unfit(height: u64, index: u32) -> StoreError {
    StoreError::Corrupt(format!("the index does not fit transaction {index} of the block at height {height}"))
}

/// Spots of the transactions wanted, newest first, below a spot, at most `items`; and where to go on.
fn spots(
    read: &ReadTransaction,
    wanted: &Wanted,
    below: Spot,
    items: usize,
) -> Result<(Vec<Spot>, Option<Spot>), StoreError> {
    match wanted {
        Wanted::Sender(sender) => of_sender(read, sender, None, below, items),
        Wanted::Both(sender, prefix) => of_sender(read, sender, Some(prefix), below, items),
        Wanted::Data(prefix) => match picked(read, prefix)? {
            Some(mut spots) => {
                spots.retain(|spot| *spot < below);
                spots.sort_unstable_by(|a, b| b.cmp(a));
                let more = spots.len() > items;
                spots.truncate(items);
                let next = spots.last().copied().filter(|_| more);
                Ok((spots, next))
            }
            None => with_data(read, prefix, below, items),
        },
    }
}

fn of_sender(
    read: &ReadTransaction,
    sender: &Address,
    prefix: Option<&[u8]>,
    below: Spot,
    items: usize,
) -> Result<(Vec<Spot>, Option<Spot>), StoreError> {
    let by_sender = read.open_table(BY_SENDER).map_err(failed)?;
    let data = read.open_table(DATA).map_err(failed)?;
    let key = sender.as_bytes();
    let rows = by_sender.range((key, 0, 0)..(key, below.0, below.1)).map_err(failed)?;
    let mut spots = Vec::new();
    for (looked_at, row) in rows.rev().enumerate() {
        let (row, _) = row.map_err(failed)?;
        let (_, height, index) = row.value();
        if spots.len() == items || looked_at == MAX_ROWS_PER_PAGE {
            // Below the one before this one.
            return Ok((spots, Some((height, index + 1))));
        }
        let fits = match prefix {
            None => true,
            Some(prefix) => {
                let head = data.get((height, index)).map_err(failed)?;
                head.is_some_and(|head| head.value().starts_with(prefix))
            }
        };
        if fits {
            spots.push((height, index));
        }
    }
    Ok((spots, None))
}

/// All spots with the data, in no order; none if there are too many to pick from.
fn picked(read: &ReadTransaction, prefix: &[u8]) -> Result<Option<Vec<Spot>>, StoreError> {
    let by_data = read.open_table(BY_DATA).map_err(failed)?;
    let mut spots = Vec::new();
    let range = (Bound::Included(prefix), Bound::Unbounded);
    for (looked_at, row) in by_data.range::<&[u8]>(range).map_err(failed)?.enumerate() {
        let (key, _) = row.map_err(failed)?;
        if !key.value().starts_with(prefix) {
            break;
        }
        if looked_at == MAX_PICKED_AMONG {
            return Ok(None);
        }
        let (head, spot) = split_data_key(key.value())?;
        // Of shorter data the height may look like a part of it.
        if head.len() >= prefix.len() {
            spots.push(spot);
        }
    }
    Ok(Some(spots))
}

fn with_data(
    read: &ReadTransaction,
    prefix: &[u8],
    below: Spot,
    items: usize,
) -> Result<(Vec<Spot>, Option<Spot>), StoreError> {
    let data = read.open_table(DATA).map_err(failed)?;
    let mut spots = Vec::new();
    for (looked_at, row) in data.range(..below).map_err(failed)?.rev().enumerate() {
        let (spot, head) = row.map_err(failed)?;
        let (height, index) = spot.value();
        if spots.len() == items || looked_at == MAX_ROWS_PER_PAGE {
            return Ok((spots, Some((height, index + 1))));
        }
        if head.value().starts_with(prefix) {
            spots.push((height, index));
        }
    }
    Ok((spots, None))
}

#[cfg(test)]
mod tests;
