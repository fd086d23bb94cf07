//! Studies of the rules: what they buy, and what other rules would. Writes the figures of
//! docs/simulation.md, and prints the numbers behind them.
//!
//! `cargo bench -p vision-sim --bench studies`. The same numbers come out each time.
#![allow(clippy::expect_used)]
#![expect(clippy::cast_precision_loss, reason = "counts are small")]

mod chart;

use std::path::{Path, PathBuf};

use chart::{Chart, Line};
use vision_primitives::{Hash, Height, NodeId, Pool, Slot, TimestampMs, hash};
use vision_schedule::{Schedule, SlotTiming, draw, epoch_salt, seed};
use vision_sim::{Faults, Network, Report, Scenario, run};

/// Heights that a study of the schedule looks at.
const HEIGHTS: u64 = 20_000;
/// Simulated time of a run, seconds.
const SECONDS: u64 = 1_200;

fn main() {
    failover();
    grinding();
    private_chain();
    jitter();
    timeouts();
    backups();
}

fn images() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/images")
}

fn draw_chart(name: &str, chart: &Chart<'_>) {
    chart.write(&images().join(name)).expect("a writable picture");
}

fn pool(n: u64) -> Vec<NodeId> {
    (0..n).map(|node| hash(&[b"producer", &node.to_le_bytes()])).collect()
}

fn timing() -> SlotTiming {
    SlotTiming {
        block_interval_ms: 2_000,
        claim_timeout_ms: 1_200,
        main_slots: 7,
        jitter_min_ms: 0,
        jitter_max_ms: 100,
    }
}

fn schedule(parent: &Hash, height: u64, producers: &[NodeId]) -> Schedule {
    let seed = seed(parent, Height(height), &epoch_salt("study"));
    let pool = Pool::new(producers.iter().copied());
    Schedule::new(seed, pool.clone(), pool, TimestampMs(0), timing()).expect("a schedule")
}

/// How many slots pass until one of somebody alive: dealt in laps, and drawn with replacement.
fn failover() {
    println!("\nFailover: slots until a living owner, mean and 99th percentile, 7 producers");
    println!("| dead | in laps | with replacement |\n|---|---|---|");
    let producers = pool(7);
    let mut lines: [Line; 2] = [("in laps".into(), vec![]), ("with replacement".into(), vec![])];
    for dead in 1..=5_usize {
        let lives = |id: &NodeId| producers.iter().position(|producer| producer == id) >= Some(dead);
        let mut waits: [Vec<u64>; 2] = [vec![], vec![]];
        for height in 1..=HEIGHTS {
            let schedule = schedule(&hash(&[&height.to_le_bytes()]), height, &producers);
            let laps = schedule.owners(Slot(0)).find(|(_, id)| lives(id)).expect("somebody lives").0.get();
            let drawn = |k: &u64| {
                let pick = draw(&schedule.seed(), *k).first_u64() % producers.len() as u64;
                lives(&producers[usize::try_from(pick).expect("small")])
            };
            waits[0].push(laps);
            waits[1].push((0..).find(drawn).expect("somebody lives"));
        }
        let cells = waits.map(|mut waits| {
            waits.sort_unstable();
            let mean = waits.iter().sum::<u64>() as f64 / waits.len() as f64;
            (mean, waits[waits.len() * 99 / 100])
        });
        println!("| {dead} | {:.2}, {} | {:.2}, {} |", cells[0].0, cells[0].1, cells[1].0, cells[1].1);
        for (line, (mean, _)) in lines.iter_mut().zip(cells) {
            line.1.push((dead as f64, mean));
        }
    }
    let (title, x) = ("Slots until a living owner, 7 producers", "producers that are dead");
    draw_chart("study-failover.svg", &Chart { title, x, y: "slots, mean", lines: lines.into() });
}

