//! A chain service that says what the test wants, and the oracle beside it, both over real gRPC.
#![allow(dead_code)] // every test file uses a part of it

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::runtime::Runtime;
use tonic::transport::Channel;
use tonic::{Request, Response, Status};
use vision_host::server::GrpcServer;
use vision_host::{Env, Health};
use vision_primitives::{ConsensusParams, hash};
use vision_sync_oracle::Config;
use vision_wire::chain::chain_service_server::{ChainService, ChainServiceServer};
use vision_wire::chain::watch_head_response::Kind;
use vision_wire::chain::*;
use vision_wire::sync_oracle::sync_oracle_service_client::SyncOracleServiceClient;
use vision_wire::sync_oracle::{GetSnapshotRequest, Snapshot};
use vision_wire::{EventKind, EventLog, Reason, ResponseStream, connect_lazy, status};

/// Longest any condition may take to come true.
const PATIENCE: Duration = Duration::from_secs(20);

/// Asks again and again until there is an answer.
pub async fn eventually<T, F: Future<Output = Option<T>>>(what: &str, mut ask: impl FnMut() -> F) -> T {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        if let Some(found) = ask().await {
            return found;
        }
        assert!(tokio::time::Instant::now() < deadline, "never happened: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

pub fn id(name: &str) -> String {
    hash(&[name.as_bytes()]).to_string()
}

type ActiveAndRegistered = (Vec<String>, Vec<String>);

/// What the fake chain service tells and has been told. Outlives its server.
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

    /// Three producers: this one (`a`), and two more that have just been heard, but for those that are named as gone.
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

struct FakeChain(Arc<Facts>);

fn not_played<T>() -> Result<Response<T>, Status> {
    Err(Status::unimplemented("not played"))
}

#[tonic::async_trait]
impl ChainService for FakeChain {
    async fn list_nodes(&self, _: Request<ListNodesRequest>) -> Result<Response<ListNodesResponse>, Status> {
        not_played()
    }
    type WatchNodesStream = ResponseStream<WatchNodesResponse>;
    async fn watch_nodes(
        &self,
        request: Request<WatchNodesRequest>,
    ) -> Result<Response<Self::WatchNodesStream>, Status> {
        let events = self.0.nodes.subscribe(&request.get_ref().cursor)?;
        Ok(Response::new(events.respond(|event| WatchNodesResponse {
            cursor: event.cursor,
            heartbeat: event.kind == EventKind::Heartbeat,
            nodes: event.event,
        })))
    }
    async fn get_propagation(
        &self,
        _: Request<GetPropagationRequest>,
    ) -> Result<Response<GetPropagationResponse>, Status> {
        not_played()
    }
    async fn get_chain_info(
        &self,
        _: Request<GetChainInfoRequest>,
    ) -> Result<Response<GetChainInfoResponse>, Status> {
        let table = self.0.params.lock().unwrap().table();
        let params = table.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        Ok(Response::new(GetChainInfoResponse { params, ..GetChainInfoResponse::default() }))
    }

    type WatchBlocksStream = ResponseStream<WatchBlocksResponse>;
    async fn watch_blocks(
        &self,
        _: Request<WatchBlocksRequest>,
    ) -> Result<Response<Self::WatchBlocksStream>, Status> {
        not_played()
    }

    async fn get_slots(&self, _: Request<GetSlotsRequest>) -> Result<Response<GetSlotsResponse>, Status> {
        not_played()
    }

    async fn get_statistics(
        &self,
        _: Request<GetStatisticsRequest>,
    ) -> Result<Response<GetStatisticsResponse>, Status> {
        not_played()
    }

    async fn get_fork_tree(
        &self,
        _: Request<GetForkTreeRequest>,
    ) -> Result<Response<GetForkTreeResponse>, Status> {
        not_played()
    }

    type WatchEventsStream = ResponseStream<ChainEvent>;
    async fn watch_events(
        &self,
        _: Request<WatchEventsRequest>,
    ) -> Result<Response<Self::WatchEventsStream>, Status> {
        not_played()
    }

    type WatchHeadStream = ResponseStream<WatchHeadResponse>;

    async fn watch_head(
        &self,
        request: Request<WatchHeadRequest>,
    ) -> Result<Response<Self::WatchHeadStream>, Status> {
        let events = self.0.heads.subscribe(&request.get_ref().cursor)?;
        Ok(Response::new(events.respond(|event| {
            WatchHeadResponse {
                cursor: event.cursor,
                kind: match event.kind {
                    EventKind::Current => Kind::Current,
                    EventKind::New => Kind::Extended,
                    EventKind::Heartbeat => Kind::Heartbeat,
                }
                .into(),
                head: Some(event.event),
                reorg_depth: 0,
            }
        })))
    }

    type WatchPeersStream = ResponseStream<WatchPeersResponse>;

    async fn watch_peers(
        &self,
        request: Request<WatchPeersRequest>,
    ) -> Result<Response<Self::WatchPeersStream>, Status> {
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

    async fn get_head(&self, _: Request<GetHeadRequest>) -> Result<Response<GetHeadResponse>, Status> {
        not_played()
    }
    async fn get_block(&self, _: Request<GetBlockRequest>) -> Result<Response<GetBlockResponse>, Status> {
        not_played()
    }
    async fn list_blocks(
        &self,
        _: Request<ListBlocksRequest>,
    ) -> Result<Response<ListBlocksResponse>, Status> {
        not_played()
    }
    async fn prepare_block(
        &self,
        _: Request<PrepareBlockRequest>,
    ) -> Result<Response<PrepareBlockResponse>, Status> {
        not_played()
    }
    async fn submit_block(
        &self,
        _: Request<SubmitBlockRequest>,
    ) -> Result<Response<SubmitBlockResponse>, Status> {
        not_played()
    }
    async fn submit_transaction(
        &self,
        _: Request<SubmitTransactionRequest>,
    ) -> Result<Response<SubmitTransactionResponse>, Status> {
        not_played()
    }
    async fn submit_transactions(
        &self,
        _: Request<SubmitTransactionsRequest>,
    ) -> Result<Response<SubmitTransactionsResponse>, Status> {
        not_played()
    }
    async fn get_transaction(
        &self,
        _: Request<GetTransactionRequest>,
    ) -> Result<Response<GetTransactionResponse>, Status> {
        not_played()
    }
    type WatchTransactionsStream = ResponseStream<WatchTransactionsResponse>;
    async fn watch_transactions(
        &self,
        _: Request<WatchTransactionsRequest>,
    ) -> Result<Response<Self::WatchTransactionsStream>, Status> {
        not_played()
    }
    async fn list_transactions(
        &self,
        _: Request<ListTransactionsRequest>,
    ) -> Result<Response<ListTransactionsResponse>, Status> {
        not_played()
    }
    async fn list_pending(
        &self,
        _: Request<ListPendingRequest>,
    ) -> Result<Response<ListPendingResponse>, Status> {
        not_played()
    }
    type FollowTransactionsStream = ResponseStream<FollowTransactionsResponse>;
    async fn follow_transactions(
        &self,
        _: Request<FollowTransactionsRequest>,
    ) -> Result<Response<Self::FollowTransactionsStream>, Status> {
        not_played()
    }
    async fn get_account(
        &self,
        _: Request<GetAccountRequest>,
    ) -> Result<Response<GetAccountResponse>, Status> {
        not_played()
    }
    async fn list_peers(&self, _: Request<ListPeersRequest>) -> Result<Response<ListPeersResponse>, Status> {
        not_played()
    }
}

/// A running fake chain service. Its runtime is its own, so that it can die like a killed process.
pub struct ChainProcess(Option<Runtime>);

impl ChainProcess {
    pub fn start(address: SocketAddr, facts: &Arc<Facts>) -> Self {
        let runtime = Runtime::new().expect("a runtime");
        let service = ChainServiceServer::new(FakeChain(Arc::clone(facts)));
        // Bound here, so that it listens when this returns.
        let _inside = runtime.enter();
        let listener = TcpListener::bind(address).expect("the port is free");
        listener.set_nonblocking(true).expect("a socket");
        let listener = tokio::net::TcpListener::from_std(listener).expect("a socket");
        let server = GrpcServer::new(&Health::new()).add(service);
        runtime.spawn(async move { server.serve(listener, &Env::new("/nonexistent", "test")).await });
        Self(Some(runtime))
    }
}

impl Drop for ChainProcess {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            // On a thread that may block: the port must be free again when this returns.
            let killing = std::thread::spawn(move || runtime.shutdown_timeout(PATIENCE));
            killing.join().expect("no panic");
        }
    }
}

/// A port that nobody has, below those that the system gives to callers: it may stay unused for a while.
pub fn free_address() -> SocketAddr {
    const FIRST_PORT: u32 = 15_000;
    const PORTS: u32 = 17_000;
    static TRIED: AtomicU32 = AtomicU32::new(0);
    let base = std::process::id().wrapping_mul(331);
    let candidates =
        std::iter::repeat_with(|| base.wrapping_add(TRIED.fetch_add(1, Ordering::SeqCst)) % PORTS);
    let ports = candidates.map(|offset| (FIRST_PORT + offset) as u16).take(1000);
    ports
        .map(|port| SocketAddr::from(([127, 0, 0, 1], port)))
        .find(|address| TcpListener::bind(address).is_ok())
        .expect("a free port")
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
