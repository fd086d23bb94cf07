//! The services behind, over gRPC. Every call has a deadline and a named failure.

mod live;
mod transactions;

use std::time::Duration;

use bytes::Bytes;
use futures::Stream;
use tonic::Status;
use vision_host::Env;
use vision_host::health::{NotServing, check};
use vision_wire::chain::chain_service_client::ChainServiceClient;
use vision_wire::chain::get_block_request::Id;
use vision_wire::chain::{
    BlockInfo, GetBlockRequest, GetChainInfoRequest, GetChainInfoResponse, GetHeadRequest, Head,
    ListBlocksRequest,
};
use vision_wire::producer::producer_service_client::ProducerServiceClient;
use vision_wire::producer::{
    GetMiningStatusRequest, MiningStatus, WatchMiningStatusRequest, WatchMiningStatusResponse,
};
use vision_wire::rest::{Route, call_encoded};
use vision_wire::sync_oracle::sync_oracle_service_client::SyncOracleServiceClient;
use vision_wire::sync_oracle::{GetSnapshotRequest, Snapshot};
use vision_wire::watch::{Chance, WatchItem, resuming};
use vision_wire::{
    ChannelError, Connection, MAX_MESSAGE_BYTES, MAX_SHOWN_BLOCK_BYTES, Reason, call, connect,
    connect_for_streams, deadline, parse_hash, status,
};

use crate::config::Config;
use crate::ports::{BlockId, ChainInfo, Neighbour, Stretch};

/// Longest that a health check of a neighbour may take.
const HEALTH_DEADLINE: Duration = Duration::from_secs(2);

/// Clients of the four services. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Backends {
    chain: Connection,
    /// For calls that take long: a connection bears 256 calls at once, and these should not hold up the
    /// others.
    chain_long: Connection,
    /// For watches that last as long as somebody reads them.
    chain_watch: Connection,
    /// For watches of which each is read as slowly as its client reads.
    chain_streams: Connection,
    sync_oracle: Connection,
    selection: Connection,
    producer: Connection,
    /// Decides pauses.
    chance: Chance,
}

const CHAIN: &str = Neighbour::Chain.name();
const SYNC_ORACLE: &str = Neighbour::SyncOracle.name();
const PRODUCER: &str = Neighbour::Producer.name();

fn missing(service: &str, field: &str) -> Status {
    status(Reason::Internal, format!("{service} sent an answer without {field}"), &[])
}

impl Backends {
    pub(crate) fn new(config: &Config, env: &Env) -> Result<Self, ChannelError> {
        let (recorder, net) = (&env.metrics.rpc_client().recorder(), &env.net);
        Ok(Self {
            chain: connect(&config.chain, recorder, net)?,
            chain_long: connect(&config.chain, recorder, net)?,
            chain_watch: connect(&config.chain, recorder, net)?,
            chain_streams: connect_for_streams(&config.chain, recorder, net)?,
            sync_oracle: connect(&config.sync_oracle, recorder, net)?,
            selection: connect(&config.selection, recorder, net)?,
            producer: connect(&config.producer, recorder, net)?,
            chance: env.randomness.numbers(),
        })
    }

    fn chain(&self) -> ChainServiceClient<Connection> {
        ChainServiceClient::new(self.chain.clone()).max_decoding_message_size(MAX_MESSAGE_BYTES)
    }

    fn chain_long(&self) -> ChainServiceClient<Connection> {
        ChainServiceClient::new(self.chain_long.clone()).max_decoding_message_size(MAX_MESSAGE_BYTES)
    }

    /// Calls the method of a route of the protocol files; request and answer stay encoded.
    pub(crate) async fn ask(&self, route: &Route, request: Bytes) -> Result<Bytes, Status> {
        let (service, connection) = match route.package().as_str() {
            "vision.chain.v1" => (CHAIN, &self.chain),
            "vision.sync_oracle.v1" => (SYNC_ORACLE, &self.sync_oracle),
            "vision.selection.v1" => (Neighbour::Selection.name(), &self.selection),
            "vision.producer.v1" => (PRODUCER, &self.producer),
            other => return Err(status(Reason::Internal, format!("nobody answers for {other}"), &[])),
        };
        call_encoded(service, connection.clone(), &route.method, request).await
    }

