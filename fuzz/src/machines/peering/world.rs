//! One machine, and what its surroundings must be able to rely on.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::LazyLock;

use vision_peering::{
    Accepts, CallOutcome, Config, ConnectionId, FetchId, Input, MAX_ADDRESSES_IN_MESSAGE, MAX_BLOCKS,
    MAX_CHARGE, Message, Now, Output, Peering, Proven, Query, Received, RefusedCall, Task,
};
use vision_primitives::{Block, Hash, Height, NodeId, hash};
use vision_test_blocks::bare_header;

use super::Step;

const PEERS: u8 = 7;
const MAX_PEERS: usize = 4;
const WALL_MS: u64 = 1_700_000_000_000;
/// Longer than anything is waited for, milliseconds.
const SILENCE_MS: u64 = 11_000;

static BLOCKS: LazyLock<Vec<Block>> = LazyLock::new(|| {
    let mut blocks: Vec<Block> = vec![];
    for height in (1..=12).chain([u64::MAX]) {
        let parent = blocks.last().map_or(Hash::ZERO, Block::hash);
        let header = bare_header(height, parent, height);
        blocks.push(Block::assemble(header, vision_primitives::Signature::ZERO, vec![], &Hash::ZERO));
    }
    blocks
});

/// A question that a peer was asked.
pub(super) struct Asked {
    pub(super) peer: NodeId,
    pub(super) request_id: u64,
    query: Query,
}

pub(super) struct World {
    machine: Peering,
    max_tasks: usize,
    now_ms: u64,
    pub(super) wall_ms: u64,
    wake_ms: u64,
    next: u64,
    links: BTreeMap<NodeId, ConnectionId>,
    /// Connections whose end was not reported yet.
    sessions: Vec<(NodeId, ConnectionId)>,
    full: BTreeSet<NodeId>,
    tasks: Vec<Task>,
    pub(super) asked: Vec<Asked>,
    fetches: BTreeSet<FetchId>,
    imported: usize,
}

pub(super) fn node(which: u8) -> NodeId {
    hash(&[b"peer", &[which % PEERS]])
}

pub(super) fn block_of(which: u8) -> &'static Block {
    &BLOCKS[usize::from(which) % BLOCKS.len()]
}

pub(super) fn host_of(which: u8) -> String {
    format!("10.0.0.{}:7072", which % 16)
}

impl World {
    pub(super) fn new() -> Self {
        let config = Config {
            own: hash(&[b"own"]),
            max_peers: MAX_PEERS,
            seeds: vec![host_of(1), host_of(2)],
            accepts: Accepts::Routable,
            random_seed: 7,
        };
        Self {
            max_tasks: config.max_tasks(),
            machine: Peering::new(config),
            now_ms: 1_000,
            wall_ms: WALL_MS,
            wake_ms: 0,
            next: 0,
            links: BTreeMap::new(),
            sessions: vec![],
            full: BTreeSet::new(),
            tasks: vec![],
            asked: vec![],
            fetches: BTreeSet::new(),
            imported: 0,
        }
    }

    #[cfg(test)]
    pub(super) const fn imported(&self) -> usize {
        self.imported
    }

    const fn now(&self) -> Now {
        Now { wall_ms: self.wall_ms, mono_ms: self.now_ms }
    }

    /// Gives the machine an input, and then what comes of sending, in order.
    fn give(&mut self, input: Input) {
        let now = self.now();
        let mut inputs = VecDeque::from([input]);
        while let Some(input) = inputs.pop_front() {
            let is_tick = matches!(input, Input::Tick);
            for output in self.machine.handle(input, now) {
                self.perform(output, &mut inputs);
            }
            assert!(!is_tick || self.wake_ms > self.now_ms, "it would be woken again and again");
        }
    }

