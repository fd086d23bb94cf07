//! What runs have shown, summed up.

use std::collections::BTreeMap;

use vision_primitives::hash;
use vision_sim::Report;
use vision_terminal::output::{count, properties_within};
use vision_terminal::words::{number, span};

use super::ending::Ending;

/// Sums over runs, added in order of their seeds.
#[derive(Default)]
pub(crate) struct Tally {
    /// Runs, and those of them that were not interrupted.
    pub runs: u64,
    pub ended: u64,
    /// Runs that broke a rule, and the first of them.
    pub broken: u64,
    pub first_broken: Option<(u64, String)>,
    pub simulated_ms: u64,
    seeds: Option<(u64, u64)>,
    nodes: usize,
    height: u64,
    finalized: u64,
    made: [u64; 3],
    reorganisations: BTreeMap<u64, u64>,
    faults: BTreeMap<&'static str, u64>,
    refusals: BTreeMap<&'static str, u64>,
    dropped: BTreeMap<&'static str, u64>,
    submitted: [u64; 2],
    charges: u64,
    refused_producers: u64,
    events: u64,
    messages: u64,
    bytes: u64,
    audits: Vec<String>,
}

impl Tally {
    /// Adds a run.
    pub(crate) fn add(&mut self, seed: u64, ending: &Ending) {
        self.runs += 1;
        self.ended += u64::from(!matches!(ending, Ending::Part(_)));
        self.seeds = Some(self.seeds.map_or((seed, seed), |(first, _)| (first, seed)));
        if let Some(broken) = ending.broken() {
            self.broken += 1;
            self.first_broken.get_or_insert((seed, broken));
        }
        if let Some(report) = ending.report() {
            self.sum(report);
        }
    }

    fn sum(&mut self, report: &Report) {
        self.nodes = self.nodes.max(report.nodes);
        for (sum, of_run) in [
            (&mut self.simulated_ms, report.simulated_ms),
            (&mut self.height, report.height),
            (&mut self.finalized, report.finalized),
            (&mut self.charges, report.charges),
            (&mut self.refused_producers, report.refused_producers),
            (&mut self.events, report.events),
            (&mut self.messages, report.messages),
            (&mut self.bytes, report.bytes),
        ] {
            *sum += of_run;
        }
        self.made.iter_mut().zip(report.made).for_each(|(sum, of_run)| *sum += of_run);
        self.submitted.iter_mut().zip(report.submitted).for_each(|(sum, of_run)| *sum += of_run);
        merge(&mut self.reorganisations, &report.reorganisations);
        merge(&mut self.faults, &report.faults);
        merge(&mut self.refusals, &report.refusals);
        merge(&mut self.dropped, &report.dropped);
        self.audits.push(report.audit.clone());
    }

    /// The audit hash of a run, or one over those of all runs.
    pub(crate) fn audit(&self) -> String {
        match &self.audits[..] {
            [] => "-".into(),
            [one] => one.clone(),
            all => {
                let bytes: Vec<&[u8]> = all.iter().map(String::as_bytes).collect();
                hash(&bytes).to_string()
            }
        }
    }

    /// The summary in so many columns.
    pub(crate) fn text(&self, seeds: u64, real_ms: u64, columns: usize) -> String {
        let mut pairs = vec![("seeds", self.seeds_line(seeds)), ("nodes", self.nodes.to_string())];
        if seeds == 1 {
            pairs[0] = ("seed", self.seeds.map_or_else(|| "-".into(), |(seed, _)| seed.to_string()));
        }
        let [primary, backups, tail] = self.made.map(number);
        let [submitted, acknowledged] = self.submitted.map(number);
        let (height, finalized) = (number(self.height), number(self.finalized));
        let blocks = format!("{primary} by the primary, {backups} by backups, {tail} in the tail");
        pairs.extend([
            ("simulated", self.speed(real_ms)),
            ("height", format!("{height}, final to {finalized}{}", if seeds > 1 { " in all" } else { "" })),
            ("blocks made", blocks),
            ("reorganised", self.reorganised()),
            ("faults", listed(&self.faults)),
            ("blocks refused", listed(&self.refusals)),
            ("txs dropped", listed(&self.dropped)),
            ("transfers", format!("{submitted} submitted, {acknowledged} acknowledged")),
            ("charges", number(self.charges)),
            ("stopped", count(self.refused_producers, "producer") + ", their file older than the chain"),
            (
                "messages",
                format!("{}, {} per node and second", number(self.messages), self.rate(self.messages)),
            ),
            ("bytes", format!("{}, {} per node and second", number(self.bytes), self.rate(self.bytes))),
            ("audit", self.audit()),
        ]);
        properties_within(Some(columns), &pairs)
    }

    fn seeds_line(&self, wanted: u64) -> String {
        let range = self.seeds.map_or_else(|| "-".into(), |(first, last)| format!("{first} to {last}"));
        let broken = match self.broken {
            0 => "none broke a rule".into(),
            broken => format!("{broken} broke a rule"),
        };
        let of = if self.ended == wanted { String::new() } else { format!(" of {}", number(wanted)) };
        format!("{range}: {}{of} ran to the end, {broken}", number(self.ended))
    }

    fn speed(&self, real_ms: u64) -> String {
        let times = self.simulated_ms / real_ms.max(1);
        format!("{} in {}: {} times real time", span(self.simulated_ms), span(real_ms), number(times))
    }

    /// Reorganisations by how deep they are.
    fn reorganised(&self) -> String {
        let all: u64 = self.reorganisations.values().sum();
        let depths = self.reorganisations.iter().map(|(left, times)| {
            let blocks = count(*left, "block");
            format!("{} of {blocks}", number(*times))
        });
        let depths: Vec<String> = depths.collect();
        if all == 0 { "never".into() } else { format!("{} times: {}", number(all), depths.join(", ")) }
    }

    /// So many, by node and second. A run's networks have as many nodes each.
    fn rate(&self, sum: u64) -> String {
        let node_ms = self.simulated_ms.saturating_mul(self.nodes as u64);
        number(sum.saturating_mul(1000).checked_div(node_ms).unwrap_or_default())
    }
}

fn merge<K: Copy + Ord>(sum: &mut BTreeMap<K, u64>, more: &BTreeMap<K, u64>) {
    for (key, of_run) in more {
        *sum.entry(*key).or_default() += of_run;
    }
}

/// The sum, and each kind, the most frequent first.
fn listed(kinds: &BTreeMap<&'static str, u64>) -> String {
    let mut all: Vec<(&str, u64)> = kinds.iter().map(|(kind, times)| (*kind, *times)).collect();
    all.sort_by_key(|(_, times)| std::cmp::Reverse(*times));
    let each: Vec<String> = all.iter().map(|(kind, times)| format!("{} {kind}", number(*times))).collect();
    match all.iter().map(|(_, times)| times).sum() {
        0 => "0".into(),
        sum => format!("{}: {}", number(sum), each.join(", ")),
    }
}
