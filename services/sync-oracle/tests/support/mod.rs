//! A chain service that says what the test wants, and the oracle beside it, both over real gRPC.
#![allow(dead_code)] // every test file uses a part of it

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tonic::transport::Channel;
use tonic::{Request, Response, Status};
use vision_host::server::GrpcServer;
use vision_host::{Env, Health};
use vision_primitives::{ConsensusParams, hash};
use vision_sync_oracle::Config;
use vision_test_support::{FakeChain, PlayedChain, Process, not_played, watch_heads};
#[allow(unused_imports)] // every test file uses a part of it
pub use vision_test_support::{PATIENCE, eventually, free_address};
use vision_wire::chain::*;
use vision_wire::sync_oracle::sync_oracle_service_client::SyncOracleServiceClient;
use vision_wire::sync_oracle::{GetSnapshotRequest, Snapshot};
use vision_wire::{EventKind, EventLog, Reason, ResponseStream, connect_lazy, status};

pub fn id(name: &str) -> String {
    hash(&[name.as_bytes()]).to_string()
}

type ActiveAndRegistered = (Vec<String>, Vec<String>);

/// What the fake chain service reports, and what is reported to it. Outlives its server.
pub struct Facts {
    heads: EventLog<Head>,
    peers: EventLog<Vec<Peer>>,
    nodes: EventLog<Vec<Node>>,
    /// Pools by the hash of their name.
    pools: Mutex<BTreeMap<String, ActiveAndRegistered>>,
    pub pool_questions: AtomicU64,
    pub reports: Mutex<Vec<Snapshot>>,
    /// Why this node makes no block, as last reported.
    pub makes_no_block_because: Mutex<String>,
    pub params: Mutex<ConsensusParams>,
    clock: vision_host::Clock,
}

impl Facts {
    pub fn new() -> Arc<Self> {
        let facts = Arc::new(Self {
            heads: EventLog::new(1, 64),
            peers: EventLog::new(1, 64),
            nodes: EventLog::new(1, 64),
            pools: Mutex::default(),
            pool_questions: AtomicU64::new(0),
            reports: Mutex::default(),
            makes_no_block_because: Mutex::default(),
            params: Mutex::new(ConsensusParams::default()),
            clock: vision_host::Clock::system(0),
        });
        facts.set_pools("three", &["a", "b", "c"], &["a", "b", "c"]);
        facts.set_head(10, "three");
        facts
    }

    pub fn set_pools(&self, name: &str, active: &[&str], registered: &[&str]) {
        let ids = |names: &[&str]| names.iter().map(|name| id(name)).collect();
        self.pools.lock().unwrap().insert(id(name), (ids(active), ids(registered)));
    }

    /// Moves the head; `pools` names the pools after it.
    pub fn set_head(&self, height: u64, pools: &str) {
        self.heads.publish(Head {
            height,
            hash: id(&format!("block {height} with {pools}")),
            pool_root: id(pools),
            registered_root: id(pools),
            ..Head::default()
        });
    }

    /// Moves the head to one that is stamped so far ahead of the clock.
    pub fn set_head_ahead(&self, height: u64, ahead_ms: u64) {
        self.heads.publish(Head {
            height,
            hash: id("a block ahead"),
            timestamp_ms: self.clock.now_ms() + ahead_ms,
            pool_root: id("three"),
            registered_root: id("three"),
            ..Head::default()
        });
    }

    /// Three producers: this one (`a`), and two more that have just been heard, but for those that are named
    /// as gone.
    pub fn set_nodes(&self, height: u64, gone: &[&str]) {
        let now_ms = self.clock.now_ms();
        let node = |(number, name): (usize, &&str)| Node {
            node_id: id(name),
            name: format!("node{}", number + 1),
            role: node::Role::Producer.into(),
            this_node: number == 0,
            connected: !gone.contains(name),
            height: Some(height),
            behind: Some(0),
            eligible: (!gone.contains(name)).then_some(true),
            last_seen_at_ms: (number > 0).then_some(now_ms),
            pending: (number == 0).then_some(4),
            ..Node::default()
        };
        self.nodes.publish(["a", "b", "c"].iter().enumerate().map(node).collect());
    }

    /// Moves the head to one that is stamped now.
    pub fn set_head_now(&self, height: u64) {
        self.set_head_ahead(height, 0);
    }

    /// Peers with these tips and clock offsets and a fresh status.
    pub fn set_peers(&self, peers: &[(u64, f64)]) {
        self.set_peers_of_age(peers, 0);
    }

    /// The same with a status of this age.
    pub fn set_peers_of_age(&self, peers: &[(u64, f64)], age_ms: u64) {
        let now = self.clock.now_ms();
        let peers = peers.iter().enumerate().map(|(index, (height, offset))| Peer {
            node_id: id(&format!("peer {index}")),
            height: *height,
            clock_offset_ms: Some(*offset),
            last_status_at_ms: now - age_ms,
            delivers: true,
            producer: true,
            ..Peer::default()
        });
        self.peers.publish(peers.collect());
    }

