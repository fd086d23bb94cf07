//! Blocks, one and in lists.

use std::collections::BTreeMap;

use tonic::{Response, Status};
use vision_primitives::{Hash, Header, Height, NodeId, Pool, SignedTransaction, Slot, TimestampMs};
use vision_wire::chain::{self as proto, get_block_request::Id};
use vision_wire::page::{PageRequest, encode_token};
use vision_wire::types::Block;
use vision_wire::{Reason, parse_hash};

use super::{ChainRpc, store_status};
use crate::shown::About;
use crate::store::{HeaderRecord, StoreError, Stretch};

/// Name of the ascending block list in its page tokens.
const BLOCK_LIST: &str = "blocks";
/// Name of the descending one.
const BLOCKS_BELOW: &str = "blocks below";

/// A block as it was found in the store.
pub(super) struct Found {
    pub(super) hash: Hash,
    pub(super) header: Header,
    record: HeaderRecord,
    transactions: Vec<proto::Transaction>,
    canonical: bool,
}

/// A page of the block list as asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Page {
    stretch: Stretch,
    items: usize,
}

impl Page {
    fn parse(request: &proto::ListBlocksRequest) -> Result<Self, Status> {
        let (size, token) = (request.page_size, request.page_token.as_str());
        if request.before_height.is_some() && request.from_height != 0 {
            let why = "give from_height or before_height, not both";
            let metadata = [("field", "before_height".to_owned())];
            return Err(vision_wire::status(Reason::InvalidArgument, why, &metadata));
        }
        // A token alone goes on in its own direction.
        let below = PageRequest::parse(BLOCKS_BELOW, size, token).ok();
        if let Some(PageRequest { items, position: Some(height) }) = below {
            return Ok(Self { stretch: Stretch::Below(Height(height)), items });
        }
        let page = PageRequest::parse(BLOCK_LIST, size, token)?;
        let stretch = match (page.position, request.before_height) {
            (Some(height), _) => Stretch::From(Height(height)),
            (None, Some(height)) => Stretch::Below(Height(height)),
            (None, None) => Stretch::From(Height(request.from_height)),
        };
        Ok(Self { stretch, items: page.items })
    }
}

impl ChainRpc {
    /// Stored blocks as they are shown. Each comes with what is known of it; their parents' stamps are read
    /// where they are not among them.
    pub(super) async fn shown(&self, found: Vec<Found>) -> Result<Vec<proto::BlockInfo>, Status> {
        let stamps = found.iter().map(|found| (found.hash, found.header.timestamp_ms));
        let stamps: BTreeMap<Hash, TimestampMs> = stamps.collect();
        let mut shown = Vec::with_capacity(found.len());
        for Found { hash, header, record, transactions, canonical } in found {
            let parent_timestamp = match stamps.get(&header.parent) {
                Some(stamp) => *stamp,
                None => self.stamp_of(header.parent).await?,
            };
            let about = About {
                tx_count: record.tx_count,
                size_bytes: record.size_bytes,
                canonical,
                finalized: canonical && header.height <= self.head().finalized_height,
                parent_timestamp,
                missed: self.missed(&header).await?,
            };
            let block = Block {
                header: record.header.into(),
                signature: record.signature.into(),
                ..Block::default()
            };
            let info = self.shown.block(&hash, &header, about);
            shown.push(proto::BlockInfo { block: Some(block), transactions, ..info });
        }
        Ok(shown)
    }

    /// Blocks of the head's chain above block 0, without their transactions.
    pub(super) async fn headers(&self, stretch: Stretch, count: usize) -> Result<Vec<Found>, Status> {
        let found = self.load(move |store| {
            let found = store.headers(stretch, count)?.into_iter().map(|(hash, record)| {
                let header = decoded(&hash, &record.header)?;
                Ok(Found { hash, header, record, transactions: Vec::new(), canonical: true })
            });
            found.collect::<Result<Vec<_>, StoreError>>()
        });
        found.await
    }

    /// Time stamp of a block.
    pub(super) async fn stamp_of(&self, hash: Hash) -> Result<TimestampMs, Status> {
        if hash == self.rules.genesis_hash {
            return Ok(self.rules.genesis.time_ms);
        }
        let found = self.load(move |store| {
            let record = store.header(&hash)?;
            record.map(|record| decoded(&hash, &record.header)).transpose()
        });
        let header = found.await?.ok_or_else(|| Self::block_not_found(hash))?;
        Ok(header.timestamp_ms)
    }

    /// The slots before a block's that passed unused.
    async fn missed(&self, header: &Header) -> Result<Vec<(Slot, NodeId)>, Status> {
        // Nearly all blocks are made by the primary, and need no pool.
        if header.slot == Slot(0) {
            return Ok(Vec::new());
        }
        Ok(self.shown.missed(header, &self.main_pool(header).await?))
    }

    /// The pool that the first slots of a block's height were dealt over. The producers before the block are
    /// only looked at if the pool is not remembered.
    pub(super) async fn main_pool(&self, header: &Header) -> Result<Pool, Status> {
        if let Some(pool) = self.shown.main_pool(&header.pool_root) {
            return Ok(pool);
        }
        let (active, registered) = self.pools_after(header.parent).await?;
        if active.root() != header.pool_root {
            let why = format!("the producers before block {} are not those it names", header.height);
            return Err(store_status(&StoreError::Corrupt(why)));
        }
        self.shown.remember(&active);
        Ok(if active.is_empty() { registered } else { active })
    }