    /// Asks a neighbour for its health.
    pub(crate) async fn health(&self, neighbour: Neighbour) -> Result<(), NotServing> {
        let channel = match neighbour {
            Neighbour::Chain => &self.chain,
            Neighbour::SyncOracle => &self.sync_oracle,
            Neighbour::Selection => &self.selection,
            Neighbour::Producer => &self.producer,
        };
        check(channel.inner().plain(), "", HEALTH_DEADLINE).await
    }

    /// The same as it was reported.
    pub(crate) async fn chain_info_message(&self) -> Result<GetChainInfoResponse, Status> {
        call(CHAIN, self.chain().get_chain_info(deadline(GetChainInfoRequest {}))).await
    }

    pub(crate) async fn chain_info(&self) -> Result<ChainInfo, Status> {
        let answer = self.chain_info_message().await?;
        Ok(ChainInfo {
            chain_id: answer.chain_id,
            genesis_hash: parse_hash("genesis_hash", &answer.genesis_hash)?,
            node_id: answer.node_id,
        })
    }

    pub(crate) async fn head(&self) -> Result<Head, Status> {
        let answer = call(CHAIN, self.chain().get_head(deadline(GetHeadRequest {}))).await?;
        answer.head.ok_or_else(|| missing(CHAIN, "head"))
    }

    pub(crate) async fn block(&self, id: BlockId) -> Result<BlockInfo, Status> {
        self.get_block(id, false).await
    }

    /// A block without its transactions.
    pub(crate) async fn block_head(&self, id: BlockId) -> Result<BlockInfo, Status> {
        self.get_block(id, true).await
    }

    async fn get_block(&self, id: BlockId, without_transactions: bool) -> Result<BlockInfo, Status> {
        let id = match id {
            BlockId::Height(height) => Id::Height(height),
            BlockId::Hash(hash) => Id::Hash(hash.to_string()),
        };
        let request = deadline(GetBlockRequest { id: Some(id), without_transactions });
        // Its size is known before, and room for it reserved.
        let mut client = self.chain().max_decoding_message_size(MAX_SHOWN_BLOCK_BYTES);
        call(CHAIN, client.get_block(request)).await?.block.ok_or_else(|| missing(CHAIN, "block"))
    }

    /// Blocks without their transactions.
    pub(crate) async fn blocks(&self, stretch: Stretch, page_size: u32) -> Result<Vec<BlockInfo>, Status> {
        let (from_height, before_height) = match stretch {
            Stretch::From(height) => (height, None),
            Stretch::Before(height) => (0, Some(height)),
        };
        let request = ListBlocksRequest { from_height, before_height, page_size, page_token: String::new() };
        Ok(call(CHAIN, self.chain().list_blocks(deadline(request))).await?.blocks)
    }

    pub(crate) async fn snapshot(&self) -> Result<Snapshot, Status> {
        let mut client = SyncOracleServiceClient::new(self.sync_oracle.clone());
        let answer = call(SYNC_ORACLE, client.get_snapshot(deadline(GetSnapshotRequest {}))).await?;
        answer.snapshot.ok_or_else(|| missing(SYNC_ORACLE, "snapshot"))
    }

    pub(crate) async fn mining_status(&self) -> Result<MiningStatus, Status> {
        let mut client = ProducerServiceClient::new(self.producer.clone());
        let answer = call(PRODUCER, client.get_mining_status(deadline(GetMiningStatusRequest {}))).await?;
        answer.status.ok_or_else(|| missing(PRODUCER, "status"))
    }

    pub(crate) fn watch_mining_status(
        &self,
    ) -> impl Stream<Item = WatchItem<WatchMiningStatusResponse>> + Send + use<> {
        let client = ProducerServiceClient::new(self.producer.clone());
        resuming(PRODUCER, &self.chance, move |cursor| {
            let mut client = client.clone();
            async move { client.watch_mining_status(WatchMiningStatusRequest { cursor }).await }
        })
    }
}
