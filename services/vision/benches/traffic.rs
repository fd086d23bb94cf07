//! How many transfers three real nodes on this machine put into blocks, beside the rate at which one of its
//! cores verifies signatures in batches; and what ten times as many do to them.
//!
//! `cargo bench -p vision --bench traffic [-- RATE …]`. It takes about four minutes and wants the machine for
//! itself. The load generator runs on the same cores.
#![expect(clippy::disallowed_methods, reason = "a benchmark reads the machine's clock")]
#![expect(clippy::cast_precision_loss, reason = "counts are small")]

mod testnet;

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use serde_json::Value;
use testnet::{API, Testnet, VISION, get, resident_mib, ticks};
use vision_primitives::{Action, BatchVerifier, Hash, SecretKey, SignedTransaction, Tag, Transaction, hash};

const NODES: u16 = 3;
const INTERVAL_MS: u64 = 1_000;
/// Transactions a second, one after the other.
const RATES: [u64; 4] = [2_000, 4_000, 6_000, 8_000];
/// Far more than can be included.
const OVERLOAD: u64 = 60_000;
const SECONDS: u64 = 30;
const ACCOUNTS: u64 = 4_000;
/// Signatures that a node verifies together.
const BATCH: u64 = 256;
/// Linux reports processor time in hundredths of a second.
const TICK_US: u64 = 10_000;

fn main() {
    let named: Vec<u64> = std::env::args().filter_map(|argument| argument.parse().ok()).collect();
    let rates = if named.is_empty() { RATES.to_vec() } else { named };
    let verified = verified_per_second();
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let bound = verified * cores as f64 / f64::from(NODES);
    println!(
        "one core verifies {verified:.0} signatures a second in batches of {BATCH}; {cores} cores, {NODES} \
        nodes: {bound:.0}"
    );
    let interval = INTERVAL_MS.to_string();
    let net = Testnet::up(&[
        "--block-interval-ms",
        &interval,
        "--param",
        "max_block_txs=10000",
        "--param",
        "max_block_bytes=4000000",
    ]);
    for rate in rates.into_iter().chain([OVERLOAD]) {
        measure(&net, rate, bound);
    }
}

fn verified_per_second() -> f64 {
    let genesis = Hash([2; 32]);
    // Each by another sender: several by one are cheaper together.
    let one = |number: u64| {
        let key = SecretKey::from_seed(hash(&[&number.to_le_bytes()]).as_bytes());
        let action = Action::Transfer { to: Hash([3; 32]), amount: 1 };
        Transaction { sender: key.public_key(), nonce: 0, fee: 1, action }.sign(&key, &genesis)
    };
    let batch: Vec<SignedTransaction> = (0..BATCH).map(one).collect();
    let rounds = 100;
    let start = Instant::now();
    for _ in 0..rounds {
        let mut verifier = BatchVerifier::new();
        for signed in &batch {
            let (sender, signature) = (&signed.transaction().sender, signed.signature());
            verifier.queue(sender, Tag::Transaction, &genesis, signed.payload(), signature);
        }
        verifier.verify().expect("they are right");
    }
    (rounds * BATCH) as f64 / start.elapsed().as_secs_f64()
}

fn measure(net: &Testnet, rate: u64, bound: f64) {
    let pids = net.pids();
    let before: Vec<u64> = pids.iter().map(|pid| ticks(*pid)).collect();
    let from = get(API, "/api/status")["height"].as_u64().expect("a height") + 1;
    let result = load(&net.net(), rate);
    let count = |name: &str| result[name].as_u64().unwrap_or(0);
    let included = count("included").max(1);
    let spent: Vec<u64> =
        pids.iter().zip(before).map(|(pid, before)| (ticks(*pid) - before) * TICK_US / included).collect();
    let memory: Vec<String> = pids.iter().map(|pid| format!("{:.0}", resident_mib(*pid))).collect();
    let tps = result["tps"].as_f64().unwrap_or(0.0);
    println!("rate {rate}: included {tps:.0} a second, {:.2} of the bound", tps / bound);
    println!(
        "  sent {}, held back {}, accepted {}, refused {}, dropped {}, missing {}",
        count("sent"),
        count("held_back"),
        count("accepted"),
        result["refused"],
        result["dropped"],
        count("missing"),
    );
    println!(
        "  latency ms {}; processor time of a transaction on each node {spent:?} us; resident {memory:?} MiB",
        result["latency_ms"]
    );
    intervals(from);
}

fn load(net: &Path, rate: u64) -> Value {
    let mut command = Command::new(VISION);
    command.args(["load", "-o", "json", "--rate", &rate.to_string(), "--seconds", &SECONDS.to_string()]);
    command.args(["--accounts", &ACCOUNTS.to_string(), "--accounts-dir"]).arg(net.join("accounts"));
    for node in 0..NODES {
        command.arg("--node").arg(format!("http://127.0.0.1:{}", API + node));
    }
    let done = command.output().expect("started");
    serde_json::from_slice(&done.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&done.stderr)))
}

/// Pauses between the blocks since a height, full ones and empty ones apart.
fn intervals(from: u64) {
    let mut blocks = Vec::new();
    loop {
        let next = from + blocks.len() as u64;
        let answer = get(API, &format!("/api/chain/blocks?from={next}&limit=50"));
        let page = answer["blocks"].as_array().expect("blocks").clone();
        if page.is_empty() {
            break;
        }
        blocks.extend(page);
    }
    let number = |block: &Value, name: &str| block[name].as_u64().expect("a number");
    let (mut full, mut idle) = (Vec::new(), Vec::new());
    for pair in blocks.windows(2) {
        let pause = number(&pair[1], "timestamp_ms") - number(&pair[0], "timestamp_ms");
        let kind = if number(&pair[1], "tx_count") > 0 { &mut full } else { &mut idle };
        kind.push(pause);
    }
    let later = blocks.iter().filter(|block| number(block, "slot") > 0).count();
    let largest = blocks.iter().map(|block| number(block, "tx_count")).max().unwrap_or(0);
    let middle = |mut all: Vec<u64>| {
        all.sort_unstable();
        all.get(all.len() / 2).copied()
    };
    println!(
        "  {} blocks, {later} by a backup, the largest of {largest}; median ms to a block with transactions \
        {:?}, to an empty one {:?}",
        blocks.len(),
        middle(full),
        middle(idle)
    );
}
