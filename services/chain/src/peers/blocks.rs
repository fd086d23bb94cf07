//! Answers to questions for blocks, from the store.

use tonic::Status;
use vision_primitives::{Hash, Header, Height};
use vision_wire::Reason;
use vision_wire::p2p::GetBlocksRequest;
use vision_wire::types::Block;

use crate::refusals::store_status;
use crate::store::{BlockRecord, Store};

/// Blocks read from the store at once.
const READ_BLOCKS: usize = 32;
/// Bytes read from the store at once, past the first block.
const READ_BYTES: usize = 1 << 20;

/// A question that is well formed.
pub(super) enum BlockQuery {
    /// One block.
    One(Hash),
    /// A stretch of the head's chain.
    Stretch {
        /// Starts after the first of these that is on the chain.
        locator: Vec<Hash>,
        /// Or, without a locator, here.
        from: Height,
        /// Most blocks.
        count: usize,
    },
}

fn hash(bytes: &[u8]) -> Result<Hash, Status> {
    bytes.try_into().map(Hash).map_err(|_| {
        vision_wire::status(Reason::InvalidHash, "a hash has 32 bytes", &[("field", "locator".into())])
    })
}

impl BlockQuery {
    /// Reads the message; a wish for more than `max_blocks` is cut to that.
    pub(super) fn parse(request: &GetBlocksRequest, max_blocks: usize) -> Result<Self, Status> {
        if !request.block_hash.is_empty() {
            return Ok(Self::One(hash(&request.block_hash)?));
        }
        let locator = request.locator.iter().map(|bytes| hash(bytes)).collect::<Result<_, _>>()?;
        let count = usize::try_from(request.max_blocks).unwrap_or(usize::MAX).clamp(1, max_blocks);
        Ok(Self::Stretch { locator, from: Height(request.from_height), count })
    }

    /// Passes block after block to `give` until it says stop, or, past the first, `max_bytes` are given.
    /// Blocks the thread.
    pub(super) fn run(
        self,
        store: &Store,
        max_bytes: usize,
        mut give: impl FnMut(Block) -> bool,
    ) -> Result<(), Status> {
        let failed = |error| store_status(&error);
        let (mut from, mut left) = match self {
            Self::One(hash) => {
                let record = store.block(&hash).map_err(failed)?.ok_or_else(|| {
                    let metadata = [("hash", hash.to_string())];
                    vision_wire::status(Reason::BlockNotFound, format!("no block {hash}"), &metadata)
                })?;
                give(to_proto(record));
                return Ok(());
            }
            Self::Stretch { locator, from, count } if locator.is_empty() => (from, count),
            Self::Stretch { locator, count, .. } => (after_locator(store, &locator)?, count),
        };
        let mut bytes = 0_usize;
        while left > 0 {
            let blocks = store.blocks_from(from, left.min(READ_BLOCKS), READ_BYTES).map_err(failed)?;
            if blocks.is_empty() {
                return Ok(());
            }
            for (_, record) in blocks {
                from = from.next();
                left -= 1;
                bytes = bytes.saturating_add(record.size_bytes());
                if !give(to_proto(record)) || bytes > max_bytes {
                    return Ok(());
                }
            }
        }
        Ok(())
    }
}

/// A stored block as it travels.
pub(super) fn to_proto(record: BlockRecord) -> Block {
    Block {
        header: record.header.into(),
        signature: record.signature.into(),
        transactions: record.transactions.into_iter().map(Into::into).collect(),
        certificate: Default::default(),
    }
}

/// The height after the first hash of the locator that is on the head's chain; 1 if none is.
fn after_locator(store: &Store, locator: &[Hash]) -> Result<Height, Status> {
    let failed = |error| store_status(&error);
    for hash in locator {
        let Some(record) = store.header(hash).map_err(failed)? else { continue };
        let Ok(header) = Header::from_bytes(&record.header) else { continue };
        if store.hash_at(header.height).map_err(failed)? == Some(*hash) {
            return Ok(header.height.next());
        }
    }
    Ok(Height(1))
}
