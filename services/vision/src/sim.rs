//! `vision sim`: runs seeds of a scenario on all cores, and prints what they have shown, in order of seeds.

mod bar;
mod ending;
mod run;
mod tally;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::MissedTickBehavior;
use vision_host::shell::word;
use vision_host::{Clock, Randomness};
use vision_sim::Scenario;
use vision_terminal::exit::{Exit, Failure, Outcome};
use vision_terminal::output::{self, Format, count};
use vision_terminal::signals::Interrupts;
use vision_terminal::words::cut;

use crate::cli::{Seconds, SimArgs};
use bar::Bar;
use run::{Ended, Runs};
use tally::Tally;

/// How often the bar moves.
const TICK: Duration = Duration::from_millis(200);
/// Columns of the summary where stdout is no terminal.
const COLUMNS: usize = 80;

/// Runs the seeds.
pub(crate) async fn run(args: &SimArgs, format: Format) -> Outcome {
    let mut interrupts = Interrupts::new()?;
    let scenario = scenario(args)?;
    let first = first_seed(args)?;
    let jobs = args.jobs.or_else(|| Some(std::thread::available_parallelism().ok()?.get())).unwrap_or(1);
    let each_ms = (scenario.seconds + scenario.calm_s) * 1000;
    let mut show = Show::new(args, &scenario, first, format);
    let clock = Clock::system(0);
    let started_ms = clock.monotonic_ms();
    let one =
        move |seed, progress: &mut run::Progressing<'_>| vision_sim::run_while(&scenario, seed, progress);
    let (runs, mut results) = Runs::start(first, args.seeds, jobs, one)?;
    let bar = Bar::new(args.seeds, each_ms);
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            biased;
            name = interrupts.next() => {
                runs.stop();
                // Whoever asks twice does not want to wait for the threads.
                if show.interrupted.replace(name).is_some() {
                    break;
                }
            }
            ended = results.recv() => match ended {
                Some(ended) => bar.aside(|| show.ended(ended))?,
                None => break,
            },
            _ = ticks.tick() => bar.show(runs.simulated_ms(), show.tally.runs, show.tally.broken),
        }
    }
    drop(bar);
    show.finish(clock.monotonic_ms().saturating_sub(started_ms))
}

/// What the file and the flags say.
fn scenario(args: &SimArgs) -> Outcome<Scenario> {
    let mut scenario = args.scenario.as_deref().map_or_else(|| Ok(Scenario::default()), read)?;
    scenario.nodes = args.nodes.unwrap_or(scenario.nodes);
    scenario.seconds = args.hours.map_or(scenario.seconds, |Seconds(seconds)| seconds);
    let named = |error| match &args.scenario {
        Some(file) => Failure::usage(format!("{} with these flags: {error}", file.display())),
        None => Failure::usage(format!("{error}")),
    };
    scenario.check().map_err(named)?;
    Ok(scenario)
}

fn read(file: &Path) -> Outcome<Scenario> {
    let text = std::fs::read_to_string(file)
        .map_err(|error| Failure::io("read", file, &error).with_exit(Exit::Usage))?;
    Scenario::from_toml(&text).map_err(|error| Failure::usage(format!("{}: {error}", file.display())))
}

/// The seed that was given, or one that is short enough to be typed.
fn first_seed(args: &SimArgs) -> Outcome<u64> {
    let Some(seed) = args.seed else {
        let bytes = Randomness::system().bytes::<4>();
        let seed = bytes.map_err(|error| Failure::failed(error.to_string()))?;
        let seed = u64::from(u32::from_le_bytes(seed));
        eprintln!("seed {seed}");
        return Ok(seed);
    };
    match seed.checked_add(args.seeds - 1) {
        Some(_) => Ok(seed),
        None => Err(Failure::usage(format!("there are no {} seeds from {seed} on", args.seeds))),
    }
}

