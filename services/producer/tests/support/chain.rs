//! A chain service that accepts all but signatures and slots.

use std::sync::Arc;

use tonic::{Request, Response, Status};
use vision_primitives::{
    HEADER_VERSION, Hash, Header, Height, NodeId, Pool, Signature, Slot, Tag, TimestampMs, hash, merkle_root,
};
use vision_schedule::{Schedule, SlotTiming, epoch_salt, seed};
use vision_test_support::{PlayedChain, not_played, watch_heads};
use vision_wire::chain::*;
use vision_wire::{EventKind, Reason, ResponseStream, status, types};

use super::{Facts, Mood, Stored};

/// The chain service of a world.
pub struct TrustingChain(pub Arc<Facts>);

/// A header on this head.
pub fn header(
    head: &Head,
    slot: u64,
    producer: NodeId,
    stamp: TimestampMs,
    transactions: &[Vec<u8>],
) -> Header {
    let hashes: Vec<Hash> = transactions.iter().map(|bytes| hash(&[bytes])).collect();
    Header {
        version: HEADER_VERSION,
        height: Height(head.height + 1),
        parent: head.hash.parse().expect("a hash"),
        timestamp_ms: stamp,
        slot: Slot(slot),
        producer,
        tx_root: merkle_root(&hashes),
        state_root: Hash::ZERO,
        pool_root: head.pool_root.parse().expect("a hash"),
        weight: 0,
        certificate_hash: Hash::ZERO,
        reveal: Hash::ZERO,
        mix: Hash::ZERO,
    }
}

pub fn schedule(facts: &Facts, head: &Head) -> Schedule {
    let state = facts.state();
    let pool = |ids: &[NodeId]| Pool::new(ids.iter().copied());
    let entropy = head.entropy.parse().expect("a hash");
    Schedule::new(
        seed(&entropy, Height(head.height + 1), &epoch_salt(&facts.genesis.chain_id)),
        pool(&state.active),
        pool(&state.registered),
        TimestampMs(head.timestamp_ms),
        SlotTiming::from(&facts.genesis.params),
    )
    .expect("a schedule")
}

fn info(block: &Stored) -> BlockInfo {
    BlockInfo {
        hash: block.hash.to_string(),
        height: block.header.height.get(),
        canonical: true,
        block: Some(types::Block {
            header: block.header_bytes.clone().into(),
            signature: block.signature.clone().into(),
            ..types::Block::default()
        }),
        ..BlockInfo::default()
    }
}

impl TrustingChain {
    fn submit(&self, request: SubmitBlockRequest) -> Result<SubmitBlockResponse, Status> {
        let facts = &self.0;
        let header = Header::from_bytes(&request.header).expect("header bytes as prepared");
        let hash = Header::hash_bytes(&facts.genesis_hash, &request.header);
        let signature = Signature::from_slice(&request.signature).expect("64 bytes");
        let key = facts.key.public_key();
        key.verify(Tag::Block, &facts.genesis_hash, hash.as_bytes(), &signature).expect("a good signature");
        let (mood, body) = {
            let mut state = facts.state();
            state.submitted += 1;
            state.signed.entry(header.parent).or_default().push(hash);
            if state.blocks.iter().any(|block| block.hash == hash) {
                return Err(status(Reason::BlockKnown, "stored already", &[]));
            }
            let sent: Vec<Vec<u8>> = request.transactions.into_iter().map(|bytes| bytes.to_vec()).collect();
            state.bodies_sent += usize::from(!sent.is_empty());
            let body = match state.prepared.get(&hash) {
                Some(prepared) => prepared.clone(),
                None if sent.is_empty() && !header.tx_root.is_zero() => {
                    return Err(status(Reason::PreparedBlockGone, "the body is no longer kept", &[]));
                }
                None => sent,
            };
            (state.mood, body)
        };
        match mood {
            Mood::Dead => return Err(Status::unavailable("no answer")),
            Mood::Moved => return Err(status(Reason::TipChanged, "the head is another", &[])),
            Mood::Good | Mood::Mute => {}
        }
        let head = facts.head();
        if head.hash != header.parent.to_string() {
            return Err(status(Reason::TipChanged, "the head moved meanwhile", &[]));
        }
        let now = facts.clock.now_ms();
        assert!(header.timestamp_ms.get() <= now, "{:?} is later than {now}", header.timestamp_ms);
        let verdict = schedule(facts, &head).check(header.slot, &header.producer, header.timestamp_ms);
        verdict.expect("its own slot in its window");
        let hashes: Vec<Hash> = body.iter().map(|bytes| vision_primitives::hash(&[bytes])).collect();
        assert_eq!(merkle_root(&hashes), header.tx_root, "the whole body");
        let height = header.height.get();
        facts.store_signed(header, body, request.signature.to_vec());
        if mood == Mood::Mute {
            return Err(Status::unavailable("the answer is lost"));
        }
        Ok(SubmitBlockResponse {
            height,
            hash: hash.to_string(),
            became_head: true,
            sent_to: 2,
            send_failed: 0,
        })
    }
}

