//! The tree of the last heights.

use tonic::Status;
use vision_primitives::Height;
use vision_wire::chain as proto;
use vision_wire::{Reason, status};

use super::ChainRpc;
use crate::actor::Core;
use crate::store::Stretch;

/// Heights told of when the caller does not say.
const DEFAULT_HEIGHTS: u32 = 16;
/// Most heights told of.
const MAX_HEIGHTS: u32 = 64;
/// Most blocks told of.
const MAX_BLOCKS: usize = 256;

impl ChainRpc {
    pub(super) async fn fork_tree(
        &self,
        request: &proto::GetForkTreeRequest,
    ) -> Result<proto::GetForkTreeResponse, Status> {
        let heights = match request.heights {
            0 => DEFAULT_HEIGHTS,
            heights @ 1..=MAX_HEIGHTS => heights,
            heights => {
                let why = format!("heights: 1 to {MAX_HEIGHTS}, got {heights}");
                return Err(status(Reason::InvalidArgument, why, &[("field", "heights".into())]));
            }
        };
        let open = self.core.read(move |core| {
            // What the disk did not take yet is nobody's business.
            if core.is_behind() {
                Err(Core::store_unavailable())
            } else {
                Ok(core.fork_tree(heights.into(), MAX_BLOCKS))
            }
        });
        let (lowest, final_height, mut blocks) = open.await?;
        if lowest < final_height {
            blocks.extend(self.final_blocks(lowest, final_height).await?);
        }
        blocks.sort_by(|a, b| (a.height, b.canonical, &a.hash).cmp(&(b.height, a.canonical, &b.hash)));
        blocks.drain(..blocks.len().saturating_sub(MAX_BLOCKS));
        Ok(proto::GetForkTreeResponse { blocks })
    }

    /// The blocks of the head's chain from a height up to, but without, the last final one.
    async fn final_blocks(&self, lowest: Height, last: Height) -> Result<Vec<proto::TreeBlock>, Status> {
        let count = usize::try_from(last.above(lowest)).unwrap_or(usize::MAX);
        let found = self.headers(Stretch::From(lowest), count).await?;
        let genesis = (lowest == Height::GENESIS).then(|| self.shown.genesis());
        let above = self.shown(found).await?;
        let below = |block: &proto::BlockInfo| block.height < last.get();
        Ok(genesis.into_iter().chain(above).filter(below).map(tree_block).collect())
    }
}

/// A final block.
fn tree_block(block: proto::BlockInfo) -> proto::TreeBlock {
    proto::TreeBlock {
        height: block.height,
        hash: block.hash,
        parent: block.parent,
        producer: block.producer,
        slot: block.slot,
        timestamp_ms: block.timestamp_ms,
        canonical: true,
        finalized: true,
        arrived_ms: block.arrived_ms,
        replaced_at_ms: None,
        replaced_because: String::new(),
    }
}
