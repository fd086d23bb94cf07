//! A network of machines in memory: virtual time, one queue of events, no runtime and no socket.
#![allow(dead_code, unused_imports)] // each test uses its part

mod chain;
mod node;
mod table;

use std::collections::{BTreeMap, BTreeSet};

pub use chain::{block, large_block};
use node::index;
pub use node::{Manner, Node, address, id};
pub use table::Table;
use vision_peering::{
    CallOutcome, ConnectionId, Input, Message, Now, Output, PeerView, Proven, Received, Refusal, RefusedCall,
    StatusTimes, Task,
};
use vision_primitives::{Block, Hash, Height, NodeId, Pool};

/// What a message takes to the other side, milliseconds.
const LATENCY_MS: u64 = 2;
/// Milliseconds since 1970 when everything begins.
const WALL_MS: u64 = 1_700_000_000_000;

#[derive(Debug)]
enum Event {
    Input(Input),
    Tick,
    PeerDue(NodeId, ConnectionId),
    Message(ConnectionId, NodeId, Message),
    Status(ConnectionId, NodeId, StatusTimes, Hash, Height),
    Part(ConnectionId, NodeId, u64, Box<Block>),
    End(ConnectionId, NodeId, u64),
}

struct Wire {
    ends: [usize; 2],
    address: String,
    began_ms: u64,
    stands: BTreeSet<usize>,
    over: bool,
}

pub struct Net {
    pub nodes: Vec<Node>,
    pub now_ms: u64,
    queue: BTreeMap<(u64, u64), (usize, Event)>,
    events: u64,
    wires: BTreeMap<ConnectionId, Wire>,
    /// Everything that the machines wanted, to compare runs by.
    pub audit: Vec<String>,
}

impl Net {
    /// Nodes that know these of each other to begin with.
    pub fn new(seeds: &[&[usize]]) -> Self {
        let nodes = seeds.iter().enumerate().map(|(at, seeds)| Node::new(at, seeds)).collect();
        let (queue, wires, audit) = (BTreeMap::new(), BTreeMap::new(), vec![]);
        let mut net = Self { nodes, now_ms: 0, queue, events: 0, wires, audit };
        (0..seeds.len()).for_each(|at| net.put(0, at, Event::Tick));
        net
    }

    /// Registers these as producers, everywhere.
    pub fn register(&mut self, producers: &[usize]) {
        let registered = Pool::new(producers.iter().map(|at| id(*at)));
        for at in 0..self.nodes.len() {
            self.nodes[at].chain.registered = registered.clone();
            self.move_head(at);
        }
    }

    fn put(&mut self, in_ms: u64, node: usize, event: Event) {
        self.events += 1;
        self.queue.insert((self.now_ms + in_ms, self.events), (node, event));
    }

    fn now(&self) -> Now {
        Now { wall_ms: WALL_MS + self.now_ms, mono_ms: self.now_ms }
    }

    /// Runs until the condition holds; panics if it does not within so many milliseconds.
    pub fn run_until(&mut self, desc: &str, within_ms: u64, holds: impl Fn(&Self) -> bool) {
        let end_ms = self.now_ms + within_ms;
        while !holds(self) {
            assert!(self.step(end_ms), "{desc}: not within {within_ms} ms");
        }
    }

    /// Runs for so many milliseconds.
    pub fn run_for(&mut self, ms: u64) {
        let end_ms = self.now_ms + ms;
        while self.step(end_ms) {}
        self.now_ms = end_ms;
    }

    fn step(&mut self, end_ms: u64) -> bool {
        let Some(first) = self.queue.first_entry().filter(|first| first.key().0 <= end_ms) else {
            return false;
        };
        let ((at_ms, _), (node, event)) = first.remove_entry();
        self.now_ms = at_ms;
        self.happen(node, event);
        true
    }

