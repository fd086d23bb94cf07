//! A run: builds the network, lets the faults happen, and says what came of it.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, Once, PoisonError};
use std::time::{Duration, UNIX_EPOCH};

use tempfile::TempDir;
use turmoil::{Builder, Sim};

use super::checks::{Broken, Checks};
use super::faults::{Fault, Lots, Planned};
use super::home::{Image, NODES, Network, START_MS, name};
use super::node::{self, End, Start};
use super::witness;

/// Time with faults.
const FAULTY: Duration = Duration::from_secs(30);
/// By then all must be well again soon, also if a fault does not end.
const LAST_FAULT: Duration = Duration::from_secs(40);
/// Longest run: a simulation that has not ended by then hangs.
const LONGEST: Duration = Duration::from_secs(600);
/// How fast messages are. On top of it comes the time to the next tick of the network.
const LATENCY_MS: (u64, u64) = (1, 25);
const TICK: Duration = Duration::from_millis(2);
/// Messages of one direction of a connection under way at most.
const WINDOW_MESSAGES: usize = 1_024;
/// By how much a node's clock may be wrong, milliseconds.
const MAX_OFFSET_MS: u64 = 50;

/// What is to be simulated.
pub struct Plan {
    pub seed: u64,
    pub faults: Vec<Planned>,
}

impl Plan {
    /// Faults of all kinds.
    pub fn mixed(seed: u64) -> Self {
        Self::with(seed, Lots::new(seed).faults(FAULTY))
    }

    /// These faults.
    pub const fn with(seed: u64, faults: Vec<Planned>) -> Self {
        Self { seed, faults }
    }
}

/// What came of it.
#[derive(Debug)]
pub struct Report {
    pub seed: u64,
    /// A hash over all blocks.
    pub audit: String,
    pub broken: Vec<Broken>,
    /// The highest head.
    pub height: u64,
    /// Heights that are final.
    pub finalized: usize,
    pub acknowledged: usize,
    /// How often nodes were killed or asked to end, and started again.
    pub crashes: usize,
    pub restarts: usize,
    /// How long it took, in the simulation.
    pub simulated: Duration,
}

/// Runs a plan.
pub fn run(plan: &Plan) -> Report {
    note_panics();
    let network = Arc::new(Network::new(plan.seed));
    let mut world = World::new(plan, &network);
    let checks = Arc::new(Mutex::new(Checks::default()));
    let last = plan.faults.iter().map(Planned::ends).max().unwrap_or_default();
    let faults_end = last.clamp(FAULTY, LAST_FAULT);
    let witness = witness::watch(Arc::clone(&network), Arc::clone(&checks), plan.seed, faults_end);
    world.sim.client("witness", witness);
    let ended = loop {
        world.bring_about();
        let stepped = world.sim.step();
        if let Some(what) = PANIC.take() {
            break Err(what);
        }
        match stepped {
            Ok(false) => {}
            Ok(true) => break Ok(()),
            Err(error) => break Err(error.to_string()),
        }
    };
    let mut checks = checks.lock().unwrap_or_else(PoisonError::into_inner);
    if let Err(what) = ended {
        let at = world.sim.elapsed();
        checks.broken.push(Broken { at, node: NODES, rule: "ended", what });
    }
    for node in world.endless {
        let what = "it did not end in time when it was asked to".to_owned();
        checks.broken.push(Broken { at: world.sim.elapsed(), node, rule: "stop", what });
    }
    Report {
        seed: plan.seed,
        broken: checks.broken.clone(),
        height: checks.height,
        finalized: checks.finalized(),
        audit: checks.audit(),
        acknowledged: checks.acknowledged.len(),
        crashes: world.crashes,
        restarts: world.restarts,
        simulated: world.sim.elapsed(),
    }
}

/// Whether a node runs.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Up,
    Ending,
    Down,
}

/// How two nodes are connected.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
struct Link {
    held: bool,
    /// From the lower to the higher, and back.
    cut: [bool; 2],
}

/// The network, and what is wrong with it.
struct World {
    sim: Sim<'static>,
    homes: Vec<TempDir>,
    faults: Vec<Planned>,
    links: BTreeMap<(usize, usize), Link>,
    state: [State; NODES],
    ends: Vec<End>,
    /// Nodes that did not end when they were asked to.
    endless: Vec<usize>,
    crashes: usize,
    restarts: usize,
}

