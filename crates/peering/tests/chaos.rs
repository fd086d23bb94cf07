//! Peers that send anything at any time, ways without room, connections that end at the worst moment.

mod support;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use support::{block, id};
use vision_peering::{
    Accepts, CallOutcome, Config, ConnectionId, FetchId, Form, Input, Message, Now, Output, Peering, Proven,
    Received, Task,
};
use vision_primitives::{Block, Hash, Height, NodeId, Pool};

const PEERS: u64 = 6;
const STEPS: u64 = 4_000;

/// Small numbers that look random and are the same each time.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        // The generator is Knuth's MMIX; its low bits are poor.
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }

    fn one_of<T: Clone>(&mut self, of: &[T]) -> Option<T> {
        let at = self.roll(of.len().max(1) as u64);
        of.get(usize::try_from(at).expect("small")).cloned()
    }
}

/// One machine, and what its surroundings must be able to rely on.
struct World {
    machine: Peering,
    max_tasks: usize,
    now_ms: u64,
    wake_ms: u64,
    dice: Dice,
    connections: u64,
    links: BTreeMap<NodeId, ConnectionId>,
    sessions: Vec<(NodeId, ConnectionId)>,
    closed: BTreeSet<ConnectionId>,
    full: BTreeSet<NodeId>,
    tasks: Vec<Task>,
    questions: Vec<(NodeId, u64)>,
    fetches: BTreeSet<FetchId>,
    blocks: Vec<Block>,
}

impl World {
    fn new(seed: u64) -> Self {
        let config = Config {
            own: id(3),
            max_peers: 4,
            seeds: vec!["10.0.0.1:7072".into()],
            accepts: Accepts::Routable,
            random_seed: seed,
        };
        let mut blocks: Vec<Block> = vec![];
        for height in (1..=9).chain([u64::MAX]) {
            blocks.push(block(height, blocks.last().map_or(Hash::ZERO, Block::hash)));
        }
        Self {
            max_tasks: config.max_tasks(),
            machine: Peering::new(config),
            now_ms: 1_000,
            wake_ms: 0,
            dice: Dice(seed),
            connections: 0,
            links: BTreeMap::new(),
            sessions: vec![],
            closed: BTreeSet::new(),
            full: BTreeSet::new(),
            tasks: vec![],
            questions: vec![],
            fetches: BTreeSet::new(),
            blocks,
        }
    }

