//! Who signed the header of a proof, so that nobody must be trusted for the header either.

use bytes::Bytes;
use tonic::Status;
use vision_primitives::{Hash, Header};

use super::{ChainRpc, store_status};
use crate::store::StoreError;

/// The signature over a header and the key it is by.
pub(super) struct Seal {
    pub(super) signature: Bytes,
    pub(super) producer: String,
    /// Empty where the registry of that time does not show it.
    pub(super) producer_public_key: String,
}

impl ChainRpc {
    /// Of a header with its hash; none if the node does not have the block any more.
    pub(super) async fn seal(&self, hash: Hash, header: &Header) -> Result<Option<Seal>, Status> {
        let Some(record) = self.load(move |store| store.header(&hash)).await? else { return Ok(None) };
        // A producer owns a slot only if it is registered in the state after the block before.
        let registry = self.registry(header.parent).await?;
        let producer = header.producer.to_string();
        let key = registry.registered.into_iter().find(|known| known.node_id == producer);
        Ok(Some(Seal {
            signature: record.signature.into(),
            producer_public_key: key.map(|known| known.public_key).unwrap_or_default(),
            producer,
        }))
    }

    /// A header that this node has stored.
    pub(super) fn own_header(bytes: &[u8]) -> Result<Header, Status> {
        let broken = |error| store_status(&StoreError::Corrupt(format!("a header of its own: {error}")));
        Header::from_bytes(bytes).map_err(broken)
    }
}
