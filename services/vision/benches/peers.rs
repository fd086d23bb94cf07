//! What 1,000 peers cost a real node, against 10 in the same run: memory, processor time, and how long a
//! block takes to reach them.
//!
//! `cargo bench -p vision --bench peers [-- PEERS]`. It takes about four minutes and wants the machine for
//! itself. Three nodes make the blocks; the peers call the first one, prove who they are, and follow the
//! chain. They all run in this program, on the same cores.
#![expect(clippy::disallowed_methods, reason = "a benchmark reads the machine's clock")]
#![expect(clippy::cast_precision_loss, reason = "counts are small")]

#[path = "../../../tests/system/attacks/stranger.rs"]
#[allow(dead_code, reason = "made for attacks, too")]
mod stranger;
mod testnet;

use std::collections::BTreeMap;
use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::sleep;
use std::time::{Duration, Instant};

use futures::StreamExt as _;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use stranger::{Stranger, now_ms};
use testnet::{API, P2P, Testnet, get, resident_mib, ticks};
use tokio::runtime::Runtime;
use vision_primitives::{Genesis, Hash, Header, NodeReport};
use vision_wire::p2p::peer_message::Kind;

const FEW: u32 = 10;
const MANY: u32 = 1_000;
/// Of every node, though the peers call only the first.
const MAX_PEERS: &str = "1100";
/// Peers of one address, as many as a node takes by default.
const PEERS_PER_ADDRESS: u32 = 8;
/// Introductions at once: fewer than the node has places for.
const INTRODUCTIONS: usize = 24;
/// From the last introduction to the measurement.
const CALM: Duration = Duration::from_secs(10);
const MEASURED: Duration = Duration::from_secs(40);
/// Linux reports processor time in hundredths of a second.
const TICKS_PER_SECOND: f64 = 100.0;
const KIB_PER_MIB: f64 = 1024.0;
/// As many as one answer has.
const BLOCKS_LOOKED_AT: u64 = 50;

fn main() {
    let named = std::env::args().find_map(|argument| argument.parse().ok());
    let many = named.unwrap_or(MANY).max(FEW + 1);
    raise_file_limit();
    paced("a block about every two seconds", many, &[]);
    let fast = ["--block-interval-ms", "0", "--param", "jitter_min_ms=0", "--param", "jitter_max_ms=1"];
    paced("no pause between blocks", many, &fast);
}

/// All peers are in this process.
fn raise_file_limit() {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).expect("the maximum is allowed");
}

/// What the peers have seen.
#[derive(Default)]
struct Seen {
    /// When blocks came to the node, by their hash.
    at_node: BTreeMap<Hash, u64>,
    /// When they came to peers.
    at_peers: Vec<(Hash, u64)>,
    /// Why peers have lost their connection.
    lost: Vec<String>,
}

#[derive(Clone)]
struct Peers {
    genesis: Arc<Genesis>,
    seen: Arc<Mutex<Seen>>,
}

impl Peers {
    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().expect("nobody panics with it")
    }

    /// A peer that follows the chain until the node hangs up. Gives why there is none.
    async fn one(self, number: u32) -> Option<String> {
        let [high, low] = u16::try_from(number / PEERS_PER_ADDRESS + 1).expect("few addresses").to_be_bytes();
        let from = IpAddr::V4(Ipv4Addr::new(127, 7, high, low));
        let stranger = match Stranger::call(from, P2P, &self.genesis, number).await {
            Ok(stranger) => stranger,
            Err(status) => return Some(status.to_string()),
        };
        tokio::spawn(async move {
            let end = stranger.follow(|kind| self.hears(kind)).await;
            self.seen().lost.push(end.to_string());
        });
        None
    }

    fn hears(&self, kind: &Kind) {
        let came = now_ms();
        let header = match kind {
            Kind::NewBlock(new) => new.block.as_ref().map(|block| &block.header),
            Kind::Announcement(new) => Some(&new.header),
            Kind::Status(status) => {
                if let Ok(report) = NodeReport::from_bytes(&status.report) {
                    self.seen().at_node.entry(report.hash).or_insert(report.arrived_at.get());
                }
                return;
            }
            _ => return,
        };
        if let Some(header) = header {
            let hash = Header::hash_bytes(&self.genesis.hash(), header);
            self.seen().at_peers.push((hash, came));
        }
    }

    /// Connects those with these numbers.
    fn enter(&self, runtime: &Runtime, numbers: std::ops::Range<u32>) {
        let start = Instant::now();
        let count = numbers.len();
        let entering = futures::stream::iter(numbers).map(|number| tokio::spawn(self.clone().one(number)));
        let refused: Vec<String> = runtime.block_on(async {
            let ended = entering.buffer_unordered(INTRODUCTIONS);
            ended.filter_map(|ended| async { ended.expect("no panic") }).collect().await
        });
        println!(
            "  {} of {count} introduced in {:.1} s{}",
            count - refused.len(),
            start.elapsed().as_secs_f64(),
            refused.first().map_or(String::new(), |why| format!("; first refusal: {why}"))
        );
    }
}

