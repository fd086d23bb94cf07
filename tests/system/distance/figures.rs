//! What a network did, in numbers: printed, not judged.

use std::fmt;
use std::time::Duration;

use serde_json::Value;

use crate::harness::Node;

/// Slots of a height that belong to the primary and its backups.
const MAIN_SLOTS: u64 = 7;

/// Blocks of a chain.
pub struct Blocks {
    count: usize,
    by_backups: usize,
    beyond: usize,
    median_ms: u64,
    longest_ms: u64,
}

impl Blocks {
    /// From block 1 on, or none.
    pub fn of(blocks: &[Value]) -> Self {
        let number = |block: &Value, name: &str| block[name].as_u64().expect("a number");
        let slots: Vec<u64> = blocks.iter().map(|block| number(block, "slot")).collect();
        let stamps: Vec<u64> = blocks.iter().map(|block| number(block, "timestamp_ms")).collect();
        let mut between: Vec<u64> = stamps.windows(2).map(|pair| pair[1] - pair[0]).collect();
        between.sort_unstable();
        Self {
            count: blocks.len(),
            by_backups: slots.iter().filter(|slot| (1..MAIN_SLOTS).contains(*slot)).count(),
            beyond: slots.iter().filter(|slot| **slot >= MAIN_SLOTS).count(),
            median_ms: between.get(between.len() / 2).copied().unwrap_or(0),
            longest_ms: between.last().copied().unwrap_or(0),
        }
    }
}

impl fmt::Display for Blocks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let share = |part: usize| 100.0 * part as f64 / self.count.max(1) as f64;
        write!(
            f,
            "{} blocks, {} ms apart (median; at most {}), {:.1} % by backups, {:.1} % beyond",
            self.count,
            self.median_ms,
            self.longest_ms,
            share(self.by_backups),
            share(self.beyond)
        )
    }
}

/// How often a node has left blocks of its chain, and how many at once: by its log, which outlives its
/// process.
#[derive(Default)]
pub struct Reorganisations {
    depths: Vec<u64>,
}

impl Reorganisations {
    /// Of all nodes.
    pub fn of(nodes: &[Node]) -> Self {
        let depths = nodes.iter().flat_map(|node| depths(&node.log())).collect();
        Self { depths }
    }

    /// How many.
    pub fn count(&self) -> usize {
        self.depths.len()
    }
}

fn depths(log: &str) -> Vec<u64> {
    let lines = log.lines().filter(|line| line.contains("reorganised"));
    lines.filter_map(|line| word_after(line, "depth=")?.parse().ok()).collect()
}

fn word_after<'a>(line: &'a str, name: &str) -> Option<&'a str> {
    line.split_once(name)?.1.split_whitespace().next()
}

impl fmt::Display for Reorganisations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let deepest = self.depths.iter().max().unwrap_or(&0);
        write!(f, "{} reorganisations of all nodes together, the deepest of {deepest}", self.count())
    }
}

/// Seconds with one digit.
pub fn seconds(duration: Duration) -> String {
    format!("{:.1} s", duration.as_secs_f64())
}
