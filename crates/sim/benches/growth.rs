//! How time, messages, bytes and memory grow with the nodes. Writes the figures of docs/simulation.md, and
//! prints the numbers behind them.
//!
//! `cargo bench -p vision-sim --bench growth [-- NODES,HEIGHTS …]`.
#![allow(clippy::expect_used)]
#![expect(clippy::cast_precision_loss, reason = "counts are small")]
#![expect(clippy::disallowed_methods, reason = "a benchmark reads the machine's clock")]

#[path = "studies/chart.rs"]
mod chart;

use std::path::Path;
use std::time::Instant;

use chart::Chart;
use vision_sim::{Faults, Scenario, run};

/// Nodes and heights.
const SIZES: [(usize, u64); 5] = [(10, 100), (30, 100), (100, 100), (300, 100), (1_000, 100)];
/// Time from block to block, milliseconds.
const INTERVAL_MS: u64 = 500;
/// Bytes of a page of memory.
const PAGE: u64 = 4096;

fn main() {
    let named: Vec<(usize, u64)> = std::env::args().filter_map(|argument| size(&argument)).collect();
    let sizes = if named.is_empty() { SIZES.to_vec() } else { named };
    println!("| nodes | heights | real time s | per node and height ms | messages | MB | memory MiB |");
    println!("|---|---|---|---|---|---|---|");
    let (mut time, mut memory, mut messages, mut bytes) = (vec![], vec![], vec![], vec![]);
    for (nodes, heights) in &sizes {
        let scenario = scenario(*nodes, *heights);
        let before = resident_mib();
        let began = Instant::now();
        let mut peak: f64 = 0.0;
        let report = run(&scenario, 1, |_| peak = peak.max(resident_mib())).expect("a scenario");
        let took_s = began.elapsed().as_secs_f64();
        assert!(report.violations.is_empty(), "{:?}", report.violations);
        assert!(report.height >= *heights, "{} of {heights} heights", report.height);
        let of_each = *nodes as f64 * report.height as f64;
        let (sent, mb) = (report.messages as f64 / of_each, report.bytes as f64 / 1e6);
        let memory_mib = (peak - before).max(0.0);
        let each_ms = 1000.0 * took_s / of_each;
        println!(
            "| {nodes} | {} | {took_s:.1} | {each_ms:.3} | {} | {mb:.0} | {memory_mib:.0} |",
            report.height, report.messages
        );
        let x = (*nodes as f64).log10();
        time.push((x, each_ms));
        memory.push((x, 1024.0 * memory_mib / *nodes as f64));
        messages.push((x, sent));
        bytes.push((x, report.bytes as f64 / of_each / 1024.0));
    }
    if sizes.len() > 1 {
        let lines = vec![
            ("real time, ms".into(), time),
            ("messages".into(), messages),
            ("KiB sent".into(), bytes),
            ("KiB of memory, a hundredth".into(), memory.into_iter().map(|(x, y)| (x, y / 100.0)).collect()),
        ];
        let title = "Cost of a node for each height, by the number of nodes";
        let chart = Chart { title, x: "log10 of the nodes", y: "per node and height", lines };
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/images/growth.svg");
        chart.write(&path).expect("a writable picture");
    }
}

/// `NODES,HEIGHTS`.
fn size(argument: &str) -> Option<(usize, u64)> {
    let (nodes, heights) = argument.split_once(',')?;
    Some((nodes.parse().ok()?, heights.parse().ok()?))
}

fn scenario(nodes: usize, heights: u64) -> Scenario {
    let params = [("block_interval_ms".to_owned(), INTERVAL_MS.cast_signed().into())];
    Scenario {
        nodes,
        producers: nodes.min(100),
        max_peers: 16,
        seeds: if nodes > 16 { 8 } else { 0 },
        // The first block comes after some seconds, and each may take longer than the interval.
        seconds: 30 + heights * INTERVAL_MS * 16 / 10_000,
        calm_s: 1,
        transfers_per_minute: 60,
        params: params.into_iter().collect(),
        faults: Faults::none(),
        ..Scenario::default()
    }
}

fn resident_mib() -> f64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages: u64 = statm.split(' ').nth(1).and_then(|pages| pages.parse().ok()).unwrap_or_default();
    (pages * PAGE) as f64 / f64::from(1 << 20)
}
