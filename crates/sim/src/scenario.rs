//! What is simulated: how many nodes, where, under which faults, for how long.

use serde::{Deserialize, Serialize};
use vision_primitives::{
    ConsensusParams, Entropy, Finality, Genesis, GenesisAccount, GenesisProducer, SecretKey, TimestampMs,
    hash,
};

use crate::ScenarioError;
use crate::behaviour::Behaviour;
use crate::limits;
use crate::sabotage::Sabotage;

/// Accounts that send transfers, besides the producers' own.
pub(crate) const CLIENTS: usize = 16;
/// Balance of each account at the start.
const RICH: u64 = 1_000_000_000;
/// Wall clock at the beginning, milliseconds since the Unix epoch.
pub(crate) const WALL_MS: u64 = 1_700_000_000_000;

/// Where the nodes are.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Placement {
    /// In nine cities of the world, one after the other.
    #[default]
    World,
    /// In one data centre.
    Local,
}

/// The network between the nodes.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Network {
    /// Where the nodes are.
    pub placement: Placement,
    /// If not 0, every message takes so long one way, milliseconds, whatever the placement.
    pub one_way_ms: u64,
    /// How much longer a message may take, per cent of its latency.
    pub jitter_percent: u64,
    /// Packets lost, in 1,000. A lost one is sent again after 200 ms, and what follows it waits.
    pub loss_per_mille: u64,
    /// Messages lost for good, sent twice, or overtaken by the next, in 1,000 each. TCP does none of these;
    /// the machines have to bear them all the same.
    pub mischief_per_mille: u64,
    /// What a node sends to one peer, kilobytes a second.
    pub kilobytes_per_second: u64,
}

impl Default for Network {
    fn default() -> Self {
        Self {
            placement: Placement::World,
            one_way_ms: 0,
            jitter_percent: 20,
            loss_per_mille: 2,
            mischief_per_mille: 0,
            kilobytes_per_second: 2_000,
        }
    }
}

/// Faults of machines and networks, drawn at random. A weight of 0 leaves a kind out.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Faults {
    /// Mean time from one to the next, seconds; 0 for none at all.
    pub every_s: u64,
    /// A process is killed and started again.
    pub crash: u64,
    /// A process is frozen.
    pub freeze: u64,
    /// Some nodes are cut off from the others.
    pub partition: u64,
    /// Messages pass between some nodes and the others in one direction only.
    pub one_way: u64,
    /// The connections between some nodes and the others come and go.
    pub flapping: u64,
    /// A disk takes no writes.
    pub disk_full: u64,
    /// A disk is slow.
    pub slow_disk: u64,
    /// A machine is slow.
    pub slow_node: u64,
    /// A wall clock is set by minutes or hours.
    pub clock_jump: u64,
    /// A wall clock drifts.
    pub clock_drift: u64,
    /// All nodes are killed and are down for a while.
    pub all_down: u64,
    /// A killed node starts from an older copy of its chain's store. The signer's file is the newest.
    pub old_store: u64,
    /// A killed producer starts with an older copy of the signer's file. The chain's store is the newest.
    pub old_signer: u64,
    /// A killed node starts from older copies of both, made at the same time.
    pub both_old: u64,
    /// The signer's file is lost. The producer does not start until its operator says from which height on it
    /// may sign, minutes later.
    pub lost_signer: u64,
    /// A process is killed again and again, soon after each start.
    pub crash_loop: u64,
    /// Connections of a node are reset.
    pub reset: u64,
    /// Longest partition, seconds.
    pub partition_max_s: u64,
    /// Longest time that everybody is down, seconds.
    pub all_down_max_s: u64,
}

impl Default for Faults {
    fn default() -> Self {
        Self {
            every_s: 20,
            crash: 20,
            freeze: 10,
            partition: 15,
            one_way: 8,
            flapping: 5,
            disk_full: 5,
            slow_disk: 5,
            slow_node: 5,
            clock_jump: 5,
            clock_drift: 5,
            all_down: 1,
            old_store: 3,
            old_signer: 1,
            both_old: 1,
            lost_signer: 1,
            crash_loop: 3,
            reset: 5,
            partition_max_s: 100,
            all_down_max_s: 600,
        }
    }
}

