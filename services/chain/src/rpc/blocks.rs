//! Blocks, one and in lists.

use tonic::{Response, Status};
use vision_primitives::{Hash, Header, Height};
use vision_wire::chain::{self as proto, get_block_request::Id};
use vision_wire::page::{PageRequest, encode_token};
use vision_wire::{Reason, parse_hash};

use super::{ChainRpc, store_status};
use crate::peers::block_to_proto;
use crate::store::{BlockRecord, HeaderRecord, StoreError, Stretch};

/// Name of the ascending block list in its page tokens.
const BLOCK_LIST: &str = "blocks";
/// Name of the descending one.
const BLOCKS_BELOW: &str = "blocks below";

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
    fn genesis_info(&self) -> proto::BlockInfo {
        proto::BlockInfo {
            hash: self.rules.genesis_hash.to_string(),
            height: 0,
            tx_count: 0,
            block: Some(vision_wire::genesis_to_proto()),
            canonical: true,
            finalized: true,
            trace_id: self.trace_id(Height::GENESIS),
            size_bytes: 0,
        }
    }

    fn info(
        &self,
        hash: &Hash,
        header: HeaderRecord,
        transactions: Vec<Vec<u8>>,
        canonical: bool,
    ) -> Result<proto::BlockInfo, Status> {
        let height = height_in(hash, &header.header).map_err(|error| store_status(&error))?;
        let HeaderRecord { header, signature, tx_count, size_bytes } = header;
        Ok(proto::BlockInfo {
            hash: hash.to_string(),
            height: height.get(),
            tx_count,
            block: Some(block_to_proto(BlockRecord { header, signature, transactions })),
            canonical,
            finalized: canonical && height <= self.head().finalized_height,
            trace_id: self.trace_id(height),
            size_bytes,
        })
    }

    fn block_not_found(hash: Hash) -> Status {
        let metadata = [("hash", hash.to_string())];
        vision_wire::status(Reason::BlockNotFound, "no block of this hash is known", &metadata)
    }

    /// A stored block's height, and whether it is on the head's chain; read without its body.
    pub(super) async fn height_of(&self, hash: Hash) -> Result<(Height, bool), Status> {
        if hash == self.rules.genesis_hash {
            return Ok((Height::GENESIS, true));
        }
        let found = self.load(move |store| {
            let Some(record) = store.header(&hash)? else { return Ok(None) };
            let height = height_in(&hash, &record.header)?;
            Ok(Some((height, store.hash_at(height)? == Some(hash))))
        });
        found.await?.ok_or_else(|| Self::block_not_found(hash))
    }

    async fn block_by_hash(&self, hash: Hash, bodies: bool) -> Result<proto::BlockInfo, Status> {
        if hash == self.rules.genesis_hash {
            return Ok(self.genesis_info());
        }
        let found = self.load(move |store| {
            let (header, transactions) = if bodies {
                let Some(record) = store.block(&hash)? else { return Ok(None) };
                (HeaderRecord::of(&record), record.transactions)
            } else {
                let Some(header) = store.header(&hash)? else { return Ok(None) };
                (header, Vec::new())
            };
            let canonical = store.hash_at(height_in(&hash, &header.header)?)? == Some(hash);
            Ok(Some((header, transactions, canonical)))
        });
        let (header, transactions, canonical) = found.await?.ok_or_else(|| Self::block_not_found(hash))?;
        self.info(&hash, header, transactions, canonical)
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
            blocks.push(self.genesis_info());
        }
        let wanted = items - blocks.len();
        for (hash, header) in self.load(move |store| store.headers(stretch, wanted)).await? {
            blocks.push(self.info(&hash, header, Vec::new(), true)?);
        }
        let next_page_token = match stretch {
            Stretch::From(from) => {
                let next = blocks.last().map_or(from.get(), |last| last.height + 1);
                let more = !blocks.is_empty() && next <= self.head().height.get();
                more.then(|| encode_token(BLOCK_LIST, next))
            }
            Stretch::Below(below) => {
                if blocks.len() < items && below > Height::GENESIS {
                    blocks.push(self.genesis_info());
                }
                let lowest = blocks.last().map(|block| block.height).filter(|height| *height > 0);
                lowest.map(|height| encode_token(BLOCKS_BELOW, height))
            }
        };
        let next_page_token = next_page_token.unwrap_or_default();
        Ok(Response::new(proto::ListBlocksResponse { blocks, next_page_token }))
    }
}

fn height_in(hash: &Hash, header: &[u8]) -> Result<Height, StoreError> {
    let header = Header::from_bytes(header);
    header.map(|header| header.height).map_err(|error| StoreError::Corrupt(format!("block {hash}: {error}")))
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
