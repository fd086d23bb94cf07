//! The whole service but its port, in simulated time, beside a chain service of pure chance.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::stream::BoxStream;
use futures::{Stream, StreamExt as _};
use tokio_util::task::AbortOnDropHandle;
use tonic::Status;
use vision_host::{Clock, Env, Randomness, SimulatedClock};
use vision_primitives::{ConsensusParams, Hash, hash};
use vision_sync_status::{HealthParams, SyncParams};
use vision_wire::chain::{Head, Node, Peer, WatchHeadResponse, WatchNodesResponse, WatchPeersResponse, node};
use vision_wire::sync_oracle::{NetworkHealth, Snapshot};
use vision_wire::watch::WatchItem;

use crate::ports::{Chain, PoolsAfter};
use crate::{Config, Parts};

const START_MS: u64 = 1_700_000_000_000;
const HOUR: Duration = Duration::from_secs(3_600);

fn id(name: &str) -> String {
    hash(&[name.as_bytes()]).to_string()
}

/// A chain whose blocks come when they like, and whose peers are as far as they like. Its clock is right.
#[derive(Clone)]
struct ByChance {
    clock: Clock,
    randomness: Randomness,
    height: Arc<AtomicU64>,
    /// What was reported to it, and when.
    reports: Arc<Mutex<Vec<(u64, Snapshot, String)>>>,
}

impl ByChance {
    fn below(&self, limit: u64) -> u64 {
        u64::from_le_bytes(self.randomness.bytes().expect("seeded")) % limit
    }

    /// A watch with an event after every pause; one in a hundred breaks off instead.
    fn watch<T: Send + 'static>(
        &self,
        pause: impl Fn(&Self) -> Duration + Send + 'static,
        shown: impl Fn(&Self) -> T + Send + 'static,
    ) -> BoxStream<'static, WatchItem<T>> {
        let sent = futures::stream::unfold((self.clone(), pause, shown), |(chain, pause, shown)| async {
            tokio::time::sleep(pause(&chain)).await;
            let item = match chain.below(100) {
                0 => WatchItem::Lost(Status::unavailable("chain: by chance")),
                _ => WatchItem::Event(shown(&chain)),
            };
            Some((item, (chain, pause, shown)))
        });
        sent.boxed()
    }

    fn head(&self) -> Head {
        let height = self.height.fetch_add(1, Ordering::Relaxed) + 1;
        Head {
            height,
            hash: id(&height.to_string()),
            timestamp_ms: self.clock.now_ms(),
            pool_root: id("pool"),
            registered_root: id("pool"),
            ..Head::default()
        }
    }

    fn peer(&self, name: &str) -> Peer {
        Peer {
            node_id: id(name),
            // Mostly as far as this node, now and then far ahead.
            height: self.height.load(Ordering::Relaxed) + self.below(12).saturating_sub(8) * 3,
            clock_offset_ms: Some(self.below(40) as f64),
            last_status_at_ms: self.clock.now_ms() - self.below(500),
            delivers: true,
            producer: true,
            ..Peer::default()
        }
    }

    fn node(&self, name: &str) -> Node {
        Node {
            node_id: id(name),
            role: node::Role::Producer.into(),
            this_node: name == "a",
            connected: self.below(50) > 0,
            height: Some(self.height.load(Ordering::Relaxed)),
            last_seen_at_ms: Some(self.clock.now_ms()),
            ..Node::default()
        }
    }
}

impl Chain for ByChance {
    async fn sync_params(&self) -> Result<(SyncParams, Option<Hash>), Status> {
        Ok((SyncParams::from(&ConsensusParams::default()), None))
    }

    async fn pools(&self, hash: String) -> Result<PoolsAfter, Status> {
        let ids: Vec<String> = ["a", "b", "c"].map(id).into();
        let height = self.height.load(Ordering::Relaxed);
        let (pool_root, registered_root) = (id("pool"), id("pool"));
        Ok(PoolsAfter { height, hash, active: ids.clone(), registered: ids, pool_root, registered_root })
    }

    async fn health_params(&self) -> Result<HealthParams, Status> {
        let params = ConsensusParams::default();
        Ok(HealthParams {
            block_interval_ms: params.block_interval_ms,
            jitter_max_ms: params.jitter_max_ms,
            claim_timeout_ms: params.claim_timeout_ms,
            max_desync_blocks: params.max_desync_blocks,
            min_ready_peers: params.min_ready_peers,
        })
    }

    async fn report(&self, snapshot: Snapshot, makes_no_block_because: String) -> Result<(), Status> {
        let mut reports = self.reports.lock().expect("nobody panicked");
        reports.push((self.clock.monotonic_ms(), snapshot, makes_no_block_because));
        Ok(())
    }

