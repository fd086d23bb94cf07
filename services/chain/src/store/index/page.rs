//! Pages of transactions, read from the index.

use std::ops::Bound;

use redb::{ReadTransaction, ReadableTable};
use vision_primitives::{Address, Hash, Height, SignedTransaction};

use super::super::blocks::block_of;
use super::super::{BLOCKS, BlockRecord, CHAIN, Store, StoreError, failed};
use super::{BY_DATA, BY_SENDER, DATA, Indexed, Spot, split_data_key};

/// Rows looked at for one page that names a sender and data, or data that very many have.
const MAX_ROWS_PER_PAGE: usize = 65_536;
/// Transactions with the wanted data among which those of a page are picked; with more, all that publish data
/// are gone through, newest first.
pub(super) const MAX_PICKED_AMONG: usize = 8_192;
/// Bytes of blocks read for one page, past the first: a page ends there.
const MAX_READ_BYTES_PER_PAGE: usize = 16 << 20;

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
                let block = block_of(&blocks, &hash)?;
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