/// What is printed.
struct Show {
    format: Format,
    width: Option<usize>,
    seeds: u64,
    /// The command that repeats a run, but for its seed.
    replay: [String; 2],
    /// Runs that ended before one of a lower seed.
    early: BTreeMap<u64, Ended>,
    next: u64,
    tally: Tally,
    /// The runs, for programs.
    listed: Vec<Value>,
    interrupted: Option<&'static str>,
}

impl Show {
    fn new(args: &SimArgs, scenario: &Scenario, first: u64, format: Format) -> Self {
        let file = args.scenario.as_ref().map(|file| format!(" --scenario {}", word(file)));
        let hours = Seconds(scenario.seconds).as_hours();
        let after = format!(" --nodes {} --hours {hours}{}", scenario.nodes, file.unwrap_or_default());
        Self {
            format,
            width: output::width(),
            seeds: args.seeds,
            replay: ["vision sim --seed ".into(), after],
            early: BTreeMap::new(),
            next: first,
            tally: Tally::default(),
            listed: Vec::new(),
            interrupted: None,
        }
    }

    fn replay(&self, seed: u64) -> String {
        let [before, after] = &self.replay;
        format!("{before}{seed}{after}")
    }

    /// A run is over; it is shown after those of lower seeds.
    fn ended(&mut self, ended: Ended) -> Outcome {
        self.early.insert(ended.seed, ended);
        while let Some(ended) = self.early.remove(&self.next) {
            self.next = self.next.saturating_add(1);
            self.show(&ended)?;
        }
        Ok(())
    }

    fn show(&mut self, Ended { seed, ending }: &Ended) -> Outcome {
        self.tally.add(*seed, ending);
        if self.format == Format::Json {
            self.listed.push(ending.json(*seed, &self.replay(*seed)));
            return Ok(());
        }
        match ending.broken() {
            Some(broken) if self.seeds > 1 => self.line(*seed, &broken),
            _ => Ok(()),
        }
    }

    /// A run that broke a rule. A shell takes the whole line.
    fn line(&self, seed: u64, broken: &str) -> Outcome {
        let command = self.replay(seed);
        let room = self.width.map_or(usize::MAX, |width| width.saturating_sub(command.len() + 4));
        match cut(broken, room) {
            broken if room >= COLUMNS / 4 => output::line(&format!("{command}  # {broken}")),
            _ => output::line(&command),
        }
    }

    /// Shows what all runs have in common, and fails if a rule was broken.
    fn finish(mut self, real_ms: u64) -> Outcome {
        for ended in std::mem::take(&mut self.early).into_values() {
            self.show(&ended)?;
        }
        match self.format {
            Format::Json => output::json(&json!({
                "seeds": self.seeds,
                "ended": self.tally.ended,
                "broken": self.tally.broken,
                "simulated_ms": self.tally.simulated_ms,
                "real_ms": real_ms,
                "audit": self.tally.audit(),
                "runs": self.listed,
            }))?,
            Format::Table => {
                output::write(&self.tally.text(self.seeds, real_ms, self.width.unwrap_or(COLUMNS)))?;
                if let Some((seed, broken)) = self.tally.first_broken.as_ref().filter(|_| self.seeds == 1) {
                    output::write(&format!(
                        "\nbroken: {}\nreplay: {}\n",
                        cut(broken, 4_096),
                        self.replay(*seed)
                    ))?;
                }
            }
        }
        self.verdict()
    }

    fn verdict(&self) -> Outcome {
        let Tally { ended, broken, .. } = self.tally;
        match (broken, self.interrupted) {
            (0, None) => Ok(()),
            (0, Some(name)) => Err(Failure::failed(format!(
                "{name} came after {ended} of {}; no rule was broken so far",
                count(self.seeds, "run")
            ))),
            (broken, _) => {
                let verb = if broken == 1 { "breaks" } else { "break" };
                Err(Failure::failed(format!("{broken} of {} {verb} a rule", count(self.tally.runs, "run"))))
            }
        }
    }
}

#[cfg(test)]
mod tests;