    fn watch_head(&self) -> BoxStream<'static, WatchItem<WatchHeadResponse>> {
        let pause = |chain: &Self| Duration::from_millis(1_000 + chain.below(2_000));
        self.watch(pause, |chain| WatchHeadResponse { head: Some(chain.head()), ..Default::default() })
    }

    fn watch_peers(&self) -> BoxStream<'static, WatchItem<WatchPeersResponse>> {
        let pause = |chain: &Self| Duration::from_millis(500 + chain.below(1_000));
        let peers = |chain: &Self| ["b", "c"].map(|name| chain.peer(name)).into();
        self.watch(pause, move |chain| WatchPeersResponse { peers: peers(chain), ..Default::default() })
    }

    fn watch_nodes(&self) -> BoxStream<'static, WatchItem<WatchNodesResponse>> {
        let nodes = |chain: &Self| ["a", "b", "c"].map(|name| chain.node(name)).into();
        let shown = move |chain: &Self| WatchNodesResponse { nodes: nodes(chain), ..Default::default() };
        self.watch(|_| Duration::from_secs(2), shown)
    }
}

/// All that the service sent in an hour, and when.
#[derive(Debug, PartialEq)]
struct Sent {
    snapshots: Vec<(u64, Snapshot)>,
    judgements: Vec<(u64, NetworkHealth)>,
    reports: Vec<(u64, Snapshot, String)>,
}

async fn listen<T>(clock: Clock, mut events: impl Stream<Item = Result<T, Status>> + Unpin) -> Vec<(u64, T)> {
    let (end, mut sent) = (clock.instant() + HOUR, Vec::new());
    while let Ok(Some(event)) = tokio::time::timeout_at(end, events.next()).await {
        sent.push((clock.monotonic_ms(), event.expect("it keeps up")));
    }
    sent
}

/// An hour with this seed, in a runtime of its own: one that has run before may order its timers otherwise.
fn an_hour(seed: u64) -> Sent {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.expect("a runtime").block_on(pass_an_hour(seed))
}

/// An hour with this seed. In the middle of it the node's clock is set back by a minute, and right again
/// later.
async fn pass_an_hour(seed: u64) -> Sent {
    let simulated = SimulatedClock::new(START_MS);
    let env = Env::simulated("/nonexistent", "test", &simulated, seed);
    let chain = ByChance {
        clock: SimulatedClock::new(START_MS).clock(),
        randomness: env.randomness.clone(),
        height: Arc::default(),
        reports: Arc::default(),
    };
    let reports = Arc::clone(&chain.reports);
    let config = Config { snapshot_interval_ms: 1_000, ..Config::default() };
    let Parts { rpc, tasks, .. } = Parts::new(chain, &config, &env);
    let listen_to_snapshots = {
        let events = rpc.snapshots.subscribe("").expect("the first one is there");
        listen(env.clock.clone(), events.map(|event| event.map(|event| event.event)))
    };
    let _working: Vec<_> = tasks.into_iter().map(|task| AbortOnDropHandle::new(tokio::spawn(task))).collect();
    // Its first judgement is sent as soon as it runs.
    while rpc.judgements.latest().is_none() {
        tokio::task::yield_now().await;
    }
    let judgements = rpc.judgements.subscribe("").expect("there is one");
    let judgements = judgements.map(|event| event.map(|event| event.event));
    let setting = async {
        tokio::time::sleep(HOUR / 2).await;
        simulated.set_offset_ms(-60_000);
        tokio::time::sleep(HOUR / 4).await;
        simulated.set_offset_ms(0);
    };
    let (snapshots, judgements, ()) =
        tokio::join!(listen_to_snapshots, listen(env.clock.clone(), judgements), setting);
    assert_eq!(env.clock.monotonic_ms(), 3_600_000);
    let reports = reports.lock().expect("nobody panicked").clone();
    Sent { snapshots, judgements, reports }
}

#[test]
fn an_hour_passes_at_once_and_the_same_seed_sends_the_same() {
    let sent = an_hour(7);
    assert!(sent.snapshots.len() > 3_600, "one a second at least: {}", sent.snapshots.len());
    let head_ahead = |(at_ms, snapshot): &(u64, Snapshot)| {
        snapshot.not_eligible_because.starts_with("HEAD_AHEAD").then_some(*at_ms)
    };
    let ahead: Vec<u64> = sent.snapshots.iter().filter_map(head_ahead).collect();
    let set_back = 1_800_000..2_702_000;
    assert!(!ahead.is_empty() && ahead.iter().all(|at_ms| set_back.contains(at_ms)), "{ahead:?}");
    assert!(sent.snapshots.iter().any(|(_, snapshot)| snapshot.eligible), "chance is kind at times");
    assert!(sent.judgements.len() > 1 && sent.reports.len() > 3_000);
    assert!(sent == an_hour(7), "the same seed sends the same, at the same times");
    assert!(sent != an_hour(8), "another seed sends something else");
}
