//! The chain service over gRPC.

use futures::StreamExt;
use futures::stream::BoxStream;
use tonic::Status;
use vision_host::Env;
use vision_primitives::Hash;
use vision_sync_status::{HealthParams, STATUS_MAX_AGE_MS, SyncParams};
use vision_wire::chain::chain_service_client::ChainServiceClient;
use vision_wire::chain::{
    GetChainInfoRequest, GetChainInfoResponse, GetProducersRequest, GetProducersResponse,
    ReportSnapshotRequest, WatchHeadRequest, WatchHeadResponse, WatchNodesRequest, WatchNodesResponse,
    WatchPeersRequest, WatchPeersResponse, get_producers_request,
};
use vision_wire::sync_oracle::Snapshot;
use vision_wire::watch::{Chance, WatchItem, resuming};
use vision_wire::{
    ChannelError, Connection, MAX_MESSAGE_BYTES, Reason, call, connect, deadline, parse_hash, status,
};

use crate::ports::{Chain, PoolsAfter};

/// How the called service is named in errors.
const CHAIN: &str = "chain";

/// The chain service behind a URL.
#[derive(Clone)]
pub(crate) struct GrpcChain {
    client: ChainServiceClient<Connection>,
    chance: Chance,
}

impl GrpcChain {
    /// Connects when first used.
    pub(crate) fn new(url: &str, env: &Env) -> Result<Self, ChannelError> {
        let connection = connect(url, &env.metrics.rpc_client().recorder(), &env.net)?;
        let client = ChainServiceClient::new(connection).max_decoding_message_size(MAX_MESSAGE_BYTES);
        Ok(Self { client, chance: env.randomness.numbers() })
    }
}

impl Chain for GrpcChain {
    async fn sync_params(&self) -> Result<(SyncParams, Option<Hash>), Status> {
        let mut client = self.client.clone();
        let info = call(CHAIN, client.get_chain_info(deadline(GetChainInfoRequest {}))).await?;
        // Only traces need it, and nothing shall fail for them.
        Ok((read_params(&info)?, parse_hash("genesis_hash", &info.genesis_hash).ok()))
    }

    async fn pools(&self, hash: String) -> Result<PoolsAfter, Status> {
        let mut client = self.client.clone();
        let at = (!hash.is_empty()).then_some(get_producers_request::At::Hash(hash));
        let request = deadline(GetProducersRequest { at });
        Ok(read_pools(call(CHAIN, client.get_producers(request)).await?))
    }

    async fn health_params(&self) -> Result<HealthParams, Status> {
        let mut client = self.client.clone();
        let info = call(CHAIN, client.get_chain_info(deadline(GetChainInfoRequest {}))).await?;
        Ok(HealthParams {
            block_interval_ms: param(&info, "block_interval_ms")?,
            jitter_max_ms: param(&info, "jitter_max_ms")?,
            claim_timeout_ms: param(&info, "claim_timeout_ms")?,
            max_desync_blocks: param(&info, "max_desync_blocks")?,
            min_ready_peers: param(&info, "min_ready_peers")?,
        })
    }

    async fn report(&self, snapshot: Snapshot, makes_no_block_because: String) -> Result<(), Status> {
        let mut client = self.client.clone();
        let snapshot = Some(snapshot);
        let request = deadline(ReportSnapshotRequest { snapshot, makes_no_block_because });
        call(CHAIN, client.report_snapshot(request)).await.map(|_| ())
    }

    fn watch_head(&self) -> BoxStream<'static, WatchItem<WatchHeadResponse>> {
        let client = self.client.clone();
        let open = move |cursor: String| {
            let mut client = client.clone();
            async move { client.watch_head(WatchHeadRequest { cursor }).await }
        };
        resuming(CHAIN, &self.chance, open).boxed()
    }

    fn watch_peers(&self) -> BoxStream<'static, WatchItem<WatchPeersResponse>> {
        let client = self.client.clone();
        let open = move |cursor: String| {
            let mut client = client.clone();
            async move { client.watch_peers(WatchPeersRequest { cursor }).await }
        };
        resuming(CHAIN, &self.chance, open).boxed()
    }

    fn watch_nodes(&self) -> BoxStream<'static, WatchItem<WatchNodesResponse>> {
        let client = self.client.clone();
        let open = move |cursor: String| {
            let mut client = client.clone();
            async move { client.watch_nodes(WatchNodesRequest { cursor }).await }
        };
        resuming(CHAIN, &self.chance, open).boxed()
    }
}

fn param(info: &GetChainInfoResponse, name: &str) -> Result<u64, Status> {
    info.params.get(name).copied().ok_or_else(|| {
        let message =
            format!("the chain service does not report the parameter {name}: is it of this version?");
        status(Reason::DependencyUnavailable, message, &[("service", CHAIN.to_owned())])
    })
}

fn read_params(info: &GetChainInfoResponse) -> Result<SyncParams, Status> {
    let get = |name: &str| param(info, name);
    Ok(SyncParams {
        max_desync_blocks: get("max_desync_blocks")?,
        min_ready_peers: get("min_ready_peers")?,
        eligible_streak_required: get("eligible_streak_required")?,
        max_clock_drift_ms: get("max_clock_drift_ms")?,
        status_max_age_ms: STATUS_MAX_AGE_MS,
    })
}

fn read_pools(response: GetProducersResponse) -> PoolsAfter {
    PoolsAfter {
        height: response.height,
        hash: response.hash,
        active: response.active,
        registered: response.registered.into_iter().map(|producer| producer.node_id).collect(),
        pool_root: response.pool_root,
        registered_root: response.registered_root,
    }
}
