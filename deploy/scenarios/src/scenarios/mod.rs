//! The scenarios. Each starts from a network that is well, and ends in one.

mod chaos;
mod fresh;
mod isolation;
mod memory;
mod normal;
mod offline;
mod partition;
mod paused;
mod services;

use crate::failure::Outcome;
use crate::memory::Memory;
use crate::net::Net;

/// A scenario.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Scenario {
    /// Every container is healthy, every port answers, and starting once more changes nothing.
    Fresh,
    /// Nobody reaches, holds or may do more than he needs.
    Isolation,
    /// Ten blocks in slot 0, by their owners and in their windows, the same on all nodes.
    Normal,
    /// The owner of the next slot is killed: replaced, suspended, taken back.
    PrimaryOffline,
    /// A node is frozen and thawed.
    Paused,
    /// A chain is unplugged from the others and plugged in again.
    Partition,
    /// One service of a node is killed, each in turn: what stops is what must stop.
    Services,
    /// One service is stopped, each in turn: it ends in good order.
    Stop,
    /// One service crashes, each in turn: docker restarts it.
    Crash,
    /// Random faults of one node at a time, while a bystander watches.
    Chaos,
    /// Peak memory of every service beside its limit.
    Memory,
}

/// What scenarios can be told.
#[derive(Clone, Debug)]
pub struct Options {
    /// How long the chaos lasts, seconds.
    pub chaos_seconds: u64,
    /// Peaks of memory.
    pub memory: Memory,
}

impl Scenario {
    /// All of them, in order.
    pub const ALL: [Self; 11] = [
        Self::Fresh,
        Self::Isolation,
        Self::Normal,
        Self::PrimaryOffline,
        Self::Paused,
        Self::Partition,
        Self::Services,
        Self::Stop,
        Self::Crash,
        Self::Chaos,
        Self::Memory,
    ];

    /// Runs it on a network that is well, and waits until the network is well again.
    pub async fn run(self, net: &Net, options: &Options) -> Outcome {
        match self {
            Self::Fresh => Box::pin(fresh::run(net)).await?,
            Self::Isolation => Box::pin(isolation::run(net)).await?,
            Self::Normal => Box::pin(normal::run(net)).await?,
            Self::PrimaryOffline => Box::pin(offline::run(net)).await?,
            Self::Paused => Box::pin(paused::run(net)).await?,
            Self::Partition => Box::pin(partition::run(net)).await?,
            Self::Services => Box::pin(services::kill(net)).await?,
            Self::Stop => Box::pin(services::stop(net)).await?,
            Self::Crash => Box::pin(services::crash(net)).await?,
            Self::Chaos => Box::pin(chaos::run(net, options.chaos_seconds)).await?,
            Self::Memory => Box::pin(memory::run(net, &options.memory)).await?,
        }
        let height = net.wait_well().await?;
        net.say(format!("all well, agreed at height {height}"));
        Ok(())
    }
}
