//! Answers to questions for blocks, from the store.

use std::collections::VecDeque;

use tonic::Status;
use vision_host::Threads;
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

    /// Its blocks, one after the other, read on these threads. The one that makes them more than `max_bytes`
    /// is the last.
    pub(super) const fn read(self, store: Store, threads: Threads, max_bytes: usize) -> BlockReader {
        BlockReader { store, threads, left: Some(self), read: VecDeque::new(), bytes: 0, max_bytes }
    }

    /// The next blocks, and the question that is left after them. Blocks the thread.
    fn step(self, store: &Store) -> Result<(Vec<BlockRecord>, Option<Self>), Status> {
        let failed = |error| store_status(&error);
        let (from, count) = match self {
            Self::One(hash) => {
                let record = store.block(&hash).map_err(failed)?.ok_or_else(|| {
                    let metadata = [("hash", hash.to_string())];
                    vision_wire::status(Reason::BlockNotFound, format!("no block {hash}"), &metadata)
                })?;
                return Ok((vec![record], None));
            }
            Self::Stretch { locator, from, count } if locator.is_empty() => (from, count),
            Self::Stretch { locator, count, .. } => (after_locator(store, &locator)?, count),
        };
        let blocks = store.blocks_from(from, count.min(READ_BLOCKS), READ_BYTES).map_err(failed)?;
        let left = count.saturating_sub(blocks.len());
        let after = (0..blocks.len()).fold(from, |height, _| height.next());
        let goes_on = left > 0 && !blocks.is_empty();
        let rest = goes_on.then_some(Self::Stretch { locator: Vec::new(), from: after, count: left });
        Ok((blocks.into_iter().map(|(_, record)| record).collect(), rest))
    }
}

/// Reads the blocks of an answer. It holds no thread between two blocks.
pub(super) struct BlockReader {
    store: Store,
    threads: Threads,
    /// What is not read yet.
    left: Option<BlockQuery>,
    /// What is read and not given yet.
    read: VecDeque<BlockRecord>,
    /// What was given.
    bytes: usize,
    max_bytes: usize,
}

impl BlockReader {
    /// The next block; none after the last.
    pub(super) async fn next(&mut self) -> Result<Option<Block>, Status> {
        if self.bytes > self.max_bytes {
            return Ok(None);
        }
        while self.read.is_empty() {
            let Some(query) = self.left.take() else { return Ok(None) };
            let store = self.store.clone();
            let step = self.threads.work(move || query.step(&store)).await;
            // A panic in there is in the log, and ends this answer only.
            let broke = |_| vision_wire::status(Reason::Internal, "the blocks could not be read", &[]);
            let (read, left) = step.map_err(broke)??;
            (self.read, self.left) = (read.into(), left);
        }
        let record = self.read.pop_front();
        self.bytes = self.bytes.saturating_add(record.as_ref().map_or(0, BlockRecord::size_bytes));
        Ok(record.map(to_proto))
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
