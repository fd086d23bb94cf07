//! What the numbers of a scenario may be. `docs/simulation.md` lists the same, and a test compares.

use crate::ScenarioError;

/// Most nodes of a scenario.
pub const MAX_NODES: usize = 20_000;
const DAY_S: u64 = 86_400;
const YEAR_S: u64 = 365 * DAY_S;
/// Largest weight of a kind of fault.
const MAX_WEIGHT: u64 = 1_000;

/// Each number, with its least and its largest value.
pub(crate) const LIMITS: [(&str, u64, u64); 34] = [
    ("nodes", 1, MAX_NODES as u64),
    ("producers", 0, MAX_NODES as u64),
    ("max_peers", 1, 1_280),
    ("seeds", 0, 1_024),
    ("seconds", 1, YEAR_S),
    ("calm_s", 0, DAY_S),
    ("transfers_per_minute", 0, 600_000),
    ("standby", 0, MAX_NODES as u64),
    ("members_every_s", 0, YEAR_S),
    ("network.one_way_ms", 0, 60_000),
    ("network.jitter_percent", 0, 1_000),
    ("network.loss_per_mille", 0, 1_000),
    ("network.mischief_per_mille", 0, 1_000),
    ("network.kilobytes_per_second", 1, 10_000_000),
    ("faults.every_s", 0, YEAR_S),
    ("faults.crash", 0, MAX_WEIGHT),
    ("faults.freeze", 0, MAX_WEIGHT),
    ("faults.partition", 0, MAX_WEIGHT),
    ("faults.one_way", 0, MAX_WEIGHT),
    ("faults.flapping", 0, MAX_WEIGHT),
    ("faults.disk_full", 0, MAX_WEIGHT),
    ("faults.slow_disk", 0, MAX_WEIGHT),
    ("faults.slow_node", 0, MAX_WEIGHT),
    ("faults.clock_jump", 0, MAX_WEIGHT),
    ("faults.clock_drift", 0, MAX_WEIGHT),
    ("faults.all_down", 0, MAX_WEIGHT),
    ("faults.old_store", 0, MAX_WEIGHT),
    ("faults.old_signer", 0, MAX_WEIGHT),
    ("faults.both_old", 0, MAX_WEIGHT),
    ("faults.lost_signer", 0, MAX_WEIGHT),
    ("faults.crash_loop", 0, MAX_WEIGHT),
    ("faults.reset", 0, MAX_WEIGHT),
    ("faults.partition_max_s", 1, DAY_S),
    ("faults.all_down_max_s", 1, DAY_S),
];

/// Finds the first number that is none, or is out of its range. What is not there is right.
///
/// # Errors
/// [`ScenarioError::Field`] with the range.
pub(crate) fn check(table: &toml::Table) -> Result<(), ScenarioError> {
    for (field, least, most) in LIMITS {
        let fits = |value: &toml::Value| {
            let number = value.as_integer().and_then(|number| u64::try_from(number).ok());
            number.is_some_and(|number| (least..=most).contains(&number))
        };
        if let Some(value) = at(table, field).filter(|value| !fits(value)) {
            let needed = format!("a whole number from {least} to {most}, and is {value}");
            return Err(ScenarioError::Field { field, needed });
        }
    }
    Ok(())
}

/// The value of a field, which may be one of a section.
fn at<'a>(table: &'a toml::Table, field: &str) -> Option<&'a toml::Value> {
    match field.split_once('.') {
        Some((section, name)) => table.get(section)?.get(name),
        None => table.get(field),
    }
}
