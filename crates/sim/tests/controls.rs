//! Rules broken on purpose: each is noticed within so many seeds, by the rule that is named.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use vision_sim::{Faults, Sabotage, Scenario, run};

/// One kind of fault only, every few seconds.
fn only(set: impl FnOnce(&mut Faults)) -> Faults {
    let mut faults = Faults { partition_max_s: 60, all_down_max_s: 20, ..Faults::of_no_kind(10) };
    set(&mut faults);
    faults
}

fn scenario(nodes: usize, seconds: u64, faults: Faults) -> Scenario {
    Scenario { nodes, seconds, calm_s: 120, faults, ..Scenario::default() }
}

/// The first rule that a run breaks.
fn first(scenario: &Scenario, seed: u64) -> Option<&'static str> {
    let report = run(scenario, seed, |_| {}).expect("a scenario that can be run");
    report.violations.first().map(|violation| violation.rule)
}

/// The rule that notices it, within so many seeds; `whole` is what the same seeds show without it.
fn is_caught_unlike(
    sabotage: Sabotage,
    scenario: &Scenario,
    (whole, rule): (Option<&str>, &str),
    seeds: u64,
) {
    let broken = Scenario { sabotage: Some(sabotage), ..scenario.clone() };
    for seed in 0..seeds {
        assert_eq!(first(scenario, seed), whole, "without {sabotage:?}, seed {seed}");
        if let Some(first) = first(&broken, seed) {
            assert_eq!(first, rule, "{sabotage:?}, seed {seed}");
            return;
        }
    }
    panic!("{sabotage:?} is not noticed in {seeds} seeds");
}

/// The rule that notices it, within so many seeds; without it, none of these seeds breaks any.
fn is_caught(sabotage: Sabotage, scenario: &Scenario, rule: &str, seeds: u64) {
    is_caught_unlike(sabotage, scenario, (None, rule), seeds);
}

#[test]
fn nodes_that_make_their_heads_final_at_once_break_finality() {
    let scenario = scenario(4, 120, only(|faults| faults.partition = 1));
    is_caught(Sabotage::AllFinalizeAtOnce, &scenario, "finality", 5);
}

#[test]
fn a_node_that_makes_its_head_final_at_once_undoes_what_is_final() {
    let scenario = scenario(4, 120, only(|faults| faults.partition = 1));
    is_caught(Sabotage::OneFinalizesAtOnce, &scenario, "final-undone", 5);
}

#[test]
fn a_store_that_loses_changes_does_not_start() {
    let scenario = scenario(3, 60, only(|faults| faults.crash = 1));
    is_caught(Sabotage::LosesChanges, &scenario, "store", 1);
}

#[test]
fn producers_that_are_paid_too_much_break_the_supply() {
    is_caught(Sabotage::PaysTooMuch, &scenario(3, 20, Faults::none()), "supply", 1);
}

#[test]
fn a_signer_that_forgets_and_does_not_look_signs_twice() {
    // One that remembers, alone on an older copy of its chain, does not go on.
    let scenario = scenario(1, 300, only(|faults| faults.old_store = 1));
    let rules = (Some("liveness"), "double-sign");
    is_caught_unlike(Sabotage::ForgetsAndDoesNotLook, &scenario, rules, 1);
}

#[test]
fn signers_that_forget_their_promises_stop() {
    let scenario = scenario(3, 120, only(|faults| faults.crash = 1));
    is_caught(Sabotage::ForgetsPromises, &scenario, "refused", 3);
}

#[test]
fn waiting_transactions_that_are_not_on_disk_are_missed() {
    let faults = only(|faults| faults.all_down = 1);
    is_caught(Sabotage::LosesWaiting, &scenario(3, 240, faults), "acknowledged", 3);
}

#[test]
fn what_is_said_before_it_is_stored_is_missed() {
    let faults = only(|faults| faults.all_down = 1);
    is_caught(Sabotage::SpeaksBeforeItStores, &scenario(3, 240, faults), "acknowledged", 10);
}

#[test]
fn queues_without_a_bound_are_noticed() {
    let scenario = scenario(4, 60, only(|faults| faults.freeze = 1));
    is_caught(Sabotage::QueuesWithoutBound, &scenario, "bound", 3);
}

#[test]
fn nodes_that_never_catch_up_are_not_on_one_chain() {
    let scenario = scenario(4, 120, only(|faults| faults.crash = 1));
    is_caught(Sabotage::NeverCatchesUp, &scenario, "one-head", 3);
}

#[test]
fn nodes_that_answer_nothing_are_banned() {
    let scenario = scenario(4, 120, only(|faults| faults.partition = 1));
    is_caught(Sabotage::AnswersNothing, &scenario, "honest-ban", 3);
}

#[test]
fn a_lazy_producer_breaks_fairness() {
    let scenario = scenario(4, 300, Faults::none());
    is_caught(Sabotage::IsLazy, &scenario, "fairness", 1);
}
