//! The scenarios. Each starts from a network that is well, and ends in one.

mod chaos;
pub(crate) mod clones;
mod fresh;
mod halves;
mod isolation;
mod memory;
mod normal;
mod offline;
mod outage;
mod partition;
mod paused;
mod services;
mod wiped;

use crate::failure::Outcome;
use crate::memory::Memory;
use crate::net::Net;

/// A scenario.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Scenario {
    /// Every container is healthy, every port answers, and starting once more changes nothing.
    Fresh,
    /// A second clone whose directory has the same name is refused, and kept apart by a name of its own.
    Clones,
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
    /// One of two nodes that are left loses chain and claims: it signs nothing until its claims are reset.
    Wiped,
    /// All nodes are killed at once and started again: nothing acknowledged is lost.
    Outage,
    /// Four nodes (--nodes 4) in two halves for a hundred heights: one chain again, nothing acknowledged is
    /// lost.
    Halves,
    /// Random faults of one node at a time, while a bystander watches.
    Chaos,
    /// Peak memory of every service beside its limit.
    Memory,
}

/// The options of scenarios.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    /// How long the chaos lasts, seconds.
    pub chaos_seconds: u64,
    /// How long all nodes are gone, seconds.
    pub outage_seconds: u64,
    /// How many blocks the others make while a node is frozen.
    pub frozen_blocks: u64,
    /// Peaks of memory.
    pub memory: Memory,
}

impl Scenario {
    /// All of them, in order.
    pub(crate) const ALL: [Self; 15] = [
        Self::Fresh,
        Self::Clones,
        Self::Isolation,
        Self::Normal,
        Self::PrimaryOffline,
        Self::Paused,
        Self::Partition,
        Self::Services,
        Self::Stop,
        Self::Crash,
        Self::Wiped,
        Self::Outage,
        Self::Halves,
        Self::Chaos,
        Self::Memory,
    ];

    /// How many nodes it is written for.
    pub(crate) const fn nodes(self) -> u16 {
        match self {
            Self::Halves => 4,
            _ => 3,
        }
    }

    /// Runs it on a network that is well, and waits until the network is well again.
    pub(crate) async fn run(self, net: &Net, options: &Options) -> Outcome {
        match self {
            Self::Fresh => Box::pin(fresh::run(net)).await?,
            Self::Clones => Box::pin(clones::run(net)).await?,
            Self::Isolation => Box::pin(isolation::run(net)).await?,
            Self::Normal => Box::pin(normal::run(net)).await?,
            Self::PrimaryOffline => Box::pin(offline::run(net)).await?,
            Self::Paused => Box::pin(paused::run(net, options.frozen_blocks)).await?,
            Self::Partition => Box::pin(partition::run(net)).await?,
            Self::Services => Box::pin(services::kill(net)).await?,
            Self::Stop => Box::pin(services::stop(net)).await?,
            Self::Crash => Box::pin(services::crash(net)).await?,
            Self::Wiped => Box::pin(wiped::run(net)).await?,
            Self::Outage => Box::pin(outage::run(net, options.outage_seconds)).await?,
            Self::Halves => Box::pin(halves::run(net)).await?,
            Self::Chaos => Box::pin(chaos::run(net, options.chaos_seconds)).await?,
            Self::Memory => Box::pin(memory::run(net, &options.memory)).await?,
        }
        let height = net.wait_well().await?;
        net.say(format!("all well, agreed at height {height}"));
        Ok(())
    }
}
