//! What the oracle needs of the world: this node's chain service.
//!
//! Ids and hashes stay the hex texts of the messages: the oracle hands them on and never looks inside.

use std::future::Future;

use futures::stream::BoxStream;
use tonic::Status;
use vision_primitives::Hash;
use vision_sync_status::{HealthParams, SyncParams};
use vision_wire::chain::{WatchHeadResponse, WatchNodesResponse, WatchPeersResponse};
use vision_wire::sync_oracle::Snapshot;
use vision_wire::watch::WatchItem;

/// The pools in the state after a block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PoolsAfter {
    /// The block's height.
    pub height: u64,
    /// The block's hash.
    pub hash: String,
    /// Active ids, ascending.
    pub active: Vec<String>,
    /// Registered ids, ascending.
    pub registered: Vec<String>,
    /// Commitment to the active pool.
    pub pool_root: String,
    /// Commitment to the registered pool.
    pub registered_root: String,
}

/// This node's chain service.
pub(crate) trait Chain: Clone + Send + Sync + 'static {
    /// The consensus parameters that shape the verdict, and the hash of block 0 if it is reported.
    fn sync_params(&self) -> impl Future<Output = Result<(SyncParams, Option<Hash>), Status>> + Send;
    /// The pools after a block; an empty hash means the head.
    fn pools(&self, hash: String) -> impl Future<Output = Result<PoolsAfter, Status>> + Send;
    /// The parameters that the rules of health are made of.
    fn health_params(&self) -> impl Future<Output = Result<HealthParams, Status>> + Send;
    /// Reports to the chain service the verdict, and why this node makes no block.
    fn report(
        &self,
        snapshot: Snapshot,
        makes_no_block_because: String,
    ) -> impl Future<Output = Result<(), Status>> + Send;
    /// The head now and whenever it moves; never ends.
    fn watch_head(&self) -> BoxStream<'static, WatchItem<WatchHeadResponse>>;
    /// The peers now and whenever they change; never ends.
    fn watch_peers(&self) -> BoxStream<'static, WatchItem<WatchPeersResponse>>;
    /// All nodes now and whenever they change; never ends.
    fn watch_nodes(&self) -> BoxStream<'static, WatchItem<WatchNodesResponse>>;
}
