//! Whole nodes on a simulated network: the services of three nodes, as `vision node` composes them, talk gRPC
//! over TCP that `turmoil` makes up, on virtual time, under faults that a seed decides.
//!
//! What is real and what is not: docs/simulation.md, "The services".
#![allow(missing_docs, reason = "a test program has no readers of its interface")]

mod checks;
mod faults;
mod home;
mod node;
mod wires;
mod witness;
mod world;

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use faults::{Fault, Planned};
use world::{Plan, Report, run};

/// Variable with the number of seeds to run.
const SEEDS: &str = "SIMULATED_SEEDS";
const DEFAULT_SEEDS: u64 = 4;
/// Simulations at once.
const THREADS: usize = 2;

/// A fault at this second that lasts so many seconds.
const fn planned(at_s: u64, lasts_s: u64, fault: Fault) -> Planned {
    Planned { at: Duration::from_secs(at_s), lasts: Duration::from_secs(lasts_s), fault }
}

/// The rules that a run broke, each once.
fn rules(report: &Report) -> Vec<&'static str> {
    let mut rules: Vec<_> = report.broken.iter().map(|broken| broken.rule).collect();
    rules.dedup();
    rules
}

#[track_caller]
fn holds(report: &Report) {
    assert!(report.broken.is_empty(), "{report:#?}");
    let Report { seed, height, finalized, acknowledged, restarts, simulated, .. } = *report;
    println!(
        "seed {seed}: {} s, {height} blocks, {finalized} final, {acknowledged} payments, \
         {restarts} restarts, audit {}",
        simulated.as_secs(),
        report.audit
    );
    let did_something = height > 50 && finalized > 10 && acknowledged > 20;
    assert!(did_something && restarts == report.crashes, "{report:#?}");
}

#[test]
fn what_was_promised_holds_under_mixed_faults() {
    let seeds = std::env::var(SEEDS).ok().map_or(Ok(DEFAULT_SEEDS), |seeds| seeds.parse());
    let seeds: u64 = seeds.expect("a number of seeds");
    let next = AtomicU64::new(1);
    // One simulation takes one thread.
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                while let Some(seed) =
                    Some(next.fetch_add(1, Ordering::Relaxed)).filter(|seed| *seed <= seeds)
                {
                    holds(&run(&Plan::mixed(seed)));
                }
            });
        }
    });
}

#[test]
fn it_holds_without_faults() {
    holds(&run(&Plan::with(1, Vec::new())));
}

#[test]
fn a_cut_that_does_not_end_is_noticed() {
    let report = run(&Plan::with(2, vec![planned(20, 100_000, Fault::Cut(1))]));
    assert_eq!(rules(&report), ["one-head"], "{report:#?}");
}

#[test]
fn a_node_that_does_not_start_again_is_noticed() {
    let report = run(&Plan::with(3, vec![planned(20, 100_000, Fault::Crash(2))]));
    assert_eq!(rules(&report), ["down"], "{report:#?}");
}

#[test]
fn a_node_that_does_not_end_when_it_is_asked_to_is_noticed() {
    let at = Duration::from_secs(10);
    // Its ports stay open for longer than that, so that others can turn away.
    for (lasts, expect) in [(8_000, &[][..]), (100, &["stop"])] {
        let stop = Planned { at, lasts: Duration::from_millis(lasts), fault: Fault::Stop(1) };
        let report = run(&Plan::with(5, vec![stop]));
        assert_eq!((rules(&report), report.restarts), (expect.to_vec(), 1), "{report:#?}");
    }
}

#[test]
fn a_store_that_is_lost_is_noticed() {
    // It cannot fetch again what it has lost before anybody sees it.
    let faults = vec![planned(28, 2, Fault::LostStore(0)), planned(28, 6, Fault::Cut(0))];
    let report = run(&Plan::with(4, faults));
    assert!(rules(&report).contains(&"final-undone"), "{report:#?}");
}
