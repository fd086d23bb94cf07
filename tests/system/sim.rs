//! `vision sim` as a person uses it.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::process::Stdio;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::harness::{command, stderr, stdout, vision};

const SHORT: [&str; 7] = ["sim", "--nodes", "3", "--hours", "0.02", "--seed", "4"];

fn with(more: &[&str]) -> Vec<String> {
    SHORT.iter().chain(more).map(|word| (*word).to_owned()).collect()
}

fn words(owned: &[String]) -> Vec<&str> {
    owned.iter().map(String::as_str).collect()
}

#[test]
fn a_run_is_summed_up_and_is_the_same_again() {
    let text = vision(&SHORT);
    assert_eq!((text.status.code(), stderr(&text).as_str()), (Some(0), ""));
    let text = stdout(&text);
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    let audit = text.lines().find_map(|line| line.strip_prefix("audit")).expect("its hash").trim();
    let run = |more: &[&str]| -> Value {
        let output = vision(&words(&with(&[more, &["-o", "json"]].concat())));
        assert!(output.status.success(), "{}", stderr(&output));
        serde_json::from_str(&stdout(&output)).expect("JSON")
    };
    let one = run(&[]);
    assert_eq!((one["audit"].as_str(), &one["runs"][0]["audit"]), (Some(audit), &one["audit"]));
    assert_eq!(one["runs"][0]["replay"], "vision sim --seed 4 --nodes 3 --hours 0.02");
    let many = ["1", "3"].map(|jobs| run(&["--seeds", "3", "--jobs", jobs]));
    assert_eq!((&many[0]["runs"], &many[0]["runs"][0]), (&many[1]["runs"], &one["runs"][0]));
    assert_eq!((&many[0]["ended"], &many[0]["broken"]), (&json!(3), &json!(0)));
    let random = vision(&["sim", "--nodes", "1", "--hours", "0.001"]);
    let seed = stderr(&random).trim().strip_prefix("seed ").map(str::to_owned).expect("the seed");
    assert!(stdout(&random).starts_with(&format!("seed            {seed}\n")), "{}", stdout(&random));
}

#[test]
fn a_broken_rule_is_shown_with_the_command_that_repeats_it() {
    let dir = tempfile::tempdir().expect("temp dir");
    let file = dir.path().join("mute nodes.toml");
    fs::write(&file, "sabotage = \"answers-nothing\"\ncalm_s = 120\n[faults]\nevery_s = 8\n")
        .expect("written");
    let flags = ["--hours", "0.08", "--scenario", file.to_str().expect("UTF-8")];
    let many = vision(&[&["sim", "--nodes", "4", "--seed", "0", "--seeds", "5"][..], &flags].concat());
    assert_eq!(many.status.code(), Some(1), "{}{}", stdout(&many), stderr(&many));
    let (text, quoted) = (stdout(&many), format!("'{}'", file.display()));
    let line = text.lines().find(|line| line.starts_with("vision sim ")).expect("a run that broke a rule");
    let (replay, broken) = line.split_once("  # ").expect("what it broke");
    assert!(replay.ends_with(&format!(" --nodes 4 --hours 0.08 --scenario {quoted}")), "{replay}");
    let seed = replay.split(' ').nth(3).expect("the seed");
    let again = vision(&[&["sim", "--nodes", "4", "--seed", seed][..], &flags].concat());
    assert_eq!(again.status.code(), Some(1));
    let end = format!("\nbroken: {broken}\nreplay: {replay}\n");
    assert!(stdout(&again).ends_with(&end), "{end} in\n{}", stdout(&again));
    assert_eq!(stderr(&again), "error: 1 of 1 run breaks a rule\n");
}

#[test]
fn a_scenario_that_cannot_be_run_is_exit_two() {
    let dir = tempfile::tempdir().expect("temp dir");
    let file = dir.path().join("s.toml");
    let output = |file: &Path| vision(&["sim", "--scenario", file.to_str().expect("UTF-8")]);
    fs::write(&file, "[faults]\nevery_s = -1\n").expect("written");
    let wrong = output(&file);
    assert_eq!(wrong.status.code(), Some(2));
    let expect = "s.toml: faults.every_s: must be a whole number from 0 to 31536000, and is -1\n";
    assert!(stderr(&wrong).ends_with(expect), "{}", stderr(&wrong));
    let none = output(&dir.path().join("none.toml"));
    assert_eq!(none.status.code(), Some(2));
    assert!(stderr(&none).contains("none.toml: "), "{}", stderr(&none));
}

#[test]
fn who_interrupts_a_run_sees_what_ran_so_far() {
    let mut child = command(&["sim", "--nodes", "3", "--hours", "8000"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut errors = BufReader::new(child.stderr.take().expect("piped"));
    let mut line = String::new();
    errors.read_line(&mut line).expect("the seed");
    assert!(line.starts_with("seed "), "{line}");
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw).expect("a pid");
    kill_process(pid, Signal::INT).expect("own child");
    let mut text = String::new();
    child.stdout.take().expect("piped").read_to_string(&mut text).expect("text");
    assert_eq!(child.wait().expect("own child").code(), Some(1));
    assert!(text.contains("\nsimulated ") && text.contains("\naudit "), "{text}");
    line.clear();
    errors.read_line(&mut line).expect("why");
    assert_eq!(line, "error: SIGINT came after 0 of 1 run; no rule was broken so far\n");
}