/// What share of heights one producer of five owns if it tries many blocks and keeps the best.
fn grinding() {
    println!("\nGrinding: share of slot 0 of one producer of 5 that tries so many blocks at each of its own");
    println!("| tries | share |\n|---|---|");
    let (producers, mut points) = (pool(5), vec![]);
    for tries in [1_u64, 2, 4, 8, 16, 32] {
        let (mut parent, mut own) = (Hash([7; 32]), 0);
        for height in 1..=HEIGHTS {
            let owner = schedule(&parent, height, &producers).owner(Slot(0));
            let candidates = if owner == producers[0] { tries } else { 1 };
            own += u64::from(owner == producers[0]);
            let blocks = (0..candidates).map(|nonce| hash(&[&parent.0, &owner.0, &nonce.to_le_bytes()]));
            let wins = |block: &Hash| schedule(block, height + 1, &producers).owner(Slot(0)) == producers[0];
            let blocks: Vec<Hash> = blocks.collect();
            parent = blocks.iter().copied().find(|block| wins(block)).unwrap_or(blocks[0]);
        }
        let share = own as f64 / HEIGHTS as f64;
        println!("| {tries} | {share:.3} |");
        points.push(((tries as f64).log2(), share));
    }
    let title = "Share of slot 0 of one grinding producer of five, entropy prev_hash";
    let lines = vec![("share".into(), points), ("fair".into(), vec![(0.0, 0.2), (5.0, 0.2)])];
    draw_chart("study-grinding.svg", &Chart { title, x: "log2 of the blocks tried", y: "share", lines });
}

/// Weight of the chain that one producer of five makes alone, against the four others', as time passes.
fn private_chain() {
    println!("\nPrivate chain: weight after so many seconds, one of five against the four others");
    println!("| seconds | four | one, 1 try | one, 64 tries |\n|---|---|---|---|");
    let producers = pool(5);
    let mut lines: Vec<Line> =
        ["four honest", "one, 1 try", "one, 64 tries"].map(|name| (name.to_owned(), vec![])).into();
    for seconds in [10_u64, 20, 40, 80, 160] {
        let weigh = |members: &[usize], tries: u64| {
            let members: Vec<NodeId> = members.iter().map(|at| producers[*at]).collect();
            alone(&producers, &members, tries, seconds * 1000)
        };
        let weights = [weigh(&[1, 2, 3, 4], 1), weigh(&[0], 1), weigh(&[0], 64)];
        println!("| {seconds} | {} | {} | {} |", weights[0], weights[1], weights[2]);
        for (line, weight) in lines.iter_mut().zip(weights) {
            line.1.push((seconds as f64, weight as f64));
        }
    }
    let title = "Weight of a private chain, entropy prev_hash";
    draw_chart("study-private-chain.svg", &Chart { title, x: "seconds", y: "weight", lines });
}

/// Weight of what these make among themselves in a time; of many blocks they keep the best.
fn alone(producers: &[NodeId], members: &[NodeId], tries: u64, time_ms: u64) -> u64 {
    let (mut parent, mut now_ms, mut weight) = (Hash([9; 32]), 0, 0);
    let main_slots = timing().main_slots;
    for height in 1.. {
        let next = |block: &Hash| {
            let schedule = schedule(block, height, producers);
            let mine = schedule.owners(Slot(0)).find(|(_, id)| members.contains(id));
            let slot = mine.expect("they are in the pool").0;
            (schedule.start(slot).get(), slot.get())
        };
        let blocks = (0..tries).map(|nonce| hash(&[&parent.0, &nonce.to_le_bytes()]));
        let best = blocks.map(|block| (next(&block), block)).min().expect("one at least");
        let ((takes_ms, slot), block) = best;
        now_ms += takes_ms;
        if now_ms > time_ms {
            break;
        }
        weight += main_slots.saturating_sub(slot).max(1);
        parent = block;
    }
    weight
}

