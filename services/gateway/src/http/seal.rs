//! Who signed the header of a proof, so that nobody must be believed about the header either.

use tonic::Status;
use vision_primitives::{Hash, Header};
use vision_wire::{Reason, status};

use crate::adapters::Backends;
use crate::ports::BlockId;
use crate::views::SealView;

/// The signature over a header and the key it is by; nothing for block 0, and for a block the node has left since.
pub(super) async fn of(
    backends: &Backends,
    genesis_hash: &Hash,
    header: Option<&[u8]>,
) -> Result<Option<SealView>, Status> {
    let Some(bytes) = header.filter(|bytes| !bytes.is_empty()) else { return Ok(None) };
    let header = Header::from_bytes(bytes).map_err(|error| {
        status(Reason::Internal, format!("chain sent a header that does not decode: {error}"), &[])
    })?;
    let hash = Header::hash_bytes(genesis_hash, bytes);
    // A producer owns a slot only if it is registered in the state after the block before.
    let before = BlockId::Height(header.height.get().saturating_sub(1));
    let (block, registry) = tokio::try_join!(backends.bare_block(&hash), backends.producers(Some(before)))?;
    let Some(block) = block.and_then(|block| block.block) else { return Ok(None) };
    let producer = header.producer.to_string();
    let key = registry.registered.into_iter().find(|known| known.node_id == producer);
    Ok(Some(SealView::new(&block.signature, producer, key.map(|known| known.public_key))))
}