    fn perform(&mut self, output: Output, inputs: &mut VecDeque<Input>) {
        match output {
            Output::WakeAt(at_ms) => self.wake_ms = at_ms,
            Output::WakePeerAt { peer, at_ms, .. } => {
                assert!(at_ms >= self.now_ms && self.links.contains_key(&peer));
            }
            Output::Admitted { peer, connection } => {
                self.links.insert(peer, connection);
                self.sessions.push((peer, connection));
            }
            Output::Close { peer, connection, .. } => {
                assert_eq!(self.links.get(&peer), Some(&connection), "only what stands is closed");
            }
            Output::Send { to, message } => {
                self.check_message(&message);
                for peer in to {
                    assert!(self.links.contains_key(&peer), "there is a way to whoever is sent something");
                    if self.full.contains(&peer) {
                        inputs.push_back(Input::NoRoom { peer, message: message.clone() });
                    } else if let Message::Question { request_id, query } = &message {
                        self.asked.push(Asked { peer, request_id: *request_id, query: query.clone() });
                    }
                }
            }
            Output::SendStatus { peer, .. } => assert!(self.links.contains_key(&peer)),
            Output::SendTransactions { to } => assert!(to.iter().all(|peer| self.links.contains_key(peer))),
            Output::SendPending { peer, connection } => {
                assert_eq!(self.links.get(&peer), Some(&connection));
            }
            Output::Begin(task) => {
                if let Task::Import { blocks, .. } = &task {
                    let heights: Vec<Height> = blocks.iter().map(|block| block.header().height).collect();
                    assert!(heights.windows(2).all(|pair| pair[0].next() == pair[1]), "without gap");
                    self.imported += blocks.len();
                }
                self.tasks.push(task);
                assert!(self.tasks.len() <= self.max_tasks, "{} tasks", self.tasks.len());
            }
            Output::FetchOver(fetch) => assert!(self.fetches.remove(&fetch), "{fetch:?} is over once"),
            _ => {}
        }
    }

    fn check_message(&self, message: &Message) {
        match message {
            Message::Addresses(addresses) => {
                assert!((1..=MAX_ADDRESSES_IN_MESSAGE).contains(&addresses.len()));
                assert!(addresses.iter().all(|address| vision_peering::check_address(address).is_ok()));
            }
            Message::Question { query, .. } => match query {
                Query::One(_) => {}
                Query::After { max_blocks, locator } => {
                    assert!((1..=MAX_BLOCKS).contains(max_blocks) && !locator.is_empty());
                }
                Query::Stretch { max_blocks, .. } => assert!((1..=MAX_BLOCKS).contains(max_blocks)),
            },
            _ => {}
        }
    }

    fn connect(&mut self, peer: u8, inbound: bool, host: u8) {
        self.next += 1;
        self.give(Input::Proven(Proven {
            connection: ConnectionId(self.next),
            peer: node(peer),
            address: host_of(host),
            inbound,
            remote: host_of(host),
            source: format!("10.0.0.{}", host % 16),
            version: "fuzz".into(),
        }));
    }

    fn end(&mut self, at: usize, stood_ms: u64) {
        let (peer, connection) = self.sessions.swap_remove(at);
        self.give(Input::Ended { peer, connection, why: "fuzz".into(), stood_ms });
        if self.links.get(&peer) == Some(&connection) {
            self.links.remove(&peer);
        }
    }

    fn finish(&mut self, at: usize, how: u8, more: u8) {
        let input = match self.tasks.swap_remove(at) {
            Task::Call { address } => {
                let why = "fuzz".to_owned();
                let (peer, stood_ms) = (node(more), u64::from(more) * 1_000);
                let refused = [RefusedCall::Itself, RefusedCall::OtherChain, RefusedCall::Other];
                let outcome = match how % 4 {
                    0 => CallOutcome::Known(peer),
                    1 => {
                        CallOutcome::Stood { peer, stood_ms, why, connected_already: more.is_multiple_of(3) }
                    }
                    2 => CallOutcome::Refused { refused: refused[usize::from(more) % 3], why },
                    _ => CallOutcome::Broken { why },
                };
                Input::CallEnded { address, outcome }
            }
            Task::Locate { round } => Input::Located { round, locator: vec![Hash::ZERO] },
            Task::Import { round, blocks, .. } => {
                let new = usize::from(more).min(blocks.len());
                Input::Imported { round, new, stopped: how % 4 == 1, finalized: Height(u64::from(how / 64)) }
            }
            Task::LookUp { round, .. } => Input::LookedUp { round, known: how.is_multiple_of(2) },
            Task::Deliver { fetch, .. } => {
                assert!(self.fetches.remove(&fetch), "{fetch:?} is delivered once");
                Input::Delivered { fetch }
            }
        };
        self.give(input);
    }

    /// Time goes by, and the machine is woken whenever it asked for it.
    fn pass(&mut self, ms: u64) {
        let until_ms = self.now_ms + ms;
        while self.now_ms < until_ms {
            let step_ms = self.wake_ms.saturating_sub(self.now_ms).clamp(1, until_ms - self.now_ms);
            (self.now_ms, self.wall_ms) = (self.now_ms + step_ms, self.wall_ms.saturating_add(step_ms));
            if self.now_ms >= self.wake_ms {
                self.give(Input::Tick);
            }
        }
    }