impl World {
    fn new(plan: &Plan, network: &Network) -> Self {
        let mut builder = Builder::new();
        builder
            .rng_seed(plan.seed)
            .epoch(UNIX_EPOCH + Duration::from_millis(START_MS))
            .simulation_duration(LONGEST)
            .tick_duration(TICK)
            .min_message_latency(Duration::from_millis(LATENCY_MS.0))
            .max_message_latency(Duration::from_millis(LATENCY_MS.1))
            .tcp_capacity(WINDOW_MESSAGES);
        let mut sim = builder.build();
        let lots = Lots::new(!plan.seed);
        // Names are known before anybody calls.
        for node in 0..NODES {
            sim.lookup(name(node));
        }
        let homes: Vec<TempDir> = (0..NODES).map(|_| folder()).collect();
        let ends: Vec<End> = (0..NODES).map(|_| End::default()).collect();
        for (node, home) in homes.iter().enumerate() {
            network.make_home(plan.seed, node, home.path());
            let offset_ms = lots.draw(0..2 * MAX_OFFSET_MS).cast_signed() - MAX_OFFSET_MS.cast_signed();
            let home = home.path().to_owned();
            let start =
                Start { node, home, seed: lots.draw(0..u64::MAX), offset_ms, end: ends[node].clone() };
            sim.host(name(node), move || node::run(start.clone()));
        }
        let (faults, links, state) = (plan.faults.clone(), BTreeMap::new(), [State::Up; NODES]);
        Self { sim, homes, faults, links, state, ends, endless: Vec::new(), crashes: 0, restarts: 0 }
    }

    /// Makes the world what the faults of this moment want it to be.
    fn bring_about(&mut self) {
        let now = self.sim.elapsed();
        let present: Vec<Fault> = self
            .faults
            .iter()
            .filter(|planned| planned.at <= now && now < planned.ends())
            .map(|planned| planned.fault)
            .collect();
        for node in 0..NODES {
            let lost = present.contains(&Fault::LostStore(node));
            let killed =
                lost || [Fault::Crash(node), Fault::AllDown].iter().any(|fault| present.contains(fault));
            let asked = present.contains(&Fault::Stop(node));
            match self.state[node] {
                State::Up | State::Ending if killed => self.crash(node, lost),
                State::Up if asked => self.end(node),
                State::Ending if !asked => {
                    let in_order = self.ends[node].has_come();
                    self.endless.extend((!in_order).then_some(node));
                    self.start(node);
                }
                State::Down if !killed && !asked => self.start(node),
                State::Up | State::Ending | State::Down => {}
            }
        }
        for pair in (0..NODES).flat_map(|a| (a + 1..NODES).map(move |b| (a, b))) {
            self.connect(pair, link(pair, &present));
        }
    }

    fn crash(&mut self, node: usize, store_too: bool) {
        let home = self.homes[node].path();
        let image = Image::take(home);
        self.sim.crash(name(node));
        match store_too {
            true => image.without_chain().put_back(home),
            false => image.put_back(home),
        }
        // One that was ending has been counted.
        self.crashes += usize::from(self.state[node] == State::Up);
        self.state[node] = State::Down;
    }

    fn end(&mut self, node: usize) {
        self.ends[node].begin();
        self.state[node] = State::Ending;
        self.crashes += 1;
    }

    fn start(&mut self, node: usize) {
        self.sim.bounce(name(node));
        self.state[node] = State::Up;
        self.restarts += 1;
    }

    fn connect(&mut self, (a, b): (usize, usize), wanted: Link) {
        let before = self.links.insert((a, b), wanted).unwrap_or_default();
        if before == wanted {
            return;
        }
        let (a, b) = (name(a), name(b));
        if before.held {
            self.sim.release(a.as_str(), b.as_str());
        }
        self.sim.repair(a.as_str(), b.as_str());
        match wanted {
            Link { cut: [true, true], .. } => self.sim.partition(a.as_str(), b.as_str()),
            Link { cut: [true, false], .. } => self.sim.partition_oneway(a.as_str(), b.as_str()),
            Link { cut: [false, true], .. } => self.sim.partition_oneway(b.as_str(), a.as_str()),
            Link { held: true, .. } => self.sim.hold(a.as_str(), b.as_str()),
            Link { held: false, .. } => {}
        }
    }
}

/// A folder in memory, where the machine has one: what is synced to a disk takes real time.
fn folder() -> TempDir {
    let in_memory = std::path::Path::new("/dev/shm");
    let folder = if in_memory.is_dir() { tempfile::tempdir_in(in_memory) } else { tempfile::tempdir() };
    folder.expect("temp dir")
}

fn link((a, b): (usize, usize), faults: &[Fault]) -> Link {
    let mut link = Link::default();
    for fault in faults {
        match *fault {
            Fault::Cut(node) if node == a || node == b => link.cut = [true; 2],
            Fault::OneWay(from, to) if (from, to) == (a, b) => link.cut[0] = true,
            Fault::OneWay(from, to) if (from, to) == (b, a) => link.cut[1] = true,
            Fault::Hold(one, other) if (one, other) == (a, b) || (one, other) == (b, a) => link.held = true,
            _ => {}
        }
    }
    link
}

thread_local! {
    /// What a task of this thread's simulation panicked with: the process of a node would end with it.
    static PANIC: RefCell<Option<String>> = const { RefCell::new(None) };
}

fn note_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let shows = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            PANIC.set(Some(info.to_string()));
            shows(info);
        }));
    });
}
