//! Producer, sync-oracle and selection.

use std::net::SocketAddr;

use tonic::{Request, Response, Status};
use vision_test_support::not_played;
use vision_wire::producer::producer_service_server::{ProducerService, ProducerServiceServer};
use vision_wire::producer::{
    Claim, GetMiningStatusRequest, GetMiningStatusResponse, IsHeightClaimedRequest, IsHeightClaimedResponse,
    ListClaimsRequest, ListClaimsResponse, MiningStatus, WatchMiningStatusRequest, WatchMiningStatusResponse,
};
use vision_wire::selection::selection_service_server::{SelectionService, SelectionServiceServer};
use vision_wire::selection::{
    GetScheduleRequest, GetScheduleResponse, VerifySlotRequest, VerifySlotResponse,
};
use vision_wire::sync_oracle::sync_oracle_service_server::{SyncOracleService, SyncOracleServiceServer};
use vision_wire::sync_oracle::{
    GetEligiblePoolRequest, GetEligiblePoolResponse, GetNetworkHealthRequest, GetNetworkHealthResponse,
    GetSnapshotRequest, GetSnapshotResponse, ReportProducerRequest, ReportProducerResponse, Snapshot,
    SyncState, WatchNetworkHealthRequest, WatchNetworkHealthResponse, WatchSnapshotRequest,
    WatchSnapshotResponse,
};
use vision_wire::{EventKind, EventLog, ResponseStream};

use super::{Running, network};

#[derive(Clone)]
pub struct FakeProducer {
    pub log: EventLog<MiningStatus>,
}

pub fn mining_status(next_height: u64) -> MiningStatus {
    MiningStatus {
        next_height,
        current_winner: "aa".repeat(32),
        backups: vec!["bb".repeat(32), "cc".repeat(32)],
        my_node_id: "bb".repeat(32),
        my_slot: Some(1),
        eligible: true,
        sync_state: SyncState::AtTip.into(),
        local_height: next_height - 1,
        network_height: next_height - 1,
        lag_blocks: 0,
        eligible_pool_size: 3,
        ready_peers: 2,
        eligible_streak: 5,
        recent_claims: vec![Claim {
            height: 4,
            winner_id: "bb".repeat(32),
            tip_hash: "dd".repeat(32),
            claimed_at_ms: 1_702_668_960_000,
            slot_idx: 0,
            done: true,
            block_hash: "ee".repeat(32),
        }],
        not_eligible_because: String::new(),
        foreign_blocks: 0,
        highest_foreign_block: 0,
    }
}

impl FakeProducer {
    pub fn new() -> Self {
        let log = EventLog::new(1, 16);
        log.publish(mining_status(6));
        Self { log }
    }

    pub async fn serve(&self, address: SocketAddr) -> Running {
        let service = ProducerServiceServer::new(self.clone());
        Running::fake(address, |server| server.add(service)).await
    }
}

#[tonic::async_trait]
impl ProducerService for FakeProducer {
    type WatchMiningStatusStream = ResponseStream<WatchMiningStatusResponse>;

    async fn get_mining_status(
        &self,
        _: Request<GetMiningStatusRequest>,
    ) -> Result<Response<GetMiningStatusResponse>, Status> {
        Ok(Response::new(GetMiningStatusResponse { status: self.log.latest() }))
    }

    async fn list_claims(
        &self,
        _: Request<ListClaimsRequest>,
    ) -> Result<Response<ListClaimsResponse>, Status> {
        not_played()
    }

    async fn is_height_claimed(
        &self,
        _: Request<IsHeightClaimedRequest>,
    ) -> Result<Response<IsHeightClaimedResponse>, Status> {
        not_played()
    }

    async fn watch_mining_status(
        &self,
        request: Request<WatchMiningStatusRequest>,
    ) -> Result<Response<Self::WatchMiningStatusStream>, Status> {
        let watch = self.log.subscribe(&request.into_inner().cursor)?;
        Ok(Response::new(watch.respond(|item| WatchMiningStatusResponse {
            cursor: item.cursor,
            heartbeat: item.kind == EventKind::Heartbeat,
            status: Some(item.event),
        })))
    }
}

struct FakeOracle;

pub async fn serve_oracle(address: SocketAddr) -> Running {
    Running::fake(address, |server| server.add(SyncOracleServiceServer::new(FakeOracle))).await
}

#[tonic::async_trait]
impl SyncOracleService for FakeOracle {
    async fn get_network_health(
        &self,
        _: Request<GetNetworkHealthRequest>,
    ) -> Result<Response<GetNetworkHealthResponse>, Status> {
        Ok(Response::new(GetNetworkHealthResponse { health: Some(network::health()) }))
    }
    type WatchNetworkHealthStream = ResponseStream<WatchNetworkHealthResponse>;
    async fn watch_network_health(
        &self,
        _: Request<WatchNetworkHealthRequest>,
    ) -> Result<Response<Self::WatchNetworkHealthStream>, Status> {
        not_played()
    }
    async fn report_producer(
        &self,
        _: Request<ReportProducerRequest>,
    ) -> Result<Response<ReportProducerResponse>, Status> {
        not_played()
    }
    type WatchSnapshotStream = ResponseStream<WatchSnapshotResponse>;

    async fn get_snapshot(
        &self,
        _: Request<GetSnapshotRequest>,
    ) -> Result<Response<GetSnapshotResponse>, Status> {
        let snapshot = Snapshot {
            state: SyncState::CatchingUp.into(),
            ready_peers: 2,
            network_height: 6,
            lag_blocks: 1,
            eligible: false,
            not_eligible_because: "LAGGING: 1 block behind".into(),
            ..Snapshot::default()
        };
        Ok(Response::new(GetSnapshotResponse { snapshot: Some(snapshot) }))
    }

    async fn watch_snapshot(
        &self,
        _: Request<WatchSnapshotRequest>,
    ) -> Result<Response<Self::WatchSnapshotStream>, Status> {
        not_played()
    }

    async fn get_eligible_pool(
        &self,
        _: Request<GetEligiblePoolRequest>,
    ) -> Result<Response<GetEligiblePoolResponse>, Status> {
        not_played()
    }
}

struct FakeSelection;

pub async fn serve_selection(address: SocketAddr) -> Running {
    Running::fake(address, |server| server.add(SelectionServiceServer::new(FakeSelection))).await
}

#[tonic::async_trait]
impl SelectionService for FakeSelection {
    async fn get_schedule(
        &self,
        _: Request<GetScheduleRequest>,
    ) -> Result<Response<GetScheduleResponse>, Status> {
        not_played()
    }

    async fn verify_slot(
        &self,
        _: Request<VerifySlotRequest>,
    ) -> Result<Response<VerifySlotResponse>, Status> {
        not_played()
    }
}
