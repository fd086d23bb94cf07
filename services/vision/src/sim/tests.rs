use clap::Parser as _;
use vision_sim::{Report, ScenarioError, Violation};

use super::ending::Ending;
use super::*;
use crate::cli::{Cli, Command};

/// A short run of one node, to be bent.
fn report(seed: u64) -> Report {
    let scenario = Scenario { nodes: 1, seconds: 5, calm_s: 5, ..Scenario::default() };
    vision_sim::run(&scenario, seed, |_| {}).expect("a scenario that can be run")
}

fn broken(seed: u64) -> Report {
    let what = "the last block, 123, is 65000 ms old".to_owned();
    Report { violations: vec![Violation { at_ms: 460_000, node: 2, rule: "liveness", what }], ..report(seed) }
}

fn args(line: &str) -> SimArgs {
    match Cli::try_parse_from(line.split(' ')).expect("right").command {
        Command::Sim(args) => args,
        other => panic!("{other:?}"),
    }
}

/// All that some runs give, in the order in which they end.
async fn all(seeds: u64, jobs: usize, run: fn(u64) -> Result<Report, ScenarioError>) -> Vec<Ended> {
    let (_runs, mut results) = Runs::start(10, seeds, jobs, move |seed, _| run(seed)).expect("threads");
    let mut all = Vec::new();
    while let Some(ended) = results.recv().await {
        all.push(ended);
    }
    all
}

#[tokio::test]
async fn every_seed_runs_once_and_the_number_of_threads_changes_nothing() {
    let mut shown = Vec::new();
    for jobs in [1, 3] {
        let args = args("vision sim --seed 10 --seeds 7 --nodes 1");
        let mut show = Show::new(&args, &scenario(&args).expect("right"), 10, Format::Json);
        for ended in all(7, jobs, |seed| Ok(report(seed))).await {
            show.ended(ended).expect("nothing is printed");
        }
        let seeds: Vec<_> = show.listed.iter().map(|run| run["seed"].clone()).collect();
        assert_eq!(seeds, (10..17).map(|seed| json!(seed)).collect::<Vec<_>>());
        shown.push((show.tally.audit(), show.listed));
    }
    assert_eq!(shown[0], shown[1]);
}

#[tokio::test]
async fn a_run_that_stops_the_program_is_one_that_breaks_a_rule() {
    let ended = all(3, 2, |seed| if seed == 11 { panic!("no such state") } else { Ok(report(seed)) }).await;
    let mut tally = Tally::default();
    for Ended { seed, ending } in &ended {
        tally.add(*seed, ending);
    }
    assert_eq!((tally.runs, tally.broken), (3, 1));
    let expect = (11, "the program stopped: no such state".to_owned());
    assert_eq!(tally.first_broken, Some(expect));
}

#[tokio::test]
async fn who_is_asked_to_stop_says_how_far_it_came() {
    let scenario = Scenario { nodes: 2, seconds: 3_600, ..Scenario::default() };
    let one =
        move |seed, progress: &mut run::Progressing<'_>| vision_sim::run_while(&scenario, seed, progress);
    let (runs, mut results) = Runs::start(0, 5, 1, one).expect("threads");
    runs.stop();
    let mut ended = Vec::new();
    while let Some(Ended { ending, .. }) = results.recv().await {
        let Ending::Part(report) = ending else { panic!("it ran to its end") };
        assert!(report.simulated_ms < 3_600_000 && report.violations.is_empty());
        ended.push(report);
    }
    assert!(ended.len() <= 1, "no further one begins");
}

#[test]
fn the_command_that_repeats_a_run_has_all_that_decides_it() {
    let cases = [
        ("vision sim", "vision sim --seed 5 --nodes 7 --hours 1"),
        ("vision sim --nodes 4 --hours 0.05", "vision sim --seed 5 --nodes 4 --hours 0.05"),
    ];
    for (line, expect) in cases {
        let args = args(line);
        let show = Show::new(&args, &scenario(&args).expect("right"), 0, Format::Table);
        assert_eq!(show.replay(5), expect);
        let again = self::args(expect);
        assert_eq!(scenario(&again).expect("right"), scenario(&args).expect("right"));
    }
    let dir = tempfile::tempdir().expect("temp dir");
    let file = dir.path().join("a scenario.toml");
    std::fs::write(&file, "nodes = 5\nseconds = 90\n").expect("written");
    let args = SimArgs { scenario: Some(file.clone()), ..self::args("vision sim --hours 2") };
    let show = Show::new(&args, &scenario(&args).expect("right"), 0, Format::Table);
    let expect = format!("vision sim --seed 1 --nodes 5 --hours 2 --scenario '{}'", file.display());
    assert_eq!(show.replay(1), expect);
}

