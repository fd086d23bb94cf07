//! An oracle that says what it is set to say, and a selection service that knows the function.

use std::sync::Arc;
use std::time::Duration;

use tonic::{Request, Response, Status};
use vision_primitives::{Hash, Height, NodeId, Pool, Slot, TimestampMs};
use vision_schedule::{Schedule, SlotTiming, epoch_salt, seed};
use vision_test_support::not_played;
use vision_wire::ResponseStream;
use vision_wire::selection::selection_service_server::SelectionService;
use vision_wire::selection::*;
use vision_wire::sync_oracle::sync_oracle_service_server::SyncOracleService;
use vision_wire::sync_oracle::*;

use super::Facts;

pub struct FakeOracle(pub Arc<Facts>);

impl FakeOracle {
    fn snapshot(facts: &Facts) -> Snapshot {
        let head = facts.head();
        let mut state = facts.state();
        state.snapshots += 1;
        let local_height = state.snapshot_local_height.unwrap_or(head.height);
        Snapshot {
            local_height,
            taken_at_ms: facts.clock.now_ms(),
            local_hash: head.hash,
            network_height: local_height,
            state: SyncState::AtTip.into(),
            streak: 5,
            ready_peers: 2,
            eligible: state.eligible,
            not_eligible_because: if state.eligible { String::new() } else { "BEHIND: for the test".into() },
            active_pool_size: state.active.len() as u64,
            ..Snapshot::default()
        }
    }
}

#[tonic::async_trait]
impl SyncOracleService for FakeOracle {
    async fn get_network_health(
        &self,
        _: Request<GetNetworkHealthRequest>,
    ) -> Result<Response<GetNetworkHealthResponse>, Status> {
        not_played()
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
        request: Request<ReportProducerRequest>,
    ) -> Result<Response<ReportProducerResponse>, Status> {
        self.0.state().reported = Some(request.into_inner().not_eligible_because);
        Ok(Response::new(ReportProducerResponse {}))
    }
    async fn get_snapshot(
        &self,
        _: Request<GetSnapshotRequest>,
    ) -> Result<Response<GetSnapshotResponse>, Status> {
        Ok(Response::new(GetSnapshotResponse { snapshot: Some(Self::snapshot(&self.0)) }))
    }

    type WatchSnapshotStream = ResponseStream<WatchSnapshotResponse>;

    async fn watch_snapshot(
        &self,
        _: Request<WatchSnapshotRequest>,
    ) -> Result<Response<Self::WatchSnapshotStream>, Status> {
        let facts = Arc::clone(&self.0);
        let ticks = futures::stream::unfold(facts, |facts| async {
            tokio::time::sleep(Duration::from_millis(20)).await;
            let snapshot = Some(Self::snapshot(&facts));
            Some((Ok(WatchSnapshotResponse { cursor: String::new(), heartbeat: false, snapshot }), facts))
        });
        Ok(Response::new(Box::pin(ticks)))
    }

    async fn get_eligible_pool(
        &self,
        request: Request<GetEligiblePoolRequest>,
    ) -> Result<Response<GetEligiblePoolResponse>, Status> {
        let parent = request.into_inner().parent;
        let head = self.0.head();
        let mut state = self.0.state();
        state.pools_asked += 1;
        let texts = |ids: &[NodeId]| ids.iter().map(Hash::to_string).collect::<Vec<_>>();
        let sorted = |ids: &[NodeId]| texts(Pool::new(ids.iter().copied()).ids());
        Ok(Response::new(GetEligiblePoolResponse {
            height: head.height + 1,
            parent,
            active: sorted(&state.active),
            registered: sorted(&state.registered),
            pool_root: head.pool_root,
        }))
    }
}

pub struct FakeSelection(pub Arc<Facts>);

#[tonic::async_trait]
impl SelectionService for FakeSelection {
    async fn get_schedule(
        &self,
        request: Request<GetScheduleRequest>,
    ) -> Result<Response<GetScheduleResponse>, Status> {
        self.0.state().schedules_asked += 1;
        let request = request.into_inner();
        let params = request.params.expect("the producer sends its parameters");
        let expect = SlotTiming::from(&self.0.genesis.params);
        let timing = SlotTiming {
            block_interval_ms: params.block_interval_ms.expect("sent"),
            claim_timeout_ms: params.claim_timeout_ms.expect("sent"),
            main_slots: params.backup_slots.expect("sent") + 1,
            jitter_min_ms: params.jitter_min_ms.expect("sent"),
            jitter_max_ms: params.jitter_max_ms.expect("sent"),
        };
        assert_eq!(timing, expect);
        let pool = |ids: &[String]| Pool::new(ids.iter().map(|id| id.parse().expect("a hash")));
        let entropy = request.entropy.parse().expect("a hash");
        let salt = epoch_salt(&request.chain_id);
        let schedule = Schedule::new(
            seed(&entropy, Height(request.height), &salt),
            pool(&request.active),
            pool(&request.registered),
            TimestampMs(request.parent_timestamp_ms),
            timing,
        )
        .expect("a schedule");
        let slots = request.slots.iter().map(|slot| {
            let window = schedule.window(Slot(*slot));
            ScheduledSlot {
                slot: *slot,
                node_id: window.owner.to_string(),
                jitter_ms: window.jitter_ms,
                opens_at_ms: window.opens_at.get(),
                closes_at_ms: window.closes_at.get(),
            }
        });
        Ok(Response::new(GetScheduleResponse {
            seed: schedule.seed().to_string(),
            epoch_salt: salt.to_string(),
            slots: slots.collect(),
        }))
    }

    async fn verify_slot(
        &self,
        _: Request<VerifySlotRequest>,
    ) -> Result<Response<VerifySlotResponse>, Status> {
        not_played()
    }
}