    fn happen(&mut self, at: usize, event: Event) {
        match event {
            Event::Input(input) => self.give(at, input),
            Event::Tick if self.nodes[at].wake <= self.now_ms || self.now_ms == 0 => {
                self.give(at, Input::Tick)
            }
            Event::PeerDue(peer, connection)
                if self.nodes[at].peer_wakes.get(&connection).is_some_and(|due| *due <= self.now_ms) =>
            {
                self.give(at, Input::PeerDue { peer, connection });
            }
            Event::Tick | Event::PeerDue(..) => {}
            Event::Message(wire, from, message) if self.stands(wire, at) => {
                self.hear(at, wire, from, message)
            }
            Event::Status(wire, peer, times, hash, height) if self.stands(wire, at) => {
                self.give(at, Input::Received { peer, message: Received::Status(times) });
                let known = self.nodes[at].chain.has(&hash);
                self.give(
                    at,
                    if known {
                        Input::TipKnown { peer, height, hash }
                    } else {
                        Input::TipClaimed { peer, height, hash, weight: height.get(), verified: true }
                    },
                );
            }
            Event::Part(wire, peer, request_id, block) if self.stands(wire, at) => {
                let message = Received::Part { request_id, block };
                self.give(at, Input::Received { peer, message });
            }
            Event::End(wire, peer, request_id) if self.stands(wire, at) => {
                let message = Received::End { request_id, reason: String::new() };
                self.give(at, Input::Received { peer, message });
            }
            // The connection has ended meanwhile.
            _ => {}
        }
    }

    fn stands(&self, wire: ConnectionId, at: usize) -> bool {
        self.wires.get(&wire).is_some_and(|wire| !wire.over && wire.stands.contains(&at))
    }

    /// Gives a machine an input and does what it wants.
    pub fn give(&mut self, at: usize, input: Input) {
        let now = self.now();
        for output in self.nodes[at].machine.handle(input, now) {
            self.audit.push(format!("{} {at} {output:?}", self.now_ms));
            self.perform(at, output);
        }
    }

    fn perform(&mut self, at: usize, output: Output) {
        match output {
            Output::WakeAt(at_ms) => {
                self.nodes[at].wake = at_ms;
                self.put(at_ms.saturating_sub(self.now_ms), at, Event::Tick);
            }
            Output::WakePeerAt { peer, connection, at_ms } => self.wake_peer(at, peer, connection, at_ms),
            Output::Log(line) => self.nodes[at].logs.push(line),
            Output::Admitted { peer, connection } => {
                self.nodes[at].links.insert(peer, connection);
                self.wires.get_mut(&connection).expect("a wire").stands.insert(at);
                self.wake_peer(at, peer, connection, self.now_ms);
            }
            Output::Refused { connection, refusal, .. } => {
                self.nodes[at].refusals.push(refusal.clone());
                self.cut(connection, at, Some(&refusal));
            }
            Output::Close { peer, connection, refusal } => {
                self.nodes[at].closes.push((peer, refusal.clone()));
                self.cut(connection, at, refusal.as_ref());
            }
            Output::Send { to, message } => {
                for peer in to {
                    if let Message::Question { query, .. } = &message {
                        self.nodes[at].asked.push((peer, query.clone()));
                    }
                    self.send(at, peer, |wire, from| Event::Message(wire, from, message.clone()));
                }
            }
            Output::SendStatus { peer, echo } => {
                let (hash, height) = self.nodes[at].tip();
                let times = StatusTimes {
                    sent_at_ms: self.now().wall_ms,
                    echo_sent_at_ms: echo.sent_at_ms,
                    echo_received_at_ms: echo.received_at_ms,
                };
                self.send(at, peer, |wire, from| Event::Status(wire, from, times, hash, height));
            }
            Output::SendPending { peer, connection } => {
                self.put(LATENCY_MS, at, Event::Input(Input::PendingSent { peer, connection }));
            }
            Output::Begin(task) => self.begin(at, task),
            Output::Changed | Output::SendTransactions { .. } | Output::FetchOver(_) => {}
        }
    }

