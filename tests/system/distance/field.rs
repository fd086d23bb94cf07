//! A network at a distance: payments all the time, eyes on every node, and what must hold in the end.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::figures::{Blocks, Reorganisations, seconds};
use super::line::Distance;
use super::payments::{Fates, Payments};
use super::wires::Wires;
use super::witness::Witness;
use crate::harness::{Net, Plan, schedule, wait_until};

/// Nodes of a network.
pub const NODES: usize = 5;
/// All of them.
pub const ALL: [usize; NODES] = [0, 1, 2, 3, 4];
/// When all nodes must have one chain after the last fault, with blocks on top of it.
const HEAL_S: u64 = 60;
/// Blocks on top of what there was when the faults ended.
const MORE_BLOCKS: u64 = 3;
/// Between two payments, and two looks at a node.
const STEP: Duration = Duration::from_millis(100);

/// By what address a node is called.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Face {
    Ip4,
    Name,
    Ip6,
}

impl Face {
    fn host(self) -> IpAddr {
        match self {
            Self::Ip4 | Self::Name => Ipv4Addr::LOCALHOST.into(),
            Self::Ip6 => Ipv6Addr::LOCALHOST.into(),
        }
    }

    fn address(self, port: u16) -> String {
        match self {
            Self::Name => format!("localhost:{port}"),
            Self::Ip4 | Self::Ip6 => SocketAddr::from((self.host(), port)).to_string(),
        }
    }
}

/// Whether the machine has IPv6. If not, that is said where no test runner hides it.
pub fn has_ip6(what: &str) -> bool {
    let bound = TcpListener::bind((Ipv6Addr::LOCALHOST, 0));
    if let Err(error) = &bound {
        drop(writeln!(std::io::stderr(), "NOT TESTED over IPv6, [::1] cannot be bound ({error}): {what}"));
    }
    bound.is_ok()
}

/// The network.
pub struct Field {
    // Dropped first, so that processes end before their wires.
    pub net: Net,
    pub wires: Wires,
    payments: Payments,
    witness: Witness,
    name: &'static str,
    kills: u64,
    steps: usize,
    first_block: Duration,
    /// How long it took until there was one chain again, after each fault.
    healed: Vec<Duration>,
}

impl Field {
    /// Five nodes, each called by an IPv4 address, started, with a first block.
    pub fn new(name: &'static str, plan: &Plan, distance: Distance) -> Self {
        Self::with_faces(name, plan, distance, [Face::Ip4; NODES])
    }

    /// The same with other addresses.
    pub fn with_faces(name: &'static str, plan: &Plan, distance: Distance, faces: [Face; NODES]) -> Self {
        let mut net = Net::new(plan);
        if !plan.params.iter().any(|(name, _)| *name == "block_interval_ms") {
            // The rhythm of a node as it comes.
            for node in ALL {
                net.set(node, "sync_oracle", "snapshot_interval_ms", 1000);
                net.set(node, "producer", "mining_tick_ms", 250);
            }
        }
        let wires = lay(&net, distance, faces);
        let started = Instant::now();
        net.start_all();
        let payments = Payments::new(&net);
        wait_until("a first block", 60, || ALL.iter().any(|node| net[*node].height() > 0));
        let first_block = started.elapsed();
        let witness = Witness::new(NODES);
        Self { net, wires, payments, witness, name, kills: 0, steps: 0, first_block, healed: Vec::new() }
    }

    /// Pays and looks for a while.
    pub fn live(&mut self, duration: Duration) {
        let end = Instant::now() + duration;
        while Instant::now() < end {
            self.step();
        }
    }

    /// Pays and looks until something is so.
    pub fn live_until(&mut self, what: &str, seconds: u64, mut holds: impl FnMut(&Self) -> bool) {
        let deadline = Instant::now() + Duration::from_secs(seconds);
        while !holds(self) {
            assert!(Instant::now() < deadline, "{}: not within {seconds} s: {what}", self.name);
            self.step();
        }
    }

    /// Pays and looks until this many heights are final for all.
    pub fn live_until_final(&mut self, height: u64, seconds: u64) {
        self.live_until(&format!("height {height} is final everywhere"), seconds, |field| {
            field.witness.finalized() >= height
        });
    }

    /// Opens all wires, and pays and looks until all nodes have one chain with new blocks.
    pub fn heal(&mut self) {
        let highest = self.heights().into_iter().max().unwrap_or(0);
        self.wires.heal();
        let healed = Instant::now();
        self.live_until("all nodes have one chain again", HEAL_S, |field| field.agree(highest + MORE_BLOCKS));
        self.healed.push(healed.elapsed());
    }

    /// Whether all nodes have at least this height, and one block at the lowest of their heights.
    fn agree(&self, from: u64) -> bool {
        let lowest = self.heights().into_iter().min().unwrap_or(0);
        let first = || self.net[0].hash_at(lowest);
        lowest >= from
            && first().is_some_and(|hash| {
                ALL.iter().all(|node| self.net[*node].hash_at(lowest).as_ref() == Some(&hash))
            })
    }

