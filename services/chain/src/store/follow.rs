//! What comes next for somebody who has been sent the transactions of the head's chain up to one of them.

use redb::ReadableTable;
use vision_primitives::{Hash, Header, Height};

use super::blocks::block_of;
use super::headers::HEADERS;
use super::index::LEFT;
use super::{BLOCKS, BlockRecord, CHAIN, HeaderRecord, Key, Store, StoreError, failed, record};

/// Blocks looked at in one step.
const MAX_BLOCKS: usize = 256;
/// Bytes of blocks that one step gives, past the first.
const MAX_BYTES: usize = 256 << 10;

/// How far somebody has been sent events: up to a transaction of a block.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Told {
    /// Height of the block.
    pub height: Height,
    /// The last transaction reported; at or above the last one of the block, all of it has been reported.
    pub index: u32,
    /// Hash of the block.
    pub block: Hash,
}

/// A block of the head's chain with transactions that have yet to be reported.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Untold {
    /// Its height.
    pub height: Height,
    /// Its hash.
    pub block: Hash,
    /// The first transaction to report.
    pub from: u32,
    /// Signed bytes of all its transactions; of a block without any, none.
    pub transactions: Vec<Vec<u8>>,
}

impl Untold {
    /// How far is reported with this block.
    pub(crate) fn told(&self) -> Told {
        let last = u32::try_from(self.transactions.len()).unwrap_or(u32::MAX).saturating_sub(1);
        Told { height: self.height, index: last, block: self.block }
    }
}

/// What comes next.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Ahead {
    /// Nobody knows: the block is known here neither as one of the head's chain nor as one that it has left.
    Unknown,
    /// The head's chain has left the block; before it the block's parent had been reported.
    Left(Told),
    /// These blocks, ascending; none at the head.
    Blocks(Vec<Untold>),
}

impl Store {
    /// What comes after what has been reported, a part of it.
    pub(crate) fn ahead(&self, told: &Told) -> Result<Ahead, StoreError> {
        let read = self.begin_read()?;
        let chain = read.open_table(CHAIN).map_err(failed)?;
        let blocks = read.open_table(BLOCKS).map_err(failed)?;
        let headers = read.open_table(HEADERS).map_err(failed)?;
        let tx_count = |hash: &Hash| match headers.get(hash.as_bytes()).map_err(failed)? {
            None => Ok(None),
            Some(sealed) => {
                let record: HeaderRecord = record::open("header", hash.as_bytes(), sealed.value())?;
                let header = Header::from_bytes(&record.header)
                    .map_err(|error| StoreError::Corrupt(format!("block {hash}: {error}")))?;
                Ok::<_, StoreError>(Some((header, record.tx_count)))
            }
        };
        if self.canonical(&chain, told.height)? != Some(told.block) {
            let parent = match tx_count(&told.block)? {
                Some((header, _)) if header.height == told.height => Some(header.parent),
                Some(_) => None,
                None => {
                    let left = read.open_table(LEFT).map_err(failed)?;
                    let row = left.get((told.height.get(), told.block.as_bytes())).map_err(failed)?;
                    row.map(|parent| Hash(*parent.value()))
                }
            };
            let Some((parent, height)) = parent.zip(told.height.get().checked_sub(1)) else {
                return Ok(Ahead::Unknown);
            };
            let count = tx_count(&parent)?.map_or(0, |(_, count)| count);
            let index = count.saturating_sub(1);
            return Ok(Ahead::Left(Told { height: Height(height), index, block: parent }));
        }
        let (mut untold, mut bytes) = (Vec::new(), 0);
        let rest = tx_count(&told.block)?.is_some_and(|(_, count)| u64::from(told.index) + 1 < count.into());
        if rest {
            let block = block_of(&blocks, &told.block)?;
            bytes += block.size_bytes();
            untold.push(untold_of(told.height, told.block, told.index + 1, block));
        }
        for row in chain.range(told.height.get() + 1..).map_err(failed)?.take(MAX_BLOCKS) {
            if bytes > MAX_BYTES {
                break;
            }
            let (height, hash) = row.map_err(failed)?;
            let (height, hash) = (Height(height.value()), Hash(*hash.value()));
            let missing = || StoreError::Corrupt(format!("header {hash} at height {height} is missing"));
            let (_, count) = tx_count(&hash)?.ok_or_else(missing)?;
            if count == 0 {
                untold.push(Untold { height, block: hash, from: 0, transactions: Vec::new() });
                continue;
            }
            let block = block_of(&blocks, &hash)?;
            bytes += block.size_bytes();
            untold.push(untold_of(height, hash, 0, block));
        }
        Ok(Ahead::Blocks(untold))
    }

    /// All of the block at a height reported, whatever block is there; none above the head.
    pub(crate) fn told_at(&self, height: Height) -> Result<Option<Told>, StoreError> {
        let read = self.begin_read()?;
        let chain = read.open_table(CHAIN).map_err(failed)?;
        let Some(block) = self.canonical(&chain, height)? else { return Ok(None) };
        Ok(Some(Told { height, index: u32::MAX, block }))
    }

    /// Everything up to the head reported.
    pub(crate) fn told_now(&self) -> Result<Told, StoreError> {
        let read = self.begin_read()?;
        let chain = read.open_table(CHAIN).map_err(failed)?;
        let last = chain.last().map_err(failed)?;
        let (height, block) = match &last {
            None => (Height::GENESIS, self.genesis_hash),
            Some((height, hash)) => (Height(height.value()), Hash(*hash.value())),
        };
        Ok(Told { height, index: u32::MAX, block })
    }

    fn canonical(
        &self,
        chain: &impl ReadableTable<u64, &'static Key>,
        height: Height,
    ) -> Result<Option<Hash>, StoreError> {
        if height == Height::GENESIS {
            return Ok(Some(self.genesis_hash));
        }
        Ok(chain.get(height.get()).map_err(failed)?.map(|hash| Hash(*hash.value())))
    }
}

fn untold_of(height: Height, block: Hash, from: u32, record: BlockRecord) -> Untold {
    Untold { height, block, from, transactions: record.transactions }
}
