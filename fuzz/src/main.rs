//! Runs entries for as long as one likes, on a stable compiler.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use vision_fuzz::{DEFAULT_SEED, ENTRIES, Entry, Runner, entry, shrink, write_seeds};
use vision_host::Clock;

/// How long one entry runs before the next has its turn.
const TURN: Duration = Duration::from_secs(1);

/// Drives decoders and state machines with arbitrary bytes.
#[derive(Parser, Debug)]
struct Arguments {
    /// Only this entry; may be given several times
    #[arg(long, value_name = "NAME")]
    entry: Vec<String>,
    /// How long, over all entries
    #[arg(long, default_value_t = 1)]
    minutes: u64,
    /// Decides all cases
    #[arg(long, default_value_t = DEFAULT_SEED)]
    seed: u64,
    /// Runs one input and ends; with one --entry
    #[arg(long, value_name = "HEX")]
    input: Option<String>,
    /// With --input: leaves out what is not needed to fail, and prints the rest
    #[arg(long, requires = "input")]
    shrink: bool,
    /// Writes the seeds into fuzz/corpus and ends
    #[arg(long)]
    write_seeds: bool,
}

fn chosen(names: &[String]) -> Result<Vec<&'static Entry>, String> {
    if names.is_empty() {
        return Ok(ENTRIES.iter().collect());
    }
    let known = || ENTRIES.iter().map(|entry| entry.name).collect::<Vec<_>>().join(", ");
    let find = |name: &String| entry(name).ok_or_else(|| format!("no entry {name}; known: {}", known()));
    names.iter().map(find).collect()
}

/// An entry at work.
struct Work {
    name: &'static str,
    runner: Runner,
    cases: u64,
    failed: bool,
}

/// One that fails has no further turn; the others go on.
fn long(entries: &[&Entry], arguments: &Arguments) -> Result<(), String> {
    let clock = Clock::system(0);
    let (begin, whole) = (clock.instant(), Duration::from_secs(arguments.minutes.saturating_mul(60)));
    let new = |entry: &&Entry| {
        let runner = Runner::new(entry.name, entry.run, arguments.seed);
        Work { name: entry.name, runner, cases: 0, failed: false }
    };
    let mut works: Vec<_> = entries.iter().map(new).collect();
    for work in &mut works {
        work.failed = catch_unwind(AssertUnwindSafe(|| work.runner.replay())).is_err();
    }
    while clock.instant().duration_since(begin) < whole && works.iter().any(|work| !work.failed) {
        for work in works.iter_mut().filter(|work| !work.failed) {
            let turn = clock.instant();
            while !work.failed && clock.instant().duration_since(turn) < TURN {
                work.failed = catch_unwind(AssertUnwindSafe(|| work.runner.step())).is_err();
                work.cases += 1;
            }
        }
    }
    for Work { name, cases, failed, .. } in &works {
        println!("{name:16} {cases:>12} cases{}", if *failed { ", the last of which fails" } else { "" });
    }
    match works.iter().filter(|work| work.failed).count() {
        0 => Ok(()),
        failed => Err(format!("{failed} entries fail, seed {}; the inputs are above", arguments.seed)),
    }
}

fn run(arguments: &Arguments) -> Result<(), String> {
    let entries = chosen(&arguments.entry)?;
    if arguments.write_seeds {
        return entries.into_iter().try_for_each(write_seeds).map_err(|error| error.to_string());
    }
    if let Some(hex) = &arguments.input {
        let [entry] = entries[..] else { return Err("--input needs one --entry".into()) };
        let input = hex::decode(hex).map_err(|error| format!("--input: {error}"))?;
        if arguments.shrink {
            println!("{}", hex::encode(shrink(entry.run, &input)));
            return Ok(());
        }
        (entry.run)(&input);
        println!("the property holds");
        return Ok(());
    }
    long(&entries, arguments)
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("error: {why}");
            ExitCode::FAILURE
        }
    }
}
