//! The gRPC face: decode, read, encode.

use tonic::{Request, Response, Status};
use tracing::{Instrument as _, Span};
use vision_host::Clock;
use vision_host::text::cut_to;
use vision_wire::sync_oracle::sync_oracle_service_server::SyncOracleService;
use vision_wire::sync_oracle::{
    GetEligiblePoolRequest, GetEligiblePoolResponse, GetNetworkHealthRequest, GetNetworkHealthResponse,
    GetSnapshotRequest, GetSnapshotResponse, NetworkHealth, ReportProducerRequest, ReportProducerResponse,
    Snapshot, WatchNetworkHealthRequest, WatchNetworkHealthResponse, WatchSnapshotRequest,
    WatchSnapshotResponse,
};
use vision_wire::{EventKind, EventLog, Reason, ResponseStream, parse_hash, status};

use crate::pools::Pools;
use crate::ports::Chain;
use crate::producer_report::ProducerReport;

/// Most characters of the producer's reason that are passed on.
const MAX_WORD_CHARS: usize = 400;

/// Answers calls.
pub(crate) struct Rpc<C> {
    pub snapshots: EventLog<Snapshot>,
    pub pools: Pools<C>,
    pub judgements: EventLog<NetworkHealth>,
    pub producer: ProducerReport,
    pub clock: Clock,
}

impl<C> Rpc<C> {
    fn latest(&self) -> Result<Snapshot, Status> {
        self.snapshots
            .latest()
            .ok_or_else(|| status(Reason::NotReady, "no snapshot yet: try again shortly", &[]))
    }
}

#[tonic::async_trait]
impl<C: Chain> SyncOracleService for Rpc<C> {
    async fn get_snapshot(
        &self,
        _: Request<GetSnapshotRequest>,
    ) -> Result<Response<GetSnapshotResponse>, Status> {
        Ok(Response::new(GetSnapshotResponse { snapshot: Some(self.latest()?) }))
    }

    type WatchSnapshotStream = ResponseStream<WatchSnapshotResponse>;

    async fn watch_snapshot(
        &self,
        request: Request<WatchSnapshotRequest>,
    ) -> Result<Response<Self::WatchSnapshotStream>, Status> {
        let events = self.snapshots.subscribe(&request.get_ref().cursor)?;
        let stream = events.respond(|event| WatchSnapshotResponse {
            heartbeat: event.kind == EventKind::Heartbeat,
            cursor: event.cursor,
            snapshot: Some(event.event),
        });
        Ok(Response::new(stream))
    }

    async fn get_network_health(
        &self,
        _: Request<GetNetworkHealthRequest>,
    ) -> Result<Response<GetNetworkHealthResponse>, Status> {
        let none = || status(Reason::NotReady, "no judgement yet: try again shortly", &[]);
        let health = self.judgements.latest().ok_or_else(none)?;
        Ok(Response::new(GetNetworkHealthResponse { health: Some(health) }))
    }

    type WatchNetworkHealthStream = ResponseStream<WatchNetworkHealthResponse>;

    async fn watch_network_health(
        &self,
        request: Request<WatchNetworkHealthRequest>,
    ) -> Result<Response<Self::WatchNetworkHealthStream>, Status> {
        let events = self.judgements.subscribe(&request.get_ref().cursor)?;
        Ok(Response::new(events.respond(|event| WatchNetworkHealthResponse {
            heartbeat: event.kind == EventKind::Heartbeat,
            cursor: event.cursor,
            health: Some(event.event),
        })))
    }

    async fn report_producer(
        &self,
        request: Request<ReportProducerRequest>,
    ) -> Result<Response<ReportProducerResponse>, Status> {
        let because = cut_to(&request.into_inner().not_eligible_because, MAX_WORD_CHARS);
        self.producer.said(because, self.clock.monotonic_ms());
        Ok(Response::new(ReportProducerResponse {}))
    }

    async fn get_eligible_pool(
        &self,
        request: Request<GetEligiblePoolRequest>,
    ) -> Result<Response<GetEligiblePoolResponse>, Status> {
        let mut parent = request.into_inner().parent;
        if parent.is_empty() {
            parent = self.latest()?.local_hash;
        } else {
            parse_hash("parent", &parent)?;
        }
        if parent.is_empty() {
            return Err(status(Reason::NotReady, "the chain service has not reported its head yet", &[]));
        }
        let span = match Span::current().is_disabled() {
            true => Span::none(),
            false => tracing::info_span!("sync_oracle.pools.tell"),
        };
        let (height, pools) = self.pools.after(&parent).instrument(span).await?;
        Ok(Response::new(GetEligiblePoolResponse {
            height: height.saturating_add(1),
            parent,
            active: pools.active.clone(),
            registered: pools.registered.clone(),
            pool_root: pools.pool_root().to_owned(),
        }))
    }
}