impl Faults {
    /// No kind has a weight: whoever sets some has these alone, so often.
    #[must_use]
    pub const fn of_no_kind(every_s: u64) -> Self {
        Self {
            every_s,
            crash: 0,
            freeze: 0,
            partition: 0,
            one_way: 0,
            flapping: 0,
            disk_full: 0,
            slow_disk: 0,
            slow_node: 0,
            clock_jump: 0,
            clock_drift: 0,
            all_down: 0,
            old_store: 0,
            old_signer: 0,
            both_old: 0,
            lost_signer: 0,
            crash_loop: 0,
            reset: 0,
            partition_max_s: 100,
            all_down_max_s: 600,
        }
    }

    /// No fault at all.
    #[must_use]
    pub fn none() -> Self {
        Self { every_s: 0, ..Self::default() }
    }
}

/// A scenario. Every field has a default, so a file names only what differs.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Scenario {
    /// Nodes, 1 to 20,000.
    pub nodes: usize,
    /// Producers of the genesis: the first so many nodes. 0: all but those that stand by.
    pub producers: usize,
    /// Most connections of a node.
    pub max_peers: usize,
    /// Addresses that a node knows at the beginning; 0: those of all others, up to 16.
    pub seeds: usize,
    /// How long it runs with faults, seconds.
    pub seconds: u64,
    /// How long it runs after that without: all must be well again at the end, seconds.
    pub calm_s: u64,
    /// Transfers submitted, by the minute and by all clients together.
    pub transfers_per_minute: u64,
    /// Consensus parameters that differ from the defaults.
    pub params: toml::Table,
    /// The network.
    pub network: Network,
    /// Faults of the honest nodes.
    pub faults: Faults,
    /// How the last nodes misbehave, one entry for each; all others are honest.
    ///
    /// What the rules promise in spite of them, and a run checks:
    /// - **Whatever their number:** no honest key signs two blocks for one parent, no honest node undoes what
    ///   is final for itself, holds a wrong state or supply, or exceeds a bound of memory.
    /// - **With fewer than half of the registered producers:** honest nodes agree on what is final, nothing
    ///   acknowledged is lost, and the chain goes on. For the first, nobody may be cut off, by one fault or
    ///   several, for about as long as 64 blocks take: finality is by depth. Up to that depth they may take
    ///   back what is not final: a chain grown in secret may be heavier.
    pub byzantine: Vec<Behaviour>,
    /// Standby nodes: the last honest ones are no producers of the genesis. They register, produce, and leave
    /// again. If `producers` is 0, so many that at least four honest nodes are producers of the genesis.
    pub standby: usize,
    /// Mean time between two moments at which a standby node may register or leave, seconds; 0 for never.
    pub members_every_s: u64,
    /// A rule that is broken on purpose, to see that it is noticed.
    pub sabotage: Option<Sabotage>,
}

impl Default for Scenario {
    fn default() -> Self {
        Self {
            nodes: 7,
            producers: 0,
            max_peers: 32,
            seeds: 0,
            seconds: 3_600,
            calm_s: 180,
            transfers_per_minute: 30,
            params: toml::Table::new(),
            network: Network::default(),
            faults: Faults::default(),
            byzantine: Vec::new(),
            standby: 0,
            members_every_s: 300,
            sabotage: None,
        }
    }
}

impl Scenario {
    /// Reads one.
    ///
    /// # Errors
    /// [`ScenarioError`] naming the line or the field.
    pub fn from_toml(text: &str) -> Result<Self, ScenarioError> {
        let wrong = |error: toml::de::Error| ScenarioError::Syntax(place(text, &error));
        limits::check(&text.parse().map_err(wrong)?)?;
        let scenario: Self = toml::from_str(text).map_err(wrong)?;
        scenario.check()?;
        Ok(scenario)
    }

