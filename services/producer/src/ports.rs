//! What the producer needs of the world: the chain, sync-oracle and selection services of its node.

use std::future::Future;

use futures::stream::BoxStream;
use tonic::Status;
use vision_primitives::{Hash, NodeId};
use vision_wire::chain::{
    GetProducersResponse, PrepareBlockRequest, PrepareBlockResponse, SubmitBlockRequest, SubmitBlockResponse,
    WatchBlocksResponse, WatchHeadResponse,
};
use vision_wire::selection::{GetScheduleRequest, GetScheduleResponse};
use vision_wire::sync_oracle::{GetEligiblePoolResponse, WatchSnapshotResponse};
use vision_wire::watch::WatchItem;

/// A header as the chain service has it.
pub(crate) struct SignedHeader {
    /// Canonical bytes; empty for block 0.
    pub header: Vec<u8>,
    /// The signature, unchecked.
    pub signature: Vec<u8>,
}

/// The other services of this node. Every call has a deadline.
pub(crate) trait Neighbours: Clone + Send + Sync + 'static {
    /// The head now and whenever it moves; never ends.
    fn watch_head(&self) -> BoxStream<'static, WatchItem<WatchHeadResponse>>;
    /// Blocks of this producer as they are stored, on the head's chain or beside it; never ends.
    fn watch_blocks_of(&self, producer: NodeId) -> BoxStream<'static, WatchItem<WatchBlocksResponse>>;
    /// The oracle's verdict now and whenever there is a new one; never ends.
    fn watch_snapshot(&self) -> BoxStream<'static, WatchItem<WatchSnapshotResponse>>;
    /// Reports to the oracle why this node makes no block; empty if it may.
    fn report(&self, not_eligible_because: String) -> impl Future<Output = Result<(), Status>> + Send;
    /// The pools that the slots on this parent are dealt over.
    fn pools(&self, parent: Hash) -> impl Future<Output = Result<GetEligiblePoolResponse, Status>> + Send;
    /// Owners and windows of slots.
    fn schedule(
        &self,
        question: GetScheduleRequest,
    ) -> impl Future<Output = Result<GetScheduleResponse, Status>> + Send;
    /// The registry in the state after this block.
    fn producers(&self, at: Hash) -> impl Future<Output = Result<GetProducersResponse, Status>> + Send;
    /// Hash of block 0 of the chain that the chain service follows.
    fn genesis_hash(&self) -> impl Future<Output = Result<Hash, Status>> + Send;
    /// A page of the head's chain, newest first, and the token of the next one; empty at first and at the
    /// end.
    fn headers_down(
        &self,
        page_token: String,
    ) -> impl Future<Output = Result<(Vec<SignedHeader>, String), Status>> + Send;
    /// Whether this block is stored and on the head's chain; `None` if it is unknown.
    fn is_canonical(&self, hash: Hash) -> impl Future<Output = Result<Option<bool>, Status>> + Send;
    /// A block to sign.
    fn prepare(
        &self,
        ask: PrepareBlockRequest,
    ) -> impl Future<Output = Result<PrepareBlockResponse, Status>> + Send;
    /// Submits a signed block.
    fn submit(
        &self,
        block: SubmitBlockRequest,
    ) -> impl Future<Output = Result<SubmitBlockResponse, Status>> + Send;
    /// Submits a signed transaction.
    fn submit_transaction(&self, bytes: Vec<u8>) -> impl Future<Output = Result<(), Status>> + Send;
}
