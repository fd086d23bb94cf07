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

/// A position on the chain: how far somebody has been sent events.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Position {
    /// Height of the block.
    pub height: Height,
    /// The last transaction reported; at or above the last one of the block, all of it has been reported.
    pub index: u32,
    /// Hash of the block.
    pub block: Hash,
}

/// A block of the head's chain with transactions that have yet to be reported.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Unsent {
    /// Its height.
    pub height: Height,
    /// Its hash.
    pub block: Hash,
    /// The first transaction to report.
    pub from: u32,
    /// Signed bytes of all its transactions; of a block without any, none.
    pub transactions: Vec<Vec<u8>>,
}

impl Unsent {
    /// How far is reported with this block.
    pub(crate) fn end(&self) -> Position {
        let last = u32::try_from(self.transactions.len()).unwrap_or(u32::MAX).saturating_sub(1);
        Position { height: self.height, index: last, block: self.block }
    }
}

/// What comes next.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Ahead {
    /// Nobody knows: the block is known here neither as one of the head's chain nor as one that it has left.
    Unknown,
    /// The head's chain has left the block; before it the block's parent had been reported.
    Left(Position),
    /// These blocks, ascending; none at the head.
    Blocks(Vec<Unsent>),
}

impl Store {
    /// What comes after what has been reported, a part of it.
    pub(crate) fn ahead(&self, position: &Position) -> Result<Ahead, StoreError> {
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
        if self.canonical(&chain, position.height)? != Some(position.block) {
            let parent = match tx_count(&position.block)? {
                Some((header, _)) if header.height == position.height => Some(header.parent),
                Some(_) => None,
                None => {
                    let left = read.open_table(LEFT).map_err(failed)?;
                    let row = left.get((position.height.get(), position.block.as_bytes())).map_err(failed)?;
                    row.map(|parent| Hash(*parent.value()))
                }
            };
            let Some((parent, height)) = parent.zip(position.height.get().checked_sub(1)) else {
                return Ok(Ahead::Unknown);
            };
            let count = tx_count(&parent)?.map_or(0, |(_, count)| count);
            let index = count.saturating_sub(1);
            return Ok(Ahead::Left(Position { height: Height(height), index, block: parent }));
        }
        let (mut unsent, mut bytes) = (Vec::new(), 0);
        let rest =
            tx_count(&position.block)?.is_some_and(|(_, count)| u64::from(position.index) + 1 < count.into());
        if rest {
            let block = block_of(&blocks, &position.block)?;
            bytes += block.size_bytes();
            unsent.push(unsent_of(position.height, position.block, position.index + 1, block));
        }
        for row in chain.range(position.height.get() + 1..).map_err(failed)?.take(MAX_BLOCKS) {
            if bytes > MAX_BYTES {
                break;
            }
            let (height, hash) = row.map_err(failed)?;
            let (height, hash) = (Height(height.value()), Hash(*hash.value()));
            let missing = || StoreError::Corrupt(format!("header {hash} at height {height} is missing"));
            let (_, count) = tx_count(&hash)?.ok_or_else(missing)?;
            if count == 0 {
                unsent.push(Unsent { height, block: hash, from: 0, transactions: Vec::new() });
                continue;
            }
            let block = block_of(&blocks, &hash)?;
            bytes += block.size_bytes();
            unsent.push(unsent_of(height, hash, 0, block));
        }
        Ok(Ahead::Blocks(unsent))
    }

    /// All of the block at a height reported, whatever block is there; none above the head.
    pub(crate) fn position_at(&self, height: Height) -> Result<Option<Position>, StoreError> {
        let read = self.begin_read()?;
        let chain = read.open_table(CHAIN).map_err(failed)?;
        let Some(block) = self.canonical(&chain, height)? else { return Ok(None) };
        Ok(Some(Position { height, index: u32::MAX, block }))
    }

    /// Everything up to the head reported.
    pub(crate) fn position_now(&self) -> Result<Position, StoreError> {
        let read = self.begin_read()?;
        let chain = read.open_table(CHAIN).map_err(failed)?;
        let last = chain.last().map_err(failed)?;
        let (height, block) = match &last {
            None => (Height::GENESIS, self.genesis_hash),
            Some((height, hash)) => (Height(height.value()), Hash(*hash.value())),
        };
        Ok(Position { height, index: u32::MAX, block })
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

fn unsent_of(height: Height, block: Hash, from: u32, record: BlockRecord) -> Unsent {
    Unsent { height, block, from, transactions: record.transactions }
}
