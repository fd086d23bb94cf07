//! The neighbours over gRPC.

use futures::StreamExt;
use futures::stream::BoxStream;
use tonic::{Code, Status};
use vision_host::Env;
use vision_primitives::{Hash, NodeId};
use vision_wire::chain::chain_service_client::ChainServiceClient;
use vision_wire::chain::{
    GetBlockRequest, GetChainInfoRequest, GetProducersRequest, GetProducersResponse, ListBlocksRequest,
    PrepareBlockRequest, PrepareBlockResponse, SubmitBlockRequest, SubmitBlockResponse,
    SubmitTransactionRequest, WatchBlocksRequest, WatchBlocksResponse, WatchHeadRequest, WatchHeadResponse,
    get_block_request, get_producers_request,
};
use vision_wire::selection::selection_service_client::SelectionServiceClient;
use vision_wire::selection::{GetScheduleRequest, GetScheduleResponse};
use vision_wire::sync_oracle::sync_oracle_service_client::SyncOracleServiceClient;
use vision_wire::sync_oracle::{
    GetEligiblePoolRequest, GetEligiblePoolResponse, ReportProducerRequest, WatchSnapshotRequest,
    WatchSnapshotResponse,
};
use vision_wire::watch::{Chance, WatchItem, resuming};
use vision_wire::{Connection, MAX_MESSAGE_BYTES, call, deadline, parse_hash};

use crate::ports::{Neighbours, SignedHeader};
use crate::{Config, Error};

/// How the called services are named in errors.
pub(crate) const CHAIN: &str = "chain";
pub(crate) const SYNC_ORACLE: &str = "sync-oracle";
pub(crate) const SELECTION: &str = "selection";

/// Headers asked for at once.
const HEADERS_PER_PAGE: u32 = 500;

/// The services behind their URLs.
#[derive(Clone)]
pub(crate) struct GrpcNeighbours {
    chain: ChainServiceClient<Connection>,
    oracle: SyncOracleServiceClient<Connection>,
    selection: SelectionServiceClient<Connection>,
    chance: Chance,
}

impl GrpcNeighbours {
    /// Connects when first used.
    ///
    /// # Errors
    /// [`Error::Url`] naming the key of a URL that cannot be called.
    pub(crate) fn new(config: &Config, env: &Env) -> Result<Self, Error> {
        let recorder = env.metrics.rpc_client().recorder();
        let connect = |key, url: &str| {
            vision_wire::connect(url, &recorder, &env.net).map_err(|source| Error::Url { key, source })
        };
        Ok(Self {
            chain: ChainServiceClient::new(connect("chain", &config.chain)?)
                .max_decoding_message_size(MAX_MESSAGE_BYTES)
                .max_encoding_message_size(MAX_MESSAGE_BYTES),
            oracle: SyncOracleServiceClient::new(connect("sync_oracle", &config.sync_oracle)?)
                .max_decoding_message_size(MAX_MESSAGE_BYTES),
            selection: SelectionServiceClient::new(connect("selection", &config.selection)?)
                .max_encoding_message_size(MAX_MESSAGE_BYTES),
            chance: env.randomness.numbers(),
        })
    }
}

impl Neighbours for GrpcNeighbours {
    fn watch_head(&self) -> BoxStream<'static, WatchItem<WatchHeadResponse>> {
        let client = self.chain.clone();
        let open = move |cursor: String| {
            let mut client = client.clone();
            async move { client.watch_head(WatchHeadRequest { cursor }).await }
        };
        resuming(CHAIN, &self.chance, open).boxed()
    }

    fn watch_blocks_of(&self, producer: NodeId) -> BoxStream<'static, WatchItem<WatchBlocksResponse>> {
        let client = self.chain.clone();
        let open = move |cursor: String| {
            let mut client = client.clone();
            let producer = producer.to_string();
            async move { client.watch_blocks(WatchBlocksRequest { cursor, producer }).await }
        };
        resuming(CHAIN, &self.chance, open).boxed()
    }

    fn watch_snapshot(&self) -> BoxStream<'static, WatchItem<WatchSnapshotResponse>> {
        let client = self.oracle.clone();
        let open = move |cursor: String| {
            let mut client = client.clone();
            async move { client.watch_snapshot(WatchSnapshotRequest { cursor }).await }
        };
        resuming(SYNC_ORACLE, &self.chance, open).boxed()
    }

    async fn report(&self, not_eligible_because: String) -> Result<(), Status> {
        let request = deadline(ReportProducerRequest { not_eligible_because });
        call(SYNC_ORACLE, self.oracle.clone().report_producer(request)).await.map(|_| ())
    }

    async fn pools(&self, parent: Hash) -> Result<GetEligiblePoolResponse, Status> {
        let request = deadline(GetEligiblePoolRequest { parent: parent.to_string() });
        call(SYNC_ORACLE, self.oracle.clone().get_eligible_pool(request)).await
    }

    async fn schedule(&self, question: GetScheduleRequest) -> Result<GetScheduleResponse, Status> {
        call(SELECTION, self.selection.clone().get_schedule(deadline(question))).await
    }

    async fn producers(&self, at: Hash) -> Result<GetProducersResponse, Status> {
        let at = Some(get_producers_request::At::Hash(at.to_string()));
        call(CHAIN, self.chain.clone().get_producers(deadline(GetProducersRequest { at }))).await
    }

    async fn genesis_hash(&self) -> Result<Hash, Status> {
        let info = call(CHAIN, self.chain.clone().get_chain_info(deadline(GetChainInfoRequest {}))).await?;
        parse_hash("genesis_hash", &info.genesis_hash)
    }

    async fn headers_down(&self, page_token: String) -> Result<(Vec<SignedHeader>, String), Status> {
        let request = ListBlocksRequest {
            before_height: Some(u64::MAX),
            page_size: HEADERS_PER_PAGE,
            page_token,
            ..ListBlocksRequest::default()
        };
        let page = call(CHAIN, self.chain.clone().list_blocks(deadline(request))).await?;
        let headers = page.blocks.into_iter().map(|info| {
            let block = info.block.unwrap_or_default();
            SignedHeader { header: block.header.to_vec(), signature: block.signature.to_vec() }
        });
        Ok((headers.collect(), page.next_page_token))
    }

    async fn is_canonical(&self, hash: Hash) -> Result<Option<bool>, Status> {
        let id = Some(get_block_request::Id::Hash(hash.to_string()));
        let request = deadline(GetBlockRequest { id, without_transactions: true });
        match call(CHAIN, self.chain.clone().get_block(request)).await {
            Ok(response) => Ok(response.block.map(|block| block.canonical)),
            Err(error) if error.code() == Code::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn prepare(&self, ask: PrepareBlockRequest) -> Result<PrepareBlockResponse, Status> {
        call(CHAIN, self.chain.clone().prepare_block(deadline(ask))).await
    }

    async fn submit(&self, block: SubmitBlockRequest) -> Result<SubmitBlockResponse, Status> {
        call(CHAIN, self.chain.clone().submit_block(deadline(block))).await
    }

    async fn submit_transaction(&self, bytes: Vec<u8>) -> Result<(), Status> {
        let request = deadline(SubmitTransactionRequest { transaction: bytes.into(), wait: false });
        call(CHAIN, self.chain.clone().submit_transaction(request)).await.map(|_| ())
    }
}
