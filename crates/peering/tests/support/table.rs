//! One machine, given its inputs by hand.

use std::collections::BTreeMap;

use vision_peering::{Accepts, Config, ConnectionId, Input, Now, Output, Peering, Proven, Refusal};
use vision_primitives::{Hash, Height, NodeId};

const MAX_PEERS: usize = 12;

pub struct Table {
    machine: Peering,
    now: Now,
    connections: BTreeMap<NodeId, ConnectionId>,
    next: u64,
}

impl Table {
    /// A machine with the highest id, at a time when nothing is due.
    pub fn new() -> Self {
        Self::of(MAX_PEERS)
    }

    /// The same with room for so many peers.
    pub fn of(max_peers: usize) -> Self {
        let machine = Peering::new(Config {
            own: Hash([0xff; 32]),
            max_peers,
            seeds: vec![],
            accepts: Accepts::Routable,
            random_seed: 0,
        });
        let now = Now { wall_ms: 1_700_000_000_000, mono_ms: 60_000 };
        Self { machine, now, connections: BTreeMap::new(), next: 0 }
    }

    pub fn max_peers(&self) -> usize {
        MAX_PEERS
    }

    pub fn now_ms(&self) -> u64 {
        self.now.mono_ms
    }

    pub fn wait(&mut self, ms: u64) {
        self.now = Now { wall_ms: self.now.wall_ms + ms, mono_ms: self.now.mono_ms + ms };
    }

    pub fn give(&mut self, input: Input) -> Vec<Output> {
        self.machine.handle(input, self.now)
    }

    /// A connection proves itself.
    pub fn enter(&mut self, peer: NodeId, inbound: bool) -> Result<ConnectionId, Refusal> {
        let connection = ConnectionId(self.next);
        self.next += 1;
        let outputs = self.give(Input::Proven(Proven {
            connection,
            peer,
            address: "node:7072".into(),
            inbound,
            remote: "10.0.0.9:40000".into(),
            source: "10.0.0.9".into(),
            version: "test".into(),
        }));
        for output in outputs {
            match output {
                Output::Refused { refusal, .. } => return Err(refusal),
                Output::Admitted { .. } => {
                    self.connections.insert(peer, connection);
                    return Ok(connection);
                }
                _ => {}
            }
        }
        panic!("neither admitted nor refused")
    }

    /// The end of a peer's connection.
    pub fn ended(&self, peer: NodeId) -> Input {
        Input::Ended { peer, connection: self.connections[&peer], why: "test".into(), stood_ms: 1 }
    }

    /// A peer claims a tip of this height.
    pub fn claims(&mut self, peer: NodeId, height: u64) -> Vec<Output> {
        let hash = Hash([0xcc; 32]);
        let claimed =
            Input::TipClaimed { peer, height: Height(height), hash, weight: height, verified: true };
        self.give(claimed)
    }

    pub fn connected(&self) -> Vec<NodeId> {
        self.machine.list(self.now).into_iter().map(|peer| peer.node_id).collect()
    }
}
