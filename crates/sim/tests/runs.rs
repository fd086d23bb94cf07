//! Runs of the simulator: the same twice, clean under faults, and able to find what is broken.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use vision_sim::{Behaviour, Faults, Network, Report, Scenario, run};

/// Five minutes of many faults and two of calm.
fn short(nodes: usize) -> Scenario {
    let faults = Faults { every_s: 10, ..Faults::default() };
    Scenario { nodes, seconds: 300, calm_s: 120, standby: 1, faults, ..Scenario::default() }
}

fn report(scenario: &Scenario, seed: u64) -> Report {
    run(scenario, seed, |_| {}).expect("a scenario that can be run")
}

#[test]
fn the_same_seed_gives_the_same_run_and_another_one_another() {
    let (first, second, other) = (report(&short(4), 1), report(&short(4), 1), report(&short(4), 2));
    assert_eq!(first, second);
    assert_ne!(first.audit, other.audit);
    assert!(first.events > 10_000, "{first:?}");
}

#[test]
fn without_faults_every_block_is_the_primarys_and_nothing_is_ever_left() {
    let scenario = Scenario { seconds: 600, faults: Faults::none(), ..short(5) };
    let report = report(&scenario, 7);
    assert_eq!(report.violations, []);
    let [primary, backup, tail] = report.made;
    assert!(primary > 300 && backup + tail <= primary / 100, "{:?}", report.made);
    assert!(report.reorganisations.keys().all(|left| *left == 1), "{:?}", report.reorganisations);
    assert!(report.finalized + 100 > report.height, "{} {}", report.finalized, report.height);
    assert_eq!(report.submitted[0], report.submitted[1]);
    assert_eq!(report.charges, 0);
}

#[test]
fn mixed_faults_break_no_rule() {
    for nodes in [3, 4, 7] {
        for seed in 0..4 {
            let report = report(&short(nodes), seed);
            assert_eq!(report.violations, [], "{nodes} nodes, seed {seed}");
            assert!(report.faults.values().sum::<u64>() > 10, "{:?}", report.faults);
        }
    }
}

#[test]
fn messages_lost_doubled_and_overtaken_break_no_rule() {
    let network = Network { mischief_per_mille: 10, ..Network::default() };
    for seed in 0..3 {
        let report = report(&Scenario { network: network.clone(), ..short(5) }, seed);
        assert_eq!(report.violations, [], "seed {seed}");
    }
}

#[test]
fn two_of_seven_that_misbehave_break_no_rule() {
    for behaviour in Behaviour::ALL {
        let byzantine = vec![behaviour; 2];
        let report = report(&Scenario { byzantine, ..short(7) }, 3);
        assert_eq!(report.violations, [], "{behaviour:?}");
        assert!(report.height > 60, "{behaviour:?}: {}", report.height);
    }
}
