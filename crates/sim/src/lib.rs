//! Whole networks of nodes in one thread, on virtual time. One seed decides everything.
//!
//! A [`Scenario`] says how many nodes there are, where, and under which faults; [`run`] runs the machines of
//! all their services (chain, peers, sync-oracle, producer with its durable promises, and the schedule)
//! as they are in a real node. What is made up is what surrounds them: the network, the disks, the clocks
//! and the time that work takes. A [`Report`] says what happened and which rules were broken. The same seed
//! and scenario give the same [`Report::audit`], on any machine.
//!
//! What is taken for right: introductions and the signatures of statuses. Signatures of blocks and
//! transactions are real.
#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]
#![cfg_attr(not(test), warn(unreachable_pub))]

mod behaviour;
mod chance;
mod checks;
mod cities;
mod disk;
mod end;
mod event;
mod fairness;
mod faults;
mod limits;
mod members;
mod message;
mod net;
mod node;
mod queue;
mod report;
mod sabotage;
mod scenario;
mod shared;
mod who;
mod world;

use std::ops::ControlFlow;

pub use behaviour::Behaviour;
pub use checks::Violation;
pub use limits::MAX_NODES;
pub use report::Report;
pub use sabotage::Sabotage;
pub use scenario::{Faults, Network, Placement, Scenario};

/// A scenario that cannot be run.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ScenarioError {
    /// The file is not a scenario.
    #[error("{0}")]
    Syntax(String),
    /// A field is out of its range.
    #[error("{field}: must be {needed}")]
    Field {
        /// Which.
        field: &'static str,
        /// What it may be.
        needed: String,
    },
    /// A consensus parameter is unknown or out of its range.
    #[error("params: {0}")]
    Params(String),
}

/// How far a run is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Progress {
    /// Simulated so far, milliseconds.
    pub simulated_ms: u64,
    /// To be simulated, milliseconds.
    pub total_ms: u64,
    /// Height of the highest head.
    pub height: u64,
}

/// Runs a scenario; `progress` is called every simulated minute, and every 4,096 events.
///
/// # Errors
/// [`ScenarioError`] if the scenario cannot be run.
pub fn run(
    scenario: &Scenario,
    seed: u64,
    mut progress: impl FnMut(Progress),
) -> Result<Report, ScenarioError> {
    run_while(scenario, seed, |now| {
        progress(now);
        ControlFlow::Continue(())
    })
}

/// The same, until `progress` breaks it off: then the report says what happened up to there, and what must
/// hold at the end is not checked.
///
/// # Errors
/// [`ScenarioError`] if the scenario cannot be run.
pub fn run_while(
    scenario: &Scenario,
    seed: u64,
    progress: impl FnMut(Progress) -> ControlFlow<()>,
) -> Result<Report, ScenarioError> {
    scenario.check()?;
    Ok(world::World::new(scenario, seed)?.run(seed, progress))
}