fn paced(pace: &str, many: u32, flags: &[&str]) {
    println!("{pace}:");
    let net = Testnet::up_in(flags, [("VISION_CHAIN_MAX_PEERS", MAX_PEERS)]);
    let text = fs::read_to_string(net.net().join("node1/genesis.json")).expect("a genesis");
    let genesis = Arc::new(Genesis::from_json(&text).expect("a genesis"));
    let peers = Peers { genesis, seen: Arc::default() };
    let runtime = Runtime::new().expect("a runtime");
    let pid = net.pids()[0];
    peers.enter(&runtime, 0..FEW);
    let few = measure(&peers, pid, FEW);
    peers.enter(&runtime, FEW..many);
    let all = measure(&peers, pid, many);
    let further = f64::from(many - FEW);
    println!(
        "  each further peer: {:.1} KiB of memory, {:.3} % of a core",
        (all.resident_mib - few.resident_mib) * KIB_PER_MIB / further,
        (all.percent - few.percent) / further
    );
    let known = get(API, "/api/peers")["peers"].as_array().map_or(0, Vec::len);
    let lost = std::mem::take(&mut peers.seen().lost);
    println!(
        "  {known} peers in the node's list at the end, {} lost{}",
        lost.len(),
        lost.first().map_or(String::new(), |why| format!("; the first: {why}"))
    );
    runtime.shutdown_background();
}

struct Cost {
    resident_mib: f64,
    percent: f64,
}

/// Measures for a while what the node needs, and how blocks come to its peers.
fn measure(peers: &Peers, pid: u64, count: u32) -> Cost {
    sleep(CALM);
    let height = || get(API, "/api/status")["height"].as_u64().expect("a height");
    peers.seen().at_peers.clear();
    let pids = [pid, std::process::id().into()];
    let (before, from, start) = (pids.map(ticks), height(), Instant::now());
    sleep(MEASURED);
    let seconds = start.elapsed().as_secs_f64();
    let percent = |at: usize| (ticks(pids[at]) - before[at]) as f64 * 100.0 / TICKS_PER_SECOND / seconds;
    let (percent, of_peers) = (percent(0), percent(1));
    let (to, resident_mib) = (height(), resident_mib(pid));
    let delays = delays(&peers.seen());
    let rank = |share: f64| delays.get(((delays.len() as f64 * share).ceil() as usize).max(1) - 1).copied();
    println!(
        "  {count} peers: {resident_mib:.1} MiB, {percent:.1} % of a core (all peers {of_peers:.1} %), \
         {:.2} blocks a second, {} of the last {BLOCKS_LOOKED_AT} by a backup",
        (to - from) as f64 / seconds,
        by_backups(to)
    );
    println!(
        "    from the node's new head to a peer, {} times: p50 {:?} ms, p99 {:?} ms, longest {:?} ms",
        delays.len(),
        rank(0.5),
        rank(0.99),
        delays.last()
    );
    Cost { resident_mib, percent }
}

/// Of the last blocks up to a height, those whose first producer did not make them in time.
fn by_backups(height: u64) -> usize {
    let from = (height + 1).saturating_sub(BLOCKS_LOOKED_AT);
    let page = get(API, &format!("/api/chain/blocks?from={from}&limit={BLOCKS_LOOKED_AT}"));
    let blocks = page["blocks"].as_array().expect("blocks");
    blocks.iter().filter(|block| block["slot"] != 0 && block["height"] != 0).count()
}

/// Milliseconds from when a block became the node's head to when it came to a peer, ascending. The node says
/// the former in its statuses; blocks it says nothing of are left out.
fn delays(seen: &Seen) -> Vec<u64> {
    let of = |(hash, came): &(Hash, u64)| Some(came.saturating_sub(*seen.at_node.get(hash)?));
    let mut delays: Vec<u64> = seen.at_peers.iter().filter_map(of).collect();
    delays.sort_unstable();
    delays
}
