//! A node of the network, and what is taken down of it.

use std::collections::BTreeMap;

use vision_peering::{Accepts, Config, ConnectionId, Log, Peering, Query, Refusal};
use vision_primitives::{Hash, Height, NodeId};

use super::chain::Chain;

/// How a node behaves.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Manner {
    /// As the protocol wants it.
    Honest,
    /// Claims a chain of this height and has nothing of it when asked.
    Lies(u64),
    /// Says what it has and answers no question.
    Stalls,
}

pub fn id(node: usize) -> NodeId {
    Hash([u8::try_from(node + 1).expect("few nodes"); 32])
}

pub fn address(node: usize) -> String {
    format!("10.0.0.{}:7072", node + 1)
}

pub struct Node {
    pub machine: Peering,
    pub chain: Chain,
    pub manner: Manner,
    pub logs: Vec<Log>,
    pub refusals: Vec<Refusal>,
    pub closes: Vec<(NodeId, Option<Refusal>)>,
    /// Whom it asked, in order.
    pub asked: Vec<(NodeId, Query)>,
    /// How often each block came.
    pub came: BTreeMap<Hash, usize>,
    /// Open connections and the other side of each.
    pub links: BTreeMap<NodeId, ConnectionId>,
    pub wake: u64,
    pub peer_wakes: BTreeMap<ConnectionId, u64>,
}

impl Node {
    /// A node that knows these to begin with.
    pub fn new(at: usize, seeds: &[usize]) -> Self {
        Self {
            machine: Peering::new(Config {
                own: id(at),
                max_peers: 16,
                seeds: seeds.iter().map(|seed| address(*seed)).collect(),
                accepts: Accepts::Routable,
                random_seed: at as u64,
            }),
            chain: Chain::default(),
            manner: Manner::Honest,
            logs: vec![],
            refusals: vec![],
            closes: vec![],
            asked: vec![],
            came: BTreeMap::new(),
            links: BTreeMap::new(),
            wake: u64::MAX,
            peer_wakes: BTreeMap::new(),
        }
    }

    /// What its statuses say.
    pub fn tip(&self) -> (Hash, Height) {
        match self.manner {
            Manner::Lies(height) => (Hash([0xee; 32]), Height(height)),
            Manner::Honest | Manner::Stalls => (self.chain.tip(), self.chain.height()),
        }
    }
}

/// The node of an id.
pub fn index(id: NodeId) -> usize {
    usize::from(id.0[0]) - 1
}