/// A run of five nodes.
fn simulate(one_way_ms: u64, params: &[(&str, u64)], faults: Faults) -> Report {
    let table = params.iter().map(|(name, value)| ((*name).to_owned(), (*value).cast_signed().into()));
    let network = Network { one_way_ms, jitter_percent: 30, ..Network::default() };
    let scenario = Scenario {
        nodes: 5,
        seconds: SECONDS,
        calm_s: 60,
        params: table.collect(),
        network,
        faults,
        transfers_per_minute: 6,
        ..Scenario::default()
    };
    run(&scenario, 1, |_| {}).expect("a scenario that can be run")
}

fn shares(report: &Report) -> (f64, u64) {
    let made: u64 = report.made.iter().sum();
    let backups = (report.made[1] + report.made[2]) as f64 / made.max(1) as f64;
    (backups, report.reorganisations.values().sum())
}

fn jitter() {
    println!("\nJitter: 5 nodes, 100 ms one way, claim timeout 300 ms, a crash every 30 s");
    println!("| jitter ms | blocks | by backups | reorganisations |\n|---|---|---|---|");
    let mut points = vec![];
    for jitter_ms in [1, 25, 50, 100, 150] {
        let params = [("claim_timeout_ms", 300), ("jitter_min_ms", 0), ("jitter_max_ms", jitter_ms)];
        let report = simulate(100, &params, crashes(30));
        let (backups, reorganisations) = shares(&report);
        println!("| {jitter_ms} | {} | {backups:.3} | {reorganisations} |", report.height);
        points.push((jitter_ms as f64, reorganisations as f64));
    }
    let (title, x) = ("What jitter costs and buys", "jitter_max_ms");
    let lines = vec![("reorganisations in 20 minutes".into(), points)];
    draw_chart("study-jitter.svg", &Chart { title, x, y: "reorganisations", lines });
}

/// Crashes alone, so often.
fn crashes(every_s: u64) -> Faults {
    Faults { crash: 1, ..Faults::of_no_kind(every_s) }
}

fn timeouts() {
    println!(
        "\nClaim timeout against latency: 5 nodes, no fault; share of blocks by backups, reorganisations"
    );
    let latencies = [10_u64, 50, 100, 200, 400];
    println!("| claim_timeout_ms | {} |", latencies.map(|ms| format!("{ms} ms one way")).join(" | "));
    println!("|---|{}", "---|".repeat(latencies.len()));
    let mut lines: Vec<Line> = latencies.iter().map(|ms| (format!("{ms} ms one way"), vec![])).collect();
    for timeout_ms in [100_u64, 200, 300, 600, 1_200, 2_400] {
        let cells: Vec<String> = latencies
            .iter()
            .zip(&mut lines)
            .map(|(one_way_ms, line)| {
                let jitter_ms = 100.min(timeout_ms / 2);
                let params =
                    [("claim_timeout_ms", timeout_ms), ("jitter_min_ms", 0), ("jitter_max_ms", jitter_ms)];
                let (backups, reorganisations) = shares(&simulate(*one_way_ms, &params, Faults::none()));
                line.1.push((timeout_ms as f64, backups));
                format!("{:.1} %, {reorganisations}", 100.0 * backups)
            })
            .collect();
        println!("| {timeout_ms} | {} |", cells.join(" | "));
    }
    let (title, x) = ("Blocks by backups", "claim_timeout_ms");
    draw_chart("study-timeouts.svg", &Chart { title, x, y: "share", lines });
}

fn backups() {
    println!("\nBackup count: 5 nodes, 50 ms one way, a crash every 15 s");
    println!("| backup_slots | blocks in 20 minutes | by backups | in the tail |\n|---|---|---|---|");
    let mut points = vec![];
    for backup_slots in [0_u64, 1, 2, 4, 6, 9] {
        let report = simulate(50, &[("backup_slots", backup_slots)], crashes(15));
        println!("| {backup_slots} | {} | {} | {} |", report.height, report.made[1], report.made[2]);
        points.push((backup_slots as f64, report.height as f64));
    }
    let (title, x) = ("Blocks in 20 minutes, a crash every 15 s", "backup_slots");
    draw_chart("study-backups.svg", &Chart { title, x, y: "blocks", lines: vec![("blocks".into(), points)] });
}