    /// Whether it can be run.
    ///
    /// # Errors
    /// [`ScenarioError`] naming the field and what it may be.
    pub fn check(&self) -> Result<(), ScenarioError> {
        let numbers = toml::Table::try_from(self);
        limits::check(&numbers.map_err(|error| ScenarioError::Syntax(error.to_string()))?)?;
        let fields = [("producers", self.producer_count()), ("byzantine", self.byzantine.len())];
        if let Some((field, _)) = fields.into_iter().find(|(_, count)| *count > self.nodes) {
            return Err(ScenarioError::Field { field, needed: "at most as many as nodes".into() });
        }
        if self.producers + self.standby_count() > self.honest() && self.standby_count() > 0 {
            let needed = "at most as many as honest nodes beyond the producers".into();
            return Err(ScenarioError::Field { field: "standby", needed });
        }
        self.genesis()?;
        Ok(())
    }

    fn honest(&self) -> usize {
        self.nodes.saturating_sub(self.byzantine.len())
    }

    /// How many nodes stand by.
    pub(crate) fn standby_count(&self) -> usize {
        match self.producers {
            0 => self.standby.min(self.honest().saturating_sub(4)),
            _ => self.standby,
        }
    }

    /// The nodes that stand by.
    pub(crate) fn standby(&self) -> std::ops::Range<usize> {
        self.honest().saturating_sub(self.standby_count())..self.honest()
    }

    /// Whether a node is a producer of the genesis.
    pub(crate) fn is_producer(&self, node: usize) -> bool {
        match self.producers {
            0 => !self.standby().contains(&node),
            producers => node < producers,
        }
    }

    pub(crate) fn producer_count(&self) -> usize {
        if self.producers == 0 { self.nodes - self.standby_count() } else { self.producers }
    }

    /// The consensus parameters.
    ///
    /// # Errors
    /// [`ScenarioError::Params`] if one is unknown or out of its range.
    pub fn consensus_params(&self) -> Result<ConsensusParams, ScenarioError> {
        let wrong = |error: &dyn std::fmt::Display| ScenarioError::Params(error.to_string());
        let mut all = toml::Table::try_from(ConsensusParams::default()).map_err(|error| wrong(&error))?;
        for (name, value) in &self.params {
            if all.insert(name.clone(), value.clone()).is_none() {
                return Err(ScenarioError::Params(format!("there is no parameter {name}")));
            }
        }
        all.try_into().map_err(|error| wrong(&error))
    }

    /// The genesis of the network.
    ///
    /// # Errors
    /// [`ScenarioError::Params`] if a consensus parameter is out of its range.
    pub fn genesis(&self) -> Result<Genesis, ScenarioError> {
        let key_of = |node: usize| node_key(node).public_key();
        let mut producers: Vec<_> = (0..self.nodes)
            .filter(|node| self.is_producer(*node))
            .map(|node| GenesisProducer { public_key: key_of(node), payout: key_of(node).id() })
            .collect();
        producers.sort_by_key(|producer| producer.public_key);
        let clients = (0..CLIENTS).map(|client| client_key(client).public_key().id());
        let mut accounts: Vec<_> = (0..self.nodes)
            .map(|node| key_of(node).id())
            .chain(clients)
            .map(|address| GenesisAccount { address, balance: RICH })
            .collect();
        accounts.sort_by_key(|account| account.address);
        let genesis = Genesis {
            chain_id: "simulation".into(),
            time_ms: TimestampMs(WALL_MS),
            producers,
            accounts,
            params: self.consensus_params()?,
            entropy: Entropy::PrevHash,
            finality: Finality::Cft,
        };
        genesis.check().map_err(|error| ScenarioError::Params(error.to_string()))?;
        Ok(genesis)
    }
}

/// Where a text is wrong, and why, in one line.
fn place(text: &str, error: &toml::de::Error) -> String {
    let why = error.message().replace('\n', ", ");
    let Some(before) = error.span().and_then(|span| text.get(..span.start)) else { return why };
    let number = before.matches('\n').count();
    let line = text.lines().nth(number).unwrap_or_default().trim();
    format!("line {}, `{line}`: {why}", number + 1)
}

/// The key of a node.
pub(crate) fn node_key(node: usize) -> SecretKey {
    SecretKey::from_seed(&hash(&[b"simulated node", &(node as u64).to_le_bytes()]).0)
}

/// The key of an account that sends transfers.
pub(crate) fn client_key(client: usize) -> SecretKey {
    SecretKey::from_seed(&hash(&[b"simulated client", &(client as u64).to_le_bytes()]).0)
}

#[cfg(test)]
mod tests;