#[test]
fn a_scenario_that_cannot_be_run_is_named_with_its_field_and_range() {
    let dir = tempfile::tempdir().expect("temp dir");
    let file = dir.path().join("s.toml");
    let cases = [
        (
            "nodes = 99999",
            "vision sim",
            "s.toml: nodes: must be a whole number from 1 to 20000, and is 99999",
        ),
        ("nodes = ", "vision sim", "s.toml: line 1, `nodes =`: "),
        (
            "producers = 5",
            "vision sim --nodes 3",
            "s.toml with these flags: producers: must be at most as many",
        ),
    ];
    for (text, line, expect) in cases {
        std::fs::write(&file, text).expect("written");
        let args = SimArgs { scenario: Some(file.clone()), ..args(line) };
        let failure = scenario(&args).expect_err(text);
        assert_eq!(failure.exit(), Exit::Usage);
        assert!(failure.to_string().contains(expect), "{failure}");
    }
    let args = SimArgs { scenario: Some(dir.path().join("none")), ..args("vision sim") };
    let failure = scenario(&args).expect_err("no file");
    assert!(failure.exit() == Exit::Usage && failure.to_string().starts_with("cannot read "), "{failure}");
    let past_the_end = format!("vision sim --seeds 2 --seed {}", u64::MAX);
    let failure = first_seed(&self::args(&past_the_end)).expect_err("no second one");
    assert_eq!(failure.exit(), Exit::Usage);
}

#[test]
fn the_summary_fits_80_columns_and_has_what_was_seen() {
    let mut tally = Tally::default();
    let mut report = report(7);
    report.faults =
        (0..12).map(|at| (["crash", "partition", "clock-jump"][at % 3], 100 + at as u64)).collect();
    report.reorganisations = [(1, 1_234), (2, 56), (7, 1)].into();
    report.made = [1_000, 20, 3];
    (report.messages, report.bytes, report.simulated_ms, report.nodes) = (70_000, 7_000_000, 100_000, 7);
    tally.add(7, &Ending::Whole(Box::new(report.clone())));
    let text = tally.text(1, 50, 80);
    for line in [
        "seed            7",
        "simulated       1 min 40 s in 0.0 s: 2,000 times real time",
        "blocks made     1,000 by the primary, 20 by backups, 3 in the tail",
        "reorganised     1,291 times: 1,234 of 1 block, 56 of 2 blocks, 1 of 7 blocks",
        "faults          330: 111 clock-jump, 110 partition, 109 crash",
        "messages        70,000, 100 per node and second",
        "bytes           7,000,000, 10,000 per node and second",
        &format!("audit           {}", report.audit),
    ] {
        assert!(text.lines().any(|shown| shown == line), "{line} in\n{text}");
    }
    tally.add(8, &Ending::Whole(Box::new(broken(8))));
    tally.add(9, &Ending::Part(Box::new(report)));
    let text = tally.text(5, 50, 80);
    assert!(text.starts_with("seeds           7 to 9: 2 of 5 ran to the end, 1 broke a rule\n"), "{text}");
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
}

#[test]
fn a_broken_rule_fails_the_command_and_so_does_an_interruption() {
    let args = args("vision sim --seeds 2");
    let scenario = scenario(&args).expect("right");
    let verdict = |endings: Vec<Ending>, interrupted| {
        let mut show = Show::new(&args, &scenario, 0, Format::Json);
        show.interrupted = interrupted;
        for (seed, ending) in (0..).zip(endings) {
            show.ended(Ended { seed, ending }).expect("nothing is printed");
        }
        let replays: Vec<_> =
            show.listed.iter().map(|run| (run["complete"].clone(), run["replay"].clone())).collect();
        (show.verdict().err().map(|failure| (failure.exit(), failure.to_string())), replays)
    };
    let whole = |report| Ending::Whole(Box::new(report));
    assert_eq!(verdict(vec![whole(report(0)), whole(report(1))], None).0, None);
    let (failure, replays) = verdict(vec![whole(report(0)), whole(broken(1))], None);
    assert_eq!(failure, Some((Exit::Failed, "1 of 2 runs breaks a rule".into())));
    assert_eq!(replays[1], (json!(false), json!("vision sim --seed 1 --nodes 7 --hours 1")));
    let (failure, _) = verdict(vec![whole(report(0)), Ending::Part(Box::new(report(1)))], Some("SIGINT"));
    let expect = "SIGINT came after 1 of 2 runs; no rule was broken so far";
    assert_eq!(failure, Some((Exit::Failed, expect.into())));
    let expect = "liveness, node 2, after 7 min: the last block, 123, is 65000 ms old";
    assert_eq!(whole(broken(0)).broken().as_deref(), Some(expect));
}