    fn step(&mut self) {
        let next = Instant::now() + STEP;
        self.payments.pay(&self.net);
        let node = self.steps % NODES;
        self.steps += 1;
        if self.net[node].runs() {
            self.witness.look(&self.net, node);
        }
        std::thread::sleep(next.saturating_duration_since(Instant::now()));
    }

    /// `kill -9`, a while without the node, and its start: it must still have what it had shown.
    pub fn kill(&mut self, victim: usize, gone_for: Duration) {
        let reported = self.net[victim].status();
        self.net[victim].kill();
        self.kills += 1;
        self.live(gone_for);
        self.net[victim].start();
        self.net[victim].wait_ready();
        let Some(reported) = reported else { return };
        let hash = reported["tip_hash"].as_str().expect("tip_hash");
        let kill = self.kills;
        assert!(self.net[victim].block(hash).is_some(), "kill {kill}: block {hash} is lost");
    }

    /// Heights of all nodes.
    pub fn heights(&self) -> [u64; NODES] {
        ALL.map(|node| self.net[node].height())
    }

    /// The reorganisations so far.
    pub fn reorganisations(&self) -> Reorganisations {
        Reorganisations::of(self.net.nodes())
    }

    /// Ends all faults, and checks what must hold then. Prints what the network did.
    pub fn finish(mut self) {
        let faulty = Blocks::of(&self.net[0].blocks(1, self.net[0].height()));
        let connections = self.wires.connections();
        self.wires.set_distance(Distance::default());
        self.heal();
        let fates = self.payments.fates(&self.net, HEAL_S);
        let last = fates.included.iter().map(|(height, ..)| *height).max().unwrap_or(0);
        let agreed = self.net.wait_agree(&ALL, last, HEAL_S);
        ALL.iter().for_each(|node| self.witness.look(&self.net, *node));
        self.check(agreed, &fates);
        let mut reasons = BTreeMap::<&str, u64>::new();
        fates.dropped.iter().for_each(|(_, reason)| *reasons.entry(reason).or_default() += 1);
        let healed: Vec<String> = self.healed.iter().map(|took| seconds(*took)).collect();
        let lines = [
            format!("{}:", self.name),
            format!("{faulty}; the first after {}", seconds(self.first_block)),
            self.reorganisations().to_string(),
            format!(
                "{} payments acknowledged: {} in blocks, dropped {reasons:?}; {}",
                self.payments.acknowledged(),
                fates.included.len(),
                self.payments.others()
            ),
            format!(
                "{} heights final, {connections} connections, {} kills",
                self.witness.finalized(),
                self.kills
            ),
            format!("one chain, {MORE_BLOCKS} blocks longer, after each fault: {}", healed.join(", ")),
        ];
        eprintln!("{}", lines.join("\n  "));
    }

    /// One chain on all nodes, by the rules; nothing final was undone; every payment is where its node says.
    fn check(&self, agreed: u64, fates: &Fates) {
        let hashes = |node: usize| -> Vec<String> {
            let blocks = self.net[node].blocks(0, agreed);
            blocks.iter().map(|block| block["hash"].as_str().expect("hash").to_owned()).collect()
        };
        let chain = hashes(0);
        for node in &ALL[1..] {
            assert!(hashes(*node) == chain, "{} has another chain", self.net[*node].name);
        }
        self.witness.check(&chain);
        schedule::check_blocks(&self.net[0], agreed.saturating_sub(20).max(1), agreed);
        assert!(self.payments.acknowledged() > 0, "nothing was paid: {}", self.payments.others());
        for (height, block, hash) in &fates.included {
            let at = usize::try_from(*height).expect("small");
            assert_eq!(chain.get(at), Some(block), "{hash} is in a block that is not on the chain");
        }
        for (hash, reason) in &fates.dropped {
            let elsewhere =
                self.net[1].try_get(&format!("/api/transactions/{hash}")).expect("an answer").body;
            assert_ne!(elsewhere["status"], "included", "{hash} was dropped ({reason}) and is in a block");
        }
    }
}

/// A proxy before each node, which the others know it by.
fn lay(net: &Net, distance: Distance, faces: [Face; NODES]) -> Wires {
    let processes = net.nodes().iter().map(|node| Arc::clone(&node.process)).collect();
    let wires = Wires::new(17, processes);
    wires.set_distance(distance);
    let addresses = ALL.map(|node| {
        let (host, port) = (faces[node].host(), net[node].p2p);
        net.set(node, "chain", "p2p_listen", SocketAddr::from((host, port)).to_string());
        faces[node].address(wires.listen(node, host, (host, port).into()))
    });
    for node in ALL {
        let others = ALL.iter().filter(|other| **other != node);
        let seeds: Vec<toml::Value> = others.map(|other| addresses[*other].clone().into()).collect();
        net.set(node, "chain", "seeds", seeds);
        net.set(node, "chain", "p2p_advertise", addresses[node].clone());
    }
    wires
}
