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

/// Two minutes of faults, none of which cuts anybody off for long, and some calm.
fn hostile(nodes: usize, byzantine: Vec<Behaviour>) -> Scenario {
    let faults = Faults { partition_max_s: 30, all_down_max_s: 30, ..short(nodes).faults };
    Scenario { byzantine, seconds: 120, calm_s: 90, faults, ..short(nodes) }
}

#[test]
fn two_of_seven_that_misbehave_break_no_rule() {
    for behaviour in Behaviour::ALL {
        let report = report(&hostile(7, vec![behaviour; 2]), 3);
        assert_eq!(report.violations, [], "{behaviour:?}");
        assert!(report.height > 60, "{behaviour:?}: {}", report.height);
    }
}

#[test]
fn four_of_nine_that_misbehave_each_in_another_way_break_no_rule() {
    for (seed, byzantine) in (0..).zip(Behaviour::ALL.chunks(4)) {
        let report = report(&hostile(9, byzantine.to_vec()), seed);
        assert_eq!(report.violations, [], "{byzantine:?}");
        assert!(report.height > 60, "{byzantine:?}: {}", report.height);
    }
}

/// No fault of any kind.
fn no_kind() -> Faults {
    let none = "crash = 0\nfreeze = 0\npartition = 0\none_way = 0\nflapping = 0\ndisk_full = 0\nslow_disk = 0
        slow_node = 0\nclock_jump = 0\nclock_drift = 0\nall_down = 0\nold_store = 0\nboth_old = 0
        lost_signer = 0\ncrash_loop = 0\nreset = 0\nold_signer = 0\nevery_s = 10";
    toml::from_str(none).expect("all kinds by name")
}

#[test]
fn signers_whose_files_are_old_or_lost_sign_nothing_twice_on_the_newest_chain() {
    let old = Faults { old_signer: 3, crash: 1, ..no_kind() };
    let lost = Faults { lost_signer: 1, ..no_kind() };
    let mut refused = 0;
    for faults in [old, lost] {
        let report = report(&Scenario { faults, seconds: 600, ..short(5) }, 1);
        assert_eq!(report.violations, []);
        assert_eq!(report.signed_twice, 0);
        refused += report.refused_producers;
    }
    assert!(refused > 0, "no signer refused to go on with an older file");
}

/// Two of three clocks that are wrong by different amounts: the one in the middle must not be followed.
#[test]
fn clocks_that_all_differ_stamp_no_block_ahead() {
    let faults = Faults { every_s: 5, clock_jump: 60, clock_drift: 10, crash: 20, ..no_kind() };
    let scenario = Scenario { nodes: 3, seconds: 150, calm_s: 120, faults, ..Scenario::default() };
    for seed in [1, 15, 19] {
        let report = report(&scenario, seed);
        assert_eq!(report.violations, [], "seed {seed}");
        assert!(report.height > 60, "seed {seed}: {}", report.height);
    }
}
