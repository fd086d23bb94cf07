//! Settings of the chain service: section `[chain]` of `config.toml`.

use serde::Deserialize;
use vision_block_tree::MAX_OPEN_BLOCKS;
use vision_host::Randomness;
use vision_host::server::{ListenAddress, MAX_CONNECTIONS, MAX_CONNECTIONS_PER_ADDRESS};
use vision_mempool::Limits;
pub use vision_peering::Accepts;
use vision_peering::check_address;
use vision_primitives::NodeId;

use crate::error::Error;

/// Most connections to other nodes that can be configured.
const MAX_PEERS: usize = 1_280;
/// Connections of the port for other nodes that are no peers: callers that introduce themselves, tools, and
/// those that are about to end.
const FURTHER_CONNECTIONS: usize = 512;

/// Where to listen and whom to call.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Address of the gRPC server for this node's own services and its operator.
    pub grpc_listen: ListenAddress,
    /// Address of the server for other nodes.
    pub p2p_listen: ListenAddress,
    /// Where other nodes should call this one, `host:port`. Empty: the address a call of ours comes
    /// from, with the port of `p2p_listen`.
    pub p2p_advertise: String,
    /// Nodes to call at start and whenever connections are lacking, `host:port` each.
    pub seeds: Vec<String>,
    /// Which addresses are taken from other nodes: `routable` (IP addresses that can lead to another machine)
    /// or `any` (loopback, link-local and names too). Seeds are always called.
    pub accept_addresses: Accepts,
    /// Most connections to other nodes, 1 to 1,280; further callers are turned away. Above 512 the port for
    /// other nodes may hold more than its 1,024 connections: so many and 512 more.
    pub max_peers: usize,
    /// Most introductions under way from one address, 1 to 64.
    pub max_introductions_per_address: usize,
    /// Most connections to `p2p_listen` from one address (of IPv6: one /64), 1 to 512. More than 8 where many
    /// nodes share an address.
    pub max_connections_per_address: usize,
    /// Most transactions that may wait, 1 to 1,000,000.
    pub max_waiting_transactions: usize,
    /// Their bytes, 1 KiB to 1 GiB.
    pub max_waiting_bytes: usize,
    /// Most blocks above the last final one on the head's chain, and as many on all side branches together,
    /// 16 to 16,384. The fewer, the shorter the splits of the network that still heal.
    pub max_open_blocks: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            grpc_listen: ([127, 0, 0, 1], 50051).into(),
            p2p_listen: ([127, 0, 0, 1], 7072).into(),
            p2p_advertise: String::new(),
            seeds: Vec::new(),
            accept_addresses: Accepts::Routable,
            max_peers: 32,
            max_introductions_per_address: 2,
            max_connections_per_address: 8,
            max_waiting_transactions: 20_000,
            max_waiting_bytes: 16 << 20,
            max_open_blocks: MAX_OPEN_BLOCKS,
        }
    }
}

impl Config {
    /// How many connections the port for other nodes may hold.
    pub(crate) fn p2p_connections(&self) -> usize {
        MAX_CONNECTIONS.max(self.max_peers.saturating_add(FURTHER_CONNECTIONS))
    }

    /// How many connections both ports may hold.
    #[must_use]
    pub fn connections(&self) -> usize {
        MAX_CONNECTIONS + self.p2p_connections()
    }

    /// Bounds of the pool.
    pub(crate) fn pool_limits(&self) -> Limits {
        Limits {
            transactions: self.max_waiting_transactions,
            bytes: self.max_waiting_bytes,
            ..Limits::default()
        }
    }

    /// What the machine of the peers is given.
    pub(crate) fn peering(&self, own: NodeId, randomness: &Randomness) -> vision_peering::Config {
        vision_peering::Config {
            own,
            max_peers: self.max_peers,
            seeds: self.seeds.clone(),
            accepts: self.accept_addresses,
            // Without randomness the calls are merely in an order that others can guess.
            random_seed: u64::from_le_bytes(randomness.bytes().unwrap_or_default()),
        }
    }

    /// Refuses values that can be right nowhere.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let ranges = [
            ("max_peers", self.max_peers, 1..=MAX_PEERS),
            (
                "max_connections_per_address",
                self.max_connections_per_address,
                1..=MAX_CONNECTIONS_PER_ADDRESS,
            ),
            ("max_introductions_per_address", self.max_introductions_per_address, 1..=64),
            ("max_waiting_transactions", self.max_waiting_transactions, 1..=1_000_000),
            ("max_waiting_bytes", self.max_waiting_bytes, 1 << 10..=1 << 30),
            ("max_open_blocks", self.max_open_blocks, 16..=MAX_OPEN_BLOCKS),
        ];
        for (field, value, range) in ranges {
            if !range.contains(&value) {
                let why = format!("{value} is not {} to {}", range.start(), range.end());
                return Err(Error::Setting { field, why });
            }
        }
        let called = self.seeds.iter().map(|seed| ("seeds", seed));
        let own = (!self.p2p_advertise.is_empty()).then_some(("p2p_advertise", &self.p2p_advertise));
        for (field, address) in called.chain(own) {
            check_address(address)
                .map_err(|why| Error::Setting { field, why: format!("{address:?}: {why}") })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_port_for_other_nodes_has_room_for_all_peers_and_callers_besides() {
        for (max_peers, expect) in [(1, 1_024), (512, 1_024), (513, 1_025), (1_280, 1_792)] {
            let config = Config { max_peers, ..Config::default() };
            assert_eq!(config.p2p_connections(), expect, "{max_peers}");
            assert_eq!(config.connections(), 1_024 + expect, "{max_peers}");
        }
    }

    #[test]
    fn settings_that_can_be_right_nowhere_are_named() {
        let seed = |text: &str| Config { seeds: vec!["node2:7072".into(), text.into()], ..Config::default() };
        let advertise = |text: &str| Config { p2p_advertise: text.into(), ..Config::default() };
        let cases = [
            (Config::default(), ""),
            (seed("[::1]:17072"), ""),
            (advertise("node1:7072"), ""),
            (seed("::1:17072"), "[chain] seeds: \"::1:17072\": an IPv6 address must be in brackets"),
            (seed("node1"), "[chain] seeds: \"node1\": it is not HOST:PORT"),
            (seed(""), "[chain] seeds: \"\": it is not HOST:PORT"),
            (
                advertise("0.0.0.0:7072"),
                "[chain] p2p_advertise: \"0.0.0.0:7072\": this address stands for all interfaces",
            ),
            (advertise("::1:17072"), "[chain] p2p_advertise"),
            (Config { max_peers: 0, ..Config::default() }, "[chain] max_peers: 0 is not 1 to 1280"),
            (Config { max_peers: 1281, ..Config::default() }, "[chain] max_peers: 1281 is not 1 to 1280"),
            (Config { max_peers: 1280, ..Config::default() }, ""),
            (
                Config { max_introductions_per_address: 65, ..Config::default() },
                "[chain] max_introductions_per_address: 65 is not 1 to 64",
            ),
        ];
        for (config, expect) in cases {
            let said = config.check().err().map(|error| error.to_string()).unwrap_or_default();
            assert!(
                said.starts_with(expect) && said.is_empty() == expect.is_empty(),
                "{said:?}, not {expect:?}"
            );
        }
    }
}
