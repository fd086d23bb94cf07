//! What a network of three real nodes on this machine does: blocks per second with no pause between
//! blocks and where each millisecond goes, memory after 10,000 blocks, idle processor time.
//!
//! `cargo bench -p vision`. It takes about two minutes and wants the machine for itself.
#![expect(clippy::disallowed_methods, reason = "a benchmark reads the machine's clock")]

mod testnet;

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use testnet::{API, Testnet, get, resident_mib, ticks};

const NODES: u16 = 3;
/// Blocks after which memory is read.
const MANY_BLOCKS: u64 = 10_000;

fn main() {
    let syncs = syncs_per_second();
    println!("disk: {syncs:.0} writes of 4 KiB with fdatasync per second");
    fast(syncs);
    idle();
}

/// How fast this disk makes small writes durable.
fn syncs_per_second() -> f64 {
    const WRITES: u32 = 500;
    let dir = tempfile::tempdir().expect("temp dir");
    let mut file = fs::File::create(dir.path().join("probe")).expect("file");
    let start = Instant::now();
    for _ in 0..WRITES {
        file.write_all(&[1; 4096]).expect("written");
        file.sync_data().expect("synced");
    }
    f64::from(WRITES) / start.elapsed().as_secs_f64()
}

fn height_at(port: u16) -> u64 {
    get(port, "/api/status")["height"].as_u64().expect("height")
}

fn height() -> u64 {
    height_at(API)
}

fn wait_for_height(wanted: u64) {
    let deadline = Instant::now() + Duration::from_secs(600);
    while height() < wanted {
        assert!(Instant::now() < deadline, "height {wanted} is not reached");
        sleep(Duration::from_millis(100));
    }
}

fn fast(syncs: f64) {
    let params = ["--param", "jitter_min_ms=0", "--param", "jitter_max_ms=1"];
    let net = Testnet::up(&[&["--block-interval-ms", "0"], &params[..]].concat());
    wait_for_height(1_000);
    let (start, first) = (Instant::now(), height());
    sleep(Duration::from_secs(15));
    #[expect(clippy::cast_precision_loss, reason = "a count of blocks is small")]
    let rate = (height() - first) as f64 / start.elapsed().as_secs_f64();
    // On the way from block to block lie, one after the other: the producer's claim, its chain's
    // commit, and the commit of the next producer's chain.
    println!(
        "blocks per second: {rate:.0}; three syncs in a row: {:.0}/s; ratio {:.2}",
        syncs / 3.0,
        rate / (syncs / 3.0)
    );
    wait_for_height(MANY_BLOCKS);
    for pid in net.pids() {
        println!("resident after {MANY_BLOCKS} blocks: {:.1} MiB", resident_mib(pid));
    }
    phases(&net.net());
    catch_up(&net);
}

/// A node that has missed many blocks comes back while the others go on.
fn catch_up(net: &Testnet) {
    net.run(&["kill", "node3"]);
    let missed_from = height_at(API);
    wait_for_height(missed_from + MANY_BLOCKS);
    let (before, start) = (height_at(API), Instant::now());
    net.run(&["start", "node3"]);
    let deadline = Instant::now() + Duration::from_secs(300);
    while !get(API + 2, "/api/status")["eligible"].as_bool().unwrap_or(false) {
        assert!(Instant::now() < deadline, "node3 does not catch up");
        sleep(Duration::from_millis(50));
    }
    let took = start.elapsed().as_secs_f64();
    println!(
        "{MANY_BLOCKS} blocks behind: eligible again {took:.1} s after its start, while the others made {} \
        blocks",
        height_at(API) - before
    );
}

/// Reads from the nodes' logs when each step of each height was done.
fn phases(net: &Path) {
    let mut steps: BTreeMap<u64, BTreeMap<&'static str, f64>> = BTreeMap::new();
    for number in 1..=NODES {
        let log = fs::read_to_string(net.join(format!("node{number}/node.log"))).expect("log");
        for line in log.lines() {
            for (mark, step) in
                [("Proposing block", "proposing"), (" created: ", "signed"), (" broadcast: ", "stored")]
            {
                if let (true, Some(at), Some(height)) =
                    (line.contains(mark), stamp(line), field(line, "height="))
                {
                    steps.entry(height).or_default().insert(step, at);
                }
            }
        }
    }
    let between = |from: (u64, &str), to: (u64, &str)| {
        let mut all: Vec<f64> = steps
            .keys()
            .filter_map(|height| {
                let at = |(above, step): (u64, &str)| steps.get(&(height + above))?.get(step).copied();
                Some((at(to)? - at(from)?) * 1000.0)
            })
            .collect();
        all.sort_by(f64::total_cmp);
        all.get(all.len() / 2).copied().unwrap_or(f64::NAN)
    };
    println!("median milliseconds of a block:");
    println!("  prepare, claim synced, sign        {:.2}", between((0, "proposing"), (0, "signed")));
    println!("  check, store synced, announce      {:.2}", between((0, "signed"), (0, "stored")));
    println!("  from stored here to proposing next {:.2}", between((0, "stored"), (1, "proposing")));
    println!("  whole, proposing to proposing      {:.2}", between((0, "proposing"), (1, "proposing")));
}

/// Seconds of the minute-and-second part of a log line's time stamp, within its hour.
fn stamp(line: &str) -> Option<f64> {
    let time = line.split_once('T')?.1.split_once('Z')?.0;
    let mut parts = time.split(':').map(|part| part.parse::<f64>());
    let (hours, minutes, seconds) = (parts.next()?.ok()?, parts.next()?.ok()?, parts.next()?.ok()?);
    Some(hours * 3600.0 + minutes * 60.0 + seconds)
}

fn field(line: &str, name: &str) -> Option<u64> {
    let text = line.rsplit_once(name)?.1;
    text.split(' ').next()?.parse().ok()
}

/// Processor time of nodes that make a block about every two seconds.
fn idle() {
    const SECONDS: u64 = 30;
    /// Linux reports processor time in hundredths of a second.
    const TICKS_PER_SECOND: u64 = 100;
    let net = Testnet::up(&[]);
    wait_for_height(3);
    let pids = net.pids();
    let before: Vec<u64> = pids.iter().map(|pid| ticks(*pid)).collect();
    sleep(Duration::from_secs(SECONDS));
    for (pid, before) in pids.iter().zip(before) {
        #[expect(clippy::cast_precision_loss, reason = "small numbers")]
        let percent = (ticks(*pid) - before) as f64 * 100.0 / (SECONDS * TICKS_PER_SECOND) as f64;
        println!("idle: {percent:.2} % of a core");
    }
}
