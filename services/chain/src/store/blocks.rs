//! Blocks by hash, and by height on the head's chain.

use redb::ReadableTable;
use vision_primitives::{Hash, Height};

use super::{BLOCKS, BlockRecord, CHAIN, Key, Store, StoreError, failed, record};

impl Store {
    /// Hashes of the last final block's ancestors, its parent first, at most `count`.
    pub(crate) fn trail(&self, final_height: Height, count: u64) -> Result<Vec<Hash>, StoreError> {
        let lowest = final_height.get().saturating_sub(count);
        (lowest..final_height.get())
            .rev()
            .map(|height| {
                self.hash_at(Height(height))?
                    .ok_or_else(|| StoreError::Corrupt(format!("height {height} is missing")))
            })
            .collect()
    }

    /// A block by its hash; block 0 has no record.
    pub(crate) fn block(&self, hash: &Hash) -> Result<Option<BlockRecord>, StoreError> {
        let read = self.begin_read()?;
        let table = read.open_table(BLOCKS).map_err(failed)?;
        match table.get(hash.as_bytes()).map_err(failed)? {
            None => Ok(None),
            Some(value) => record::open("block", hash.as_bytes(), value.value()).map(Some),
        }
    }

    /// Hash of the block at a height of the head's chain.
    pub(crate) fn hash_at(&self, height: Height) -> Result<Option<Hash>, StoreError> {
        if height == Height::GENESIS {
            return Ok(Some(self.genesis_hash));
        }
        let read = self.begin_read()?;
        let table = read.open_table(CHAIN).map_err(failed)?;
        Ok(table.get(height.get()).map_err(failed)?.map(|hash| Hash(*hash.value())))
    }

    /// Blocks of the head's chain from a height upward, at most `count` of them and, past the first,
    /// at most `max_bytes`.
    pub(crate) fn blocks_from(
        &self,
        from: Height,
        count: usize,
        max_bytes: usize,
    ) -> Result<Vec<(Hash, BlockRecord)>, StoreError> {
        let read = self.begin_read()?;
        let chain = read.open_table(CHAIN).map_err(failed)?;
        let blocks = read.open_table(BLOCKS).map_err(failed)?;
        let (mut found, mut bytes) = (Vec::new(), 0_usize);
        for row in chain.range(from.get().max(1)..).map_err(failed)?.take(count) {
            let (height, hash) = row.map_err(failed)?;
            let key = hash.value();
            let value = blocks.get(key).map_err(failed)?.ok_or_else(|| {
                StoreError::Corrupt(format!("block {} at height {} is missing", Hash(*key), height.value()))
            })?;
            let block: BlockRecord = record::open("block", key, value.value())?;
            bytes += block.size_bytes();
            if !found.is_empty() && bytes > max_bytes {
                break;
            }
            found.push((Hash(*key), block));
        }
        Ok(found)
    }
}

/// A block that must be there.
pub(super) fn block_of(
    blocks: &impl ReadableTable<&'static Key, &'static [u8]>,
    hash: &Hash,
) -> Result<BlockRecord, StoreError> {
    let missing = || StoreError::Corrupt(format!("block {hash} is missing"));
    let sealed = blocks.get(hash.as_bytes()).map_err(failed)?.ok_or_else(missing)?;
    record::open("block", hash.as_bytes(), sealed.value())
}