    /// Gives the machine an input, and then what comes of sending, in order.
    fn give(&mut self, input: Input) {
        let now = Now { wall_ms: 1_700_000_000_000 + self.now_ms, mono_ms: self.now_ms };
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
            Output::WakePeerAt { at_ms, .. } => assert!(at_ms >= self.now_ms),
            Output::Admitted { peer, connection } => {
                self.links.insert(peer, connection);
                self.sessions.push((peer, connection));
            }
            Output::Close { peer, connection, .. } => {
                assert_eq!(self.links.get(&peer), Some(&connection), "only what stands is closed");
                self.closed.insert(connection);
            }
            Output::Send { to, message } => {
                for peer in to {
                    assert!(
                        self.links.contains_key(&peer),
                        "there is a way to everybody who is sent something"
                    );
                    if self.full.contains(&peer) {
                        inputs.push_back(Input::NoRoom { peer, message: message.clone() });
                    } else if let Message::Question { request_id, .. } = &message {
                        self.questions.push((peer, *request_id));
                    }
                }
            }
            Output::Begin(task) => {
                self.tasks.push(task);
                assert!(self.tasks.len() <= self.max_tasks, "{} tasks", self.tasks.len());
            }
            Output::FetchOver(fetch) => assert!(self.fetches.remove(&fetch), "{fetch:?} is over once"),
            _ => {}
        }
    }

    fn connect(&mut self, peer: NodeId, inbound: bool) {
        let connection = ConnectionId(self.connections);
        self.connections += 1;
        self.give(Input::Proven(Proven {
            connection,
            peer,
            address: "10.0.0.1:7072".into(),
            inbound,
            remote: "10.0.0.1:40000".into(),
            source: "10.0.0.1".into(),
            version: "test".into(),
        }));
    }

    fn end(&mut self, at: usize) {
        let (peer, connection) = self.sessions.swap_remove(at);
        self.give(Input::Ended { peer, connection, why: "test".into(), stood_ms: 1 });
        if self.links.get(&peer) == Some(&connection) {
            self.links.remove(&peer);
        }
    }

    fn finish(&mut self, at: usize) {
        let task = self.tasks.swap_remove(at);
        let input = match task {
            Task::Call { address } => {
                Input::CallEnded { address, outcome: CallOutcome::Broken { why: "test".into() } }
            }
            Task::Locate { round } => Input::Located { round, locator: vec![Hash::ZERO] },
            Task::Import { round, blocks, .. } => {
                let new = usize::try_from(self.dice.roll(blocks.len() as u64 + 1)).expect("small");
                let (stopped, finalized) = (self.dice.roll(4) == 0, Height(self.dice.roll(3)));
                Input::Imported { round, new, stopped, finalized }
            }
            Task::LookUp { round, .. } => Input::LookedUp { round, known: self.dice.roll(2) == 0 },
            Task::Deliver { fetch, .. } => {
                assert!(self.fetches.remove(&fetch), "{fetch:?} is delivered once");
                Input::Delivered { fetch }
            }
        };
        self.give(input);
    }

    fn wait(&mut self, ms: u64) {
        self.now_ms += ms;
        if self.now_ms >= self.wake_ms {
            self.give(Input::Tick);
        }
    }

    fn step(&mut self, number: u64) {
        let peer = id(usize::try_from(self.dice.roll(PEERS)).expect("small"));
        let block = self.dice.one_of(&self.blocks).expect("there are some");
        let height = block.header().height;
        match self.dice.roll(18) {
            0 => {
                let inbound = self.dice.roll(2) == 0;
                self.connect(peer, inbound);
            }
            1 if !self.sessions.is_empty() => {
                let at = self.dice.roll(self.sessions.len() as u64);
                self.end(usize::try_from(at).expect("small"));
            }
            2..=5 => {
                let asked = self.dice.one_of(&self.questions);
                let (peer, request_id) = asked.unwrap_or((peer, number % 3));
                let message = match self.dice.roll(3) {
                    0 => Received::End {
                        request_id,
                        reason: ["", "x"][usize::from(number.is_multiple_of(2))].into(),
                    },
                    _ => Received::Part { request_id, block: Box::new(block) },
                };
                self.give(Input::Received { peer, message });
            }
            6 | 7 => {
                let (hash, weight) = (block.hash(), self.dice.roll(20));
                self.give(Input::TipClaimed {
                    peer,
                    height,
                    hash,
                    weight,
                    verified: number.is_multiple_of(2),
                });
            }
            8 => self.give(Input::TipKnown { peer, height, hash: block.hash() }),
            9 | 10 if !self.tasks.is_empty() => {
                let at = self.dice.roll(self.tasks.len() as u64);
                self.finish(usize::try_from(at).expect("small"));
            }
            11 => {
                let ms = self.dice.roll(4_000);
                self.wait(ms);
                // Now and then everybody is silent for longer than anything is waited for.
                let silent_ms = if number.is_multiple_of(8) { 11_000 } else { 0 };
                let until_ms = self.now_ms + silent_ms;
                while self.now_ms < until_ms {
                    self.wait(self.wake_ms.saturating_sub(self.now_ms));
                }
            }
            12 if !self.full.remove(&peer) => {
                self.full.insert(peer);
            }
            12 => self.give(Input::RoomAgain { peer }),
            13 => {
                self.fetches.insert(FetchId(number));
                self.give(Input::Wanted { fetch: FetchId(number), peer, hash: block.hash() });
            }
            14 => self.give(Input::Charged { peer, points: 30, why: "test".into() }),
            15 => {
                let registered = Pool::new([peer]);
                self.give(Input::HeadMoved { height: Height(number % 9), weight: number % 9, registered });
            }
            16 => self.give(Input::GossipBlock { hash: block.hash(), form: Form::Whole }),
            _ => {
                let due = self.sessions.clone();
                due.into_iter().for_each(|(peer, connection)| self.give(Input::PeerDue { peer, connection }));
            }
        }
    }

    /// Everybody leaves, and all that was begun ends, without time going by.
    fn settle(&mut self) {
        while !self.sessions.is_empty() {
            self.end(0);
        }
        while !self.tasks.is_empty() {
            self.finish(0);
        }
    }
}

#[test]
fn whatever_peers_do_nothing_stops_and_catching_up_goes_on() {
    for seed in 0..50 {
        let mut world = World::new(seed);
        (0..STEPS).for_each(|number| world.step(number));
        world.settle();
        assert!(world.fetches.is_empty(), "seed {seed}: {:?} never end", world.fetches);
        assert!(world.links.is_empty(), "seed {seed}");
        let newcomer = id(20);
        world.connect(newcomer, true);
        let (height, hash) = (Height(u64::MAX), Hash([0xee; 32]));
        world.give(Input::TipClaimed { peer: newcomer, height, hash, weight: u64::MAX, verified: true });
        let begins = world.tasks.iter().any(|task| matches!(task, Task::Locate { .. }));
        assert!(begins, "seed {seed}: a round begins at once");
    }
}