    fn wake_peer(&mut self, at: usize, peer: NodeId, connection: ConnectionId, at_ms: u64) {
        self.nodes[at].peer_wakes.insert(connection, at_ms);
        self.put(at_ms.saturating_sub(self.now_ms), at, Event::PeerDue(peer, connection));
    }

    fn send(&mut self, from: usize, to: NodeId, event: impl FnOnce(ConnectionId, NodeId) -> Event) {
        let wire = self.nodes[from].links[&to];
        self.put(LATENCY_MS, index(to), event(wire, id(from)));
    }

    fn begin(&mut self, at: usize, task: Task) {
        match task {
            Task::Call { address } => self.call(at, address),
            Task::Locate { round } => {
                let locator = self.nodes[at].chain.locator();
                self.put(1, at, Event::Input(Input::Located { round, locator }));
            }
            Task::Import { round, from, blocks } => {
                let new = blocks.into_iter().filter(|block| self.store(at, block, Some(from))).count();
                let finalized = Height::GENESIS;
                self.put(1, at, Event::Input(Input::Imported { round, new, stopped: false, finalized }));
            }
            Task::LookUp { round, hash } => {
                let known = self.nodes[at].chain.has(&hash);
                self.put(1, at, Event::Input(Input::LookedUp { round, known }));
            }
            Task::Deliver { fetch, peer, block } => {
                self.announced(at, peer, &block);
                self.put(1, at, Event::Input(Input::Delivered { fetch }));
            }
        }
    }

    /// Both sides prove themselves at once.
    fn call(&mut self, at: usize, address: String) {
        let Some(other) = (0..self.nodes.len()).find(|other| self::address(*other) == address) else {
            let outcome = CallOutcome::Broken { why: "nobody there".into() };
            return self.put(LATENCY_MS, at, Event::Input(Input::CallEnded { address, outcome }));
        };
        let connection = ConnectionId(self.wires.len() as u64);
        let (ends, stands) = ([at, other], BTreeSet::new());
        let wire = Wire { ends, address: address.clone(), began_ms: self.now_ms, stands, over: false };
        self.wires.insert(connection, wire);
        let proven = |peer: usize, inbound: bool| Proven {
            connection,
            peer: id(peer),
            address: self::address(peer),
            inbound,
            remote: format!("10.0.0.{}:{}", peer + 1, 40_000 + connection.0),
            source: format!("10.0.0.{}", peer + 1),
            version: "test".into(),
        };
        self.put(2 * LATENCY_MS, other, Event::Input(Input::Proven(proven(at, true))));
        self.put(3 * LATENCY_MS, at, Event::Input(Input::Proven(proven(other, false))));
    }

    /// Ends a connection from one side; both hear of it.
    fn cut(&mut self, connection: ConnectionId, by: usize, refusal: Option<&Refusal>) {
        let wire = self.wires.get_mut(&connection).expect("a wire");
        if std::mem::replace(&mut wire.over, true) {
            return;
        }
        let (ends, address, stood_ms) = (wire.ends, wire.address.clone(), self.now_ms - wire.began_ms);
        let stands = std::mem::take(&mut wire.stands);
        let why = refusal.map_or("cut".to_owned(), ToString::to_string);
        for end in stands.iter().copied() {
            let peer = id(if end == ends[0] { ends[1] } else { ends[0] });
            let why = why.clone();
            self.put(LATENCY_MS, end, Event::Input(Input::Ended { peer, connection, why, stood_ms }));
        }
        let peer = id(ends[1]);
        let connected_already =
            by != ends[0] && matches!(refusal, Some(Refusal::Connected | Refusal::Replaced));
        let outcome = match refusal {
            Some(Refusal::Connected) if by == ends[0] => CallOutcome::Known(peer),
            _ if stands.contains(&ends[0]) => CallOutcome::Stood { peer, stood_ms, why, connected_already },
            Some(Refusal::Itself) => CallOutcome::Refused { refused: RefusedCall::Itself, why },
            _ => CallOutcome::Refused { refused: RefusedCall::Other, why },
        };
        self.put(2 * LATENCY_MS, ends[0], Event::Input(Input::CallEnded { address, outcome }));
    }