#[tonic::async_trait]
impl PlayedChain for TrustingChain {
    async fn get_chain_info(
        &self,
        _: Request<GetChainInfoRequest>,
    ) -> Result<Response<GetChainInfoResponse>, Status> {
        let other = self.0.state().other_genesis;
        let genesis_hash = if other { Hash([3; 32]) } else { self.0.genesis_hash }.to_string();
        Ok(Response::new(GetChainInfoResponse { genesis_hash, ..GetChainInfoResponse::default() }))
    }

    async fn get_head(&self, _: Request<GetHeadRequest>) -> Result<Response<GetHeadResponse>, Status> {
        Ok(Response::new(GetHeadResponse { head: Some(self.0.head()) }))
    }

    async fn get_block(
        &self,
        request: Request<GetBlockRequest>,
    ) -> Result<Response<GetBlockResponse>, Status> {
        let Some(get_block_request::Id::Hash(wanted)) = request.into_inner().id else { return not_played() };
        let state = self.0.state();
        let found = state.blocks.iter().find(|block| block.hash.to_string() == wanted);
        let found = found.ok_or_else(|| status(Reason::BlockNotFound, "no such block", &[]))?;
        Ok(Response::new(GetBlockResponse { block: Some(info(found)) }))
    }

    async fn list_blocks(
        &self,
        request: Request<ListBlocksRequest>,
    ) -> Result<Response<ListBlocksResponse>, Status> {
        let request = request.into_inner();
        let mut state = self.0.state();
        state.pages_asked += 1;
        let before = request.page_token.parse().ok().or(request.before_height).expect("newest first");
        let below = state.blocks.iter().rev().filter(|block| block.header.height.get() < before);
        let blocks: Vec<_> =
            below.take(request.page_size.min(state.page_blocks) as usize).map(info).collect();
        let more = blocks.last().filter(|last| last.height > 1).map(|last| last.height.to_string());
        Ok(Response::new(ListBlocksResponse { blocks, next_page_token: more.unwrap_or_default() }))
    }

    async fn watch_blocks(
        &self,
        request: Request<WatchBlocksRequest>,
    ) -> Result<Response<ResponseStream<WatchBlocksResponse>>, Status> {
        let events = self.0.stored.subscribe(&request.get_ref().cursor)?;
        Ok(Response::new(events.respond(|event| WatchBlocksResponse {
            cursor: event.cursor,
            heartbeat: event.kind != EventKind::New,
            begins: event.kind == EventKind::Current,
            header: event.event.0.into(),
            signature: event.event.1.into(),
        })))
    }

    async fn watch_head(
        &self,
        request: Request<WatchHeadRequest>,
    ) -> Result<Response<ResponseStream<WatchHeadResponse>>, Status> {
        watch_heads(&self.0.heads, request.get_ref())
    }

    async fn get_producers(
        &self,
        _: Request<GetProducersRequest>,
    ) -> Result<Response<GetProducersResponse>, Status> {
        let head = self.0.head();
        let state = self.0.state();
        Ok(Response::new(GetProducersResponse {
            height: head.height,
            hash: head.hash,
            active: state.active.iter().map(Hash::to_string).collect(),
            registered: state.records.clone(),
            ..GetProducersResponse::default()
        }))
    }

    async fn prepare_block(
        &self,
        request: Request<PrepareBlockRequest>,
    ) -> Result<Response<PrepareBlockResponse>, Status> {
        let request = request.into_inner();
        let head = self.0.head();
        if request.parent != head.hash {
            return Err(status(Reason::TipChanged, "the head is another", &[]));
        }
        let mut state = self.0.state();
        if head.height >= state.last_height {
            return Err(Status::unavailable("no more"));
        }
        let producer = request.producer.parse().expect("a hash");
        let stamp = TimestampMs(request.timestamp_ms);
        let body = std::mem::take(&mut state.waiting);
        let mut header = header(&head, request.slot, producer, stamp, &body);
        if let Some(bend) = state.bend {
            bend(&mut header);
        }
        let bytes = header.to_bytes();
        let hash = Header::hash_bytes(&self.0.genesis_hash, &bytes);
        state.prepared.insert(hash, body.clone());
        Ok(Response::new(PrepareBlockResponse {
            header: bytes.into(),
            hash: hash.to_string(),
            height: head.height + 1,
            tx_count: body.len() as u32,
            transactions: body.into_iter().map(Into::into).collect(),
        }))
    }

    async fn submit_block(
        &self,
        request: Request<SubmitBlockRequest>,
    ) -> Result<Response<SubmitBlockResponse>, Status> {
        self.submit(request.into_inner()).map(Response::new)
    }

    async fn submit_transaction(
        &self,
        request: Request<SubmitTransactionRequest>,
    ) -> Result<Response<SubmitTransactionResponse>, Status> {
        self.0.state().proofs.push(request.into_inner().transaction.to_vec());
        Ok(Response::new(SubmitTransactionResponse::default()))
    }
}