    /// Keeps the statuses of peers with these tips fresh while the returned guard lives.
    pub fn keep_peers(
        self: &Arc<Self>,
        peers: &'static [(u64, f64)],
    ) -> tokio_util::task::AbortOnDropHandle<()> {
        let facts = Arc::clone(self);
        tokio_util::task::AbortOnDropHandle::new(tokio::spawn(async move {
            loop {
                facts.set_peers(peers);
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        }))
    }
}

/// Reports what the facts are.
struct FactsChain(Arc<Facts>);

#[tonic::async_trait]
impl PlayedChain for FactsChain {
    async fn watch_nodes(
        &self,
        request: Request<WatchNodesRequest>,
    ) -> Result<Response<ResponseStream<WatchNodesResponse>>, Status> {
        let events = self.0.nodes.subscribe(&request.get_ref().cursor)?;
        Ok(Response::new(events.respond(|event| WatchNodesResponse {
            cursor: event.cursor,
            heartbeat: event.kind == EventKind::Heartbeat,
            nodes: event.event,
        })))
    }

    async fn get_chain_info(
        &self,
        _: Request<GetChainInfoRequest>,
    ) -> Result<Response<GetChainInfoResponse>, Status> {
        let table = self.0.params.lock().unwrap().table();
        let params = table.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        Ok(Response::new(GetChainInfoResponse { params, ..GetChainInfoResponse::default() }))
    }

    async fn watch_head(
        &self,
        request: Request<WatchHeadRequest>,
    ) -> Result<Response<ResponseStream<WatchHeadResponse>>, Status> {
        watch_heads(&self.0.heads, request.get_ref())
    }

    async fn watch_peers(
        &self,
        request: Request<WatchPeersRequest>,
    ) -> Result<Response<ResponseStream<WatchPeersResponse>>, Status> {
        let events = self.0.peers.subscribe(&request.get_ref().cursor)?;
        Ok(Response::new(events.respond(|event| WatchPeersResponse {
            cursor: event.cursor,
            heartbeat: event.kind == EventKind::Heartbeat,
            peers: event.event,
        })))
    }

    async fn get_producers(
        &self,
        request: Request<GetProducersRequest>,
    ) -> Result<Response<GetProducersResponse>, Status> {
        self.0.pool_questions.fetch_add(1, Ordering::SeqCst);
        let Some(get_producers_request::At::Hash(hash)) = request.into_inner().at else {
            return not_played();
        };
        let head = self.0.heads.latest().filter(|head| head.hash == hash);
        let Some(head) = head else { return Err(status(Reason::BlockNotFound, "never heard of it", &[])) };
        let (active, registered) = self.0.pools.lock().unwrap()[&head.pool_root].clone();
        let registered = registered.into_iter().map(|node_id| Producer { node_id, ..Producer::default() });
        Ok(Response::new(GetProducersResponse {
            height: head.height,
            hash,
            active,
            registered: registered.collect(),
            candidates: Vec::new(),
            pool_root: head.pool_root,
            registered_root: head.registered_root,
        }))
    }

    async fn report_snapshot(
        &self,
        request: Request<ReportSnapshotRequest>,
    ) -> Result<Response<ReportSnapshotResponse>, Status> {
        let request = request.into_inner();
        *self.0.makes_no_block_because.lock().unwrap() = request.makes_no_block_because;
        self.0.reports.lock().unwrap().extend(request.snapshot);
        Ok(Response::new(ReportSnapshotResponse {}))
    }
}

/// A running fake chain service, which can die like a killed process.
pub struct ChainProcess(#[allow(dead_code, reason = "held until it dies")] Process);

impl ChainProcess {
    pub fn start(address: SocketAddr, facts: &Arc<Facts>) -> Self {
        let service = FakeChain(FactsChain(Arc::clone(facts))).into_service();
        Self(Process::start(address, GrpcServer::new(&Health::new()).add(service)))
    }
}

/// A running oracle, stopped when dropped.
pub struct OracleProcess {
    pub client: SyncOracleServiceClient<Channel>,
    pub channel: Channel,
    env: Env,
    serving: Option<tokio::task::JoinHandle<Result<(), vision_sync_oracle::Error>>>,
}

impl OracleProcess {
    pub fn start(chain: SocketAddr, snapshot_interval_ms: u64) -> Self {
        let env = Env::new("/nonexistent", "test");
        let address = free_address();
        let config =
            Config { grpc_listen: address.into(), chain: format!("http://{chain}"), snapshot_interval_ms };
        let serving = tokio::spawn(vision_sync_oracle::serve(config, env.clone()));
        let channel = connect_lazy(&format!("http://{address}")).expect("a URL");
        Self { client: SyncOracleServiceClient::new(channel.clone()), channel, env, serving: Some(serving) }
    }

    pub async fn snapshot(&self) -> Option<Snapshot> {
        self.client.clone().get_snapshot(GetSnapshotRequest {}).await.ok()?.into_inner().snapshot
    }

    /// Waits for a snapshot that fits.
    pub async fn until(&self, what: &str, fits: impl Fn(&Snapshot) -> bool) -> Snapshot {
        eventually(what, || async { self.snapshot().await.filter(&fits) }).await
    }

    /// Stops it; `serve` must return.
    pub async fn stop(mut self) {
        self.env.drain.begin();
        let serving = self.serving.take().expect("running");
        let ended = tokio::time::timeout(PATIENCE, serving).await.expect("it drains in time");
        ended.expect("no panic").expect("no error");
    }
}

impl Drop for OracleProcess {
    fn drop(&mut self) {
        self.env.drain.begin();
    }
}