    /// Cuts the connection of two nodes, as a failing network does.
    pub fn part(&mut self, one: usize, other: usize) {
        let connection = self.nodes[one].links[&id(other)];
        self.cut(connection, one, None);
    }

    fn hear(&mut self, at: usize, wire: ConnectionId, peer: NodeId, message: Message) {
        match message {
            Message::Addresses(list) => {
                self.give(at, Input::Received { peer, message: Received::Addresses(list) });
            }
            Message::Block { hash, form } => {
                *self.nodes[at].came.entry(hash).or_default() += 1;
                let block = self.nodes[index(peer)].chain.block(&hash).expect("who sends it has it");
                self.give(at, Input::Received { peer, message: Received::Has(hash) });
                match form {
                    vision_peering::Form::Whole => self.announced(at, peer, &block),
                    vision_peering::Form::Header if self.nodes[at].chain.has(&hash) => {}
                    vision_peering::Form::Header => {
                        self.events += 1;
                        let fetch = vision_peering::FetchId(self.events);
                        self.give(at, Input::Wanted { fetch, peer, hash });
                    }
                }
            }
            Message::Question { request_id, query } => {
                let blocks = match self.nodes[at].manner {
                    Manner::Honest => self.nodes[at].chain.answer(&query),
                    Manner::Lies(_) => vec![],
                    Manner::Stalls => return,
                };
                let (from, to) = (id(at), index(peer));
                for block in blocks {
                    self.put(LATENCY_MS, to, Event::Part(wire, from, request_id, Box::new(block)));
                }
                self.put(LATENCY_MS, to, Event::End(wire, from, request_id));
            }
            Message::Status => unreachable!("statuses travel by themselves"),
        }
    }

    fn announced(&mut self, at: usize, peer: NodeId, block: &Block) {
        let hash = block.hash();
        if self.nodes[at].chain.has(&hash) {
            let height = block.header().height;
            return self.give(at, Input::TipKnown { peer, height, hash });
        }
        if self.store(at, block, Some(peer)) {
            let form = vision_peering::Form::of(block);
            self.give(at, Input::GossipBlock { hash, form });
        }
    }

    /// Stores a block on the head; whether it fits there.
    fn store(&mut self, at: usize, block: &Block, from: Option<NodeId>) -> bool {
        if !self.nodes[at].chain.push(block) {
            return false;
        }
        self.move_head(at);
        let blocks = vec![(block.header().height, block.hash())];
        self.give(at, Input::Stored { blocks, from });
        true
    }

    fn move_head(&mut self, at: usize) {
        let chain = &self.nodes[at].chain;
        let (height, registered) = (chain.height(), chain.registered.clone());
        self.give(at, Input::HeadMoved { height, weight: height.get(), registered });
    }

    /// A node produces a block and gossips it.
    pub fn produce(&mut self, at: usize, block: &Block) {
        assert!(self.store(at, block, None), "it fits on the head");
        self.give(at, Input::GossipBlock { hash: block.hash(), form: vision_peering::Form::of(block) });
    }

    /// Puts blocks up to a height into a node's chain, without a word to anybody.
    pub fn fill(&mut self, at: usize, height: u64) {
        while self.nodes[at].chain.height() < Height(height) {
            let block = self.nodes[at].chain.next();
            assert!(self.nodes[at].chain.push(&block));
        }
        self.move_head(at);
    }

    pub fn peers(&self, at: usize) -> Vec<PeerView> {
        self.nodes[at].machine.list(self.now())
    }

    /// The connection of two nodes as one of them sees it.
    pub fn connection(&self, at: usize, other: usize) -> Option<ConnectionId> {
        let stands = self.peers(at).iter().any(|peer| peer.node_id == id(other));
        stands.then(|| self.nodes[at].links[&id(other)])
    }
}