    fn block_not_found(hash: Hash) -> Status {
        let metadata = [("hash", hash.to_string())];
        vision_wire::status(Reason::BlockNotFound, "no block with this hash is known", &metadata)
    }

    /// A stored block's height, and whether it is on the head's chain; read without its body.
    pub(super) async fn height_of(&self, hash: Hash) -> Result<(Height, bool), Status> {
        if hash == self.rules.genesis_hash {
            return Ok((Height::GENESIS, true));
        }
        let found = self.load(move |store| {
            let Some(record) = store.header(&hash)? else { return Ok(None) };
            let height = decoded(&hash, &record.header)?.height;
            Ok(Some((height, store.hash_at(height)? == Some(hash))))
        });
        found.await?.ok_or_else(|| Self::block_not_found(hash))
    }

    async fn block_by_hash(&self, hash: Hash, bodies: bool) -> Result<proto::BlockInfo, Status> {
        if hash == self.rules.genesis_hash {
            return Ok(self.shown.genesis());
        }
        let genesis_hash = self.rules.genesis_hash;
        let found = self.load(move |store| {
            let (record, bodies) = if bodies {
                let Some(record) = store.block(&hash)? else { return Ok(None) };
                (HeaderRecord::of(&record), record.transactions)
            } else {
                let Some(record) = store.header(&hash)? else { return Ok(None) };
                (record, Vec::new())
            };
            let header = decoded(&hash, &record.header)?;
            let canonical = store.hash_at(header.height)? == Some(hash);
            let transactions = bodies.into_iter().map(|bytes| transaction(bytes, &genesis_hash));
            let transactions = transactions.collect::<Result<_, _>>()?;
            Ok(Some(Found { hash, header, record, transactions, canonical }))
        });
        let found = found.await?.ok_or_else(|| Self::block_not_found(hash))?;
        self.shown(vec![found]).await?.pop().ok_or_else(|| Self::block_not_found(hash))
    }

    pub(super) async fn block(
        &self,
        request: proto::GetBlockRequest,
    ) -> Result<Response<proto::GetBlockResponse>, Status> {
        let hash = match request.id {
            None => {
                let why = "give a height or a hash";
                return Err(vision_wire::status(Reason::InvalidArgument, why, &[("field", "id".into())]));
            }
            Some(Id::Hash(text)) => parse_hash("hash", &text)?,
            Some(Id::Height(height)) => self.hash_at(height).await?,
        };
        let block = self.block_by_hash(hash, !request.without_transactions).await?;
        Ok(Response::new(proto::GetBlockResponse { block: Some(block) }))
    }

    pub(super) async fn list(
        &self,
        request: &proto::ListBlocksRequest,
    ) -> Result<Response<proto::ListBlocksResponse>, Status> {
        let Page { stretch, items } = Page::parse(request)?;
        // Block 0 is not in the store.
        let mut blocks = Vec::new();
        if stretch == Stretch::From(Height::GENESIS) {
            blocks.push(self.shown.genesis());
        }
        let wanted = items - blocks.len();
        let found = self.headers(stretch, wanted).await?;
        blocks.extend(self.shown(found).await?);
        let next_page_token = match stretch {
            Stretch::From(from) => {
                let next = blocks.last().map_or(from.get(), |last| last.height + 1);
                let more = !blocks.is_empty() && next <= self.head().height.get();
                more.then(|| encode_token(BLOCK_LIST, next))
            }
            Stretch::Below(below) => {
                if blocks.len() < items && below > Height::GENESIS {
                    blocks.push(self.shown.genesis());
                }
                let lowest = blocks.last().map(|block| block.height).filter(|height| *height > 0);
                lowest.map(|height| encode_token(BLOCKS_BELOW, height))
            }
        };
        let next_page_token = next_page_token.unwrap_or_default();
        Ok(Response::new(proto::ListBlocksResponse { blocks, next_page_token }))
    }
}

fn decoded(hash: &Hash, header: &[u8]) -> Result<Header, StoreError> {
    Header::from_bytes(header).map_err(|error| StoreError::Corrupt(format!("block {hash}: {error}")))
}

fn transaction(bytes: Vec<u8>, genesis_hash: &Hash) -> Result<proto::Transaction, StoreError> {
    let signed = SignedTransaction::from_bytes(bytes, genesis_hash);
    let signed = signed.map_err(|error| StoreError::Corrupt(format!("a stored transaction: {error}")))?;
    Ok(vision_wire::transaction_to_proto(&signed))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages() {
        let (from, below) = (|height| Stretch::From(Height(height)), |height| Stretch::Below(Height(height)));
        let (up, down) = (encode_token(BLOCK_LIST, 7), encode_token(BLOCKS_BELOW, 7));
        let cases = [
            ("from block 0", 0, None, "", Some(from(0))),
            ("from a height", 3, None, "", Some(from(3))),
            ("below a height", 0, Some(3), "", Some(below(3))),
            ("below block 0", 0, Some(0), "", Some(below(0))),
            ("both", 3, Some(3), "", None),
            ("onward", 3, None, up.as_str(), Some(from(7))),
            ("downward", 0, Some(9), down.as_str(), Some(below(7))),
            ("downward by the token alone", 0, None, down.as_str(), Some(below(7))),
            ("no token of this list", 0, None, "ab", None),
        ];
        for (desc, from_height, before_height, token, expect) in cases {
            let request = proto::ListBlocksRequest {
                from_height,
                page_size: 5,
                page_token: token.to_owned(),
                before_height,
            };
            let page = Page::parse(&request).ok();
            assert_eq!(page, expect.map(|stretch| Page { stretch, items: 5 }), "{desc}");
        }
    }
}