    fn right_parts(&mut self, which: u8, count: u8) {
        let Some(at) = usize::from(which).checked_rem(self.asked.len()) else { return };
        let Asked { peer, request_id, query } = &self.asked[at];
        let (peer, request_id) = (*peer, *request_id);
        let place = |hash: &Hash| BLOCKS.iter().position(|block| block.hash() == *hash);
        let (from, most) = match query {
            Query::One(hash) => (place(hash), 1),
            Query::After { locator, max_blocks } => {
                (Some(locator.iter().find_map(place).map_or(0, |at| at + 1)), *max_blocks)
            }
            Query::Stretch { from, max_blocks } => {
                (BLOCKS.iter().position(|block| block.header().height == *from), *max_blocks)
            }
        };
        let count = usize::from(count).min(most as usize);
        let parts = from.into_iter().flat_map(|from| BLOCKS.iter().take(12).skip(from).take(count));
        for block in parts {
            let message = Received::Part { request_id, block: Box::new(block.clone()) };
            self.give(Input::Received { peer, message });
        }
    }

    pub(super) fn step(&mut self, step: Step<'_>) {
        match step {
            Step::Connect { peer, inbound, host } => self.connect(peer, inbound, host),
            Step::End { which, stood_ms } => {
                if let Some(at) = usize::from(which).checked_rem(self.sessions.len()) {
                    self.end(at, u64::from(stood_ms));
                }
            }
            Step::RightParts { asked, count } => self.right_parts(asked, count),
            Step::Finish { which, how, more } => {
                if let Some(at) = usize::from(which).checked_rem(self.tasks.len()) {
                    self.finish(at, how, more);
                }
            }
            Step::Room(peer) if self.full.remove(&node(peer)) => {
                self.give(Input::RoomAgain { peer: node(peer) });
            }
            Step::Room(peer) => drop(self.full.insert(node(peer))),
            Step::PendingSent(which) => {
                if let Some(at) = usize::from(which).checked_rem(self.sessions.len()) {
                    let (peer, connection) = self.sessions[at];
                    self.give(Input::PendingSent { peer, connection });
                }
            }
            Step::Due(which) => {
                if let Some(at) = usize::from(which).checked_rem(self.sessions.len()) {
                    let (peer, connection) = self.sessions[at];
                    self.give(Input::PeerDue { peer, connection });
                }
            }
            Step::Pass(ms) => self.pass(u64::from(ms % 8_192)),
            Step::Silence => self.pass(SILENCE_MS),
            Step::JumpWall(ms) => self.wall_ms = self.wall_ms.saturating_add_signed(ms),
            Step::Wanted { peer, block } => {
                self.next += 1;
                let fetch = FetchId(self.next);
                self.fetches.insert(fetch);
                self.give(Input::Wanted { fetch, peer: node(peer), hash: block_of(block).hash() });
            }
            other => {
                if let Some(input) = self.input_of(other) {
                    self.give(input);
                }
            }
        }
    }

    pub(super) fn check(&self) {
        let peers = self.machine.list(self.now());
        assert!(peers.len() <= MAX_PEERS);
        let listed: Vec<NodeId> = peers.iter().map(|peer| peer.node_id).collect();
        assert!(listed.iter().all(|peer| self.links.contains_key(peer)));
        for peer in &peers {
            assert!(peer.charge < MAX_CHARGE, "a charge of {}", peer.charge);
            assert!(peer.rtt_ms.is_none_or(|rtt| rtt.is_finite() && rtt >= 0.0), "{:?}", peer.rtt_ms);
            assert!(peer.clock_offset_ms.is_none_or(f64::is_finite), "{:?}", peer.clock_offset_ms);
        }
    }

    /// Everybody leaves, and all that was begun ends, without time going by. Then there is room for one.
    pub(super) fn settle(&mut self) {
        while !self.sessions.is_empty() {
            self.end(0, 1);
        }
        while !self.tasks.is_empty() {
            self.finish(0, 3, 0);
        }
        assert!(self.fetches.is_empty(), "{:?} never end", self.fetches);
        assert!(self.links.is_empty() && self.machine.list(self.now()).is_empty());
        self.next += 1;
        let newcomer = hash(&[b"newcomer"]);
        self.give(Input::Proven(Proven {
            connection: ConnectionId(self.next),
            peer: newcomer,
            address: "10.0.1.1:7072".into(),
            inbound: true,
            remote: "10.0.1.1:40000".into(),
            source: "10.0.1.1".into(),
            version: "fuzz".into(),
        }));
        assert!(self.links.contains_key(&newcomer), "there is room for one");
    }
}
