//! Arguments of `vision sim`.

use std::path::PathBuf;

use clap::Args;
use vision_sim::MAX_NODES;
use vision_terminal::values;

/// Seeds of one command at most.
const MAX_SEEDS: u64 = 1_000_000;
/// Threads at most.
const MAX_JOBS: u64 = 1_024;
/// The longest time with faults, hours.
const MAX_HOURS: f64 = 8_760.0;
/// Seconds of an hour.
const HOUR_S: f64 = 3_600.0;

/// `sim`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  vision sim                                     a random seed; it is printed
  vision sim --seed 1 --seeds 200 --hours 0.05   many short runs
  vision sim --nodes 21 --hours 24               one long run
  vision sim --scenario deploy/sim/mixed.toml --seed 7 -o json

The same seed and scenario give the same audit hash, on any machine. If a rule is broken, the command that \
repeats the run is printed. docs/simulation.md lists the fields of a scenario, the rules, and what is \
made up.\n\n\
Exit codes: 0 no rule is broken, 1 a rule is broken or the runs were interrupted, 2 usage, or a scenario \
that cannot be run.")]
pub(crate) struct SimArgs {
    /// The first seed [default: random; it is printed].
    #[arg(long, value_name = "N", value_parser = values::whole)]
    pub seed: Option<u64>,
    /// How many seeds to run, one after the other from the first on.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = values::within::<u64>(1..=MAX_SEEDS))]
    pub seeds: u64,
    /// Nodes of the network [default: the scenario's, or 7].
    #[arg(long, value_name = "N", value_parser = values::within::<usize>(1..=MAX_NODES as u64))]
    pub nodes: Option<usize>,
    /// Simulated time with faults, hours, with or without a fraction [default: the scenario's, or 1]. A time
    /// without faults follows.
    #[arg(long, value_name = "H", value_parser = seconds)]
    pub hours: Option<Seconds>,
    /// A scenario, as TOML. The other flags override it.
    #[arg(long, value_name = "FILE")]
    pub scenario: Option<PathBuf>,
    /// Threads; a run takes one [default: as many as there are cores]. Changes no result.
    #[arg(long, value_name = "N", value_parser = values::within::<usize>(1..=MAX_JOBS))]
    pub jobs: Option<usize>,
}

/// A time that was given in hours.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Seconds(pub u64);

impl Seconds {
    /// In hours, as few digits as give the same number of seconds again.
    pub(crate) fn as_hours(self) -> String {
        let hours = self.0 as f64 / HOUR_S;
        let mut texts = (0..=4_usize).map(|digits| format!("{hours:.digits$}"));
        // Four digits are a third of a second.
        texts.find(|text| seconds(text) == Ok(self)).unwrap_or_else(|| format!("{hours}"))
    }
}

/// Hours, rounded to seconds.
fn seconds(text: &str) -> Result<Seconds, String> {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let hours = is_plain.then(|| text.parse::<f64>().ok()).flatten();
    hours
        .filter(|hours| *hours * HOUR_S >= 0.5 && *hours <= MAX_HOURS)
        .map(|hours| Seconds(rounded(hours * HOUR_S)))
        .ok_or_else(|| "expected hours from 0.0002 to 8760, such as 2 or 0.25".into())
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is within a year")]
fn rounded(seconds: f64) -> u64 {
    seconds.round() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hours_are_read_and_written_to_the_second() {
        let cases =
            [("1", 3_600), ("0.25", 900), ("24", 86_400), ("0.05", 180), (".5", 1_800), ("8760", 31_536_000)];
        for (text, expect) in cases {
            assert_eq!(seconds(text), Ok(Seconds(expect)), "{text}");
        }
        for wrong in ["", ".", "-1", "+1", "1e2", "inf", "0", "0.0001", "8760.1", "1.2.3", "1h"] {
            assert!(seconds(wrong).is_err(), "{wrong}");
        }
        for whole in (1..20_000).chain([86_399, 31_535_999]).map(Seconds) {
            assert_eq!(seconds(&whole.as_hours()), Ok(whole), "{}", whole.as_hours());
        }
        assert_eq!(Seconds(180).as_hours(), "0.05");
        assert_eq!(Seconds(7_200).as_hours(), "2");
    }
}
