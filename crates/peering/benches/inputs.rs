//! What an input costs the machine with 1,000 peers against the same with 10, in one run.
//!
//! `cargo bench -p vision-peering`. Inputs about one peer should cost about the same with any number of them.
//! What concerns all peers is given per peer.
#![expect(clippy::disallowed_methods, reason = "a benchmark reads the machine's clock")]
#![allow(missing_docs)]

use std::hint::black_box;
use std::time::{Duration, Instant};

use vision_peering::{
    Accepts, Config, ConnectionId, Form, Input, Now, Output, Peering, Proven, Received, StatusTimes,
};
use vision_primitives::{Hash, Height, NodeId, Pool, hash};

const FEW: u64 = 10;
const MANY: u64 = 1_000;
/// The fastest of so many rounds counts, which shuts out a busy machine.
const ROUNDS: u32 = 60;
/// Inputs of a round.
const INPUTS: u64 = 2_000;
const NOW: Now = Now { wall_ms: 1_700_000_000_000, mono_ms: 60_000 };
const PRODUCERS: u64 = 8;

struct Table {
    machine: Peering,
    registered: Pool,
    peers: u64,
    blocks: u64,
    connections: u64,
}

fn id(number: u64) -> NodeId {
    hash(&[&number.to_le_bytes()])
}

fn proven(number: u64, connection: u64) -> Input {
    Input::Proven(Proven {
        connection: ConnectionId(connection),
        peer: id(number),
        address: format!("10.0.0.{}:7072", number % 250),
        inbound: true,
        remote: "10.0.0.1:40000".into(),
        source: "10.0.0.1".into(),
        version: "bench".into(),
    })
}

impl Table {
    /// Peers that are where this node is, a few of them producers.
    fn of(peers: u64) -> Self {
        let machine = Peering::new(Config {
            own: Hash([0xff; 32]),
            max_peers: MANY as usize + 100,
            seeds: vec![],
            accepts: Accepts::Routable,
            random_seed: 0,
        });
        let registered = Pool::new((0..PRODUCERS).map(id));
        let mut table = Self { machine, registered, peers, blocks: 0, connections: peers };
        table.head(1);
        for peer in 0..peers {
            table.give(proven(peer, peer));
            table.give(status(peer));
            table.give(Input::TipKnown { peer: id(peer), height: Height(1), hash: Hash([1; 32]) });
        }
        table
    }

    fn give(&mut self, input: Input) -> Vec<Output> {
        black_box(self.machine.handle(input, NOW))
    }

    fn head(&mut self, height: u64) {
        let registered = self.registered.clone();
        self.give(Input::HeadMoved { height: Height(height), weight: height, registered });
    }

    /// Like [`Table::of`], but all peers claim more, and one of them is being asked.
    fn behind(peers: u64) -> Self {
        let mut table = Self::of(peers);
        (0..peers).for_each(|peer| drop(table.give(claim(peer))));
        table
    }
}

fn status(peer: u64) -> Input {
    Input::Received { peer: id(peer), message: Received::Status(StatusTimes::default()) }
}

fn claim(peer: u64) -> Input {
    let (height, hash) = (Height(9), Hash([9; 32]));
    Input::TipClaimed { peer: id(peer), height, hash, weight: 9, verified: true }
}

/// What is measured: its name, what the table is like before, one step, and whether that concerns all peers.
type Case = (&'static str, fn(u64) -> Table, fn(&mut Table, u64), bool);

const CASES: [Case; 8] = [
    ("a status", Table::of, |table, peer| drop(table.give(status(peer))), false),
    (
        "a tip that is known",
        Table::of,
        |table, peer| {
            table.give(Input::TipKnown { peer: id(peer), height: Height(1), hash: Hash([1; 32]) });
        },
        false,
    ),
    ("a claim while catching up", Table::behind, |table, peer| drop(table.give(claim(peer))), false),
    (
        "what is due to a peer",
        Table::of,
        |table, peer| {
            table.give(Input::PeerDue { peer: id(peer), connection: ConnectionId(peer) });
        },
        false,
    ),
    (
        "a connection that comes and goes",
        Table::of,
        |table, _| {
            table.connections += 1;
            let (peer, connection) = (id(MANY + 1), ConnectionId(table.connections));
            table.give(proven(MANY + 1, table.connections));
            table.give(Input::Ended { peer, connection, why: String::new(), stood_ms: 1 });
        },
        false,
    ),
    (
        "a block for all, per peer",
        Table::of,
        |table, _| {
            table.blocks += 1;
            let hash = hash(&[b"block", &table.blocks.to_le_bytes()]);
            table.give(Input::GossipBlock { hash, form: Form::Whole });
            table.head(1 + table.blocks);
        },
        true,
    ),
    ("the list of peers, per peer", Table::of, |table, _| drop(black_box(table.machine.list(NOW))), true),
    (
        "the list when all claim more, per peer",
        Table::behind,
        |table, _| drop(black_box(table.machine.list(NOW))),
        true,
    ),
];

/// Nanoseconds of a step, or of its part for one peer.
fn measure(peers: u64, (_, before, step, of_all): &Case) -> f64 {
    let mut table = before(peers);
    let steps = if *of_all { INPUTS.div_ceil(peers) } else { INPUTS };
    let mut best = Duration::MAX;
    for _ in 0..ROUNDS {
        let start = Instant::now();
        (0..steps).for_each(|number| step(&mut table, number % peers));
        best = best.min(start.elapsed());
    }
    let parts = steps * if *of_all { table.peers } else { 1 };
    best.as_nanos() as f64 / parts as f64
}

fn main() {
    for case in &CASES {
        let (few, many) = (measure(FEW, case), measure(MANY, case));
        println!(
            "{}: {few:.0} ns with {FEW} peers, {many:.0} ns with {MANY}, ratio {:.2}",
            case.0,
            many / few
        );
    }
}
