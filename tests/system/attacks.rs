//! A stranger attacks a running node, and another producer turns on it: the node goes on producing, stays
//! within its container's memory, and refuses by name.
//!
//! One node of three runs as five processes, as in docker-compose.yml. Each attack lasts a few seconds. After
//! each, none of the honest producers has missed a slot.

mod http;
mod memory;
mod peers;
mod services;
pub mod stranger;

use std::fs;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::runtime::Runtime;
use vision_primitives::Genesis;

use crate::harness::{Net, Plan, wait_until};
use crate::services::Apart;
use memory::Memory;

/// The attacked one.
const VICTIM: usize = 0;
/// Whose keys the attacker has.
const TRAITOR: usize = 2;
/// Sockets of the largest attack, and what the test itself needs.
const MIN_FILES: u64 = 4096;

/// What the attacker knows.
pub struct Target<'a> {
    net: &'a Net,
    genesis: &'a Genesis,
    p2p: u16,
    rest: u16,
    /// Of chain; the other services follow.
    grpc: u16,
}

/// An attack: its name, and what it does until the node has refused or the time is over; says what came of
/// it.
type Attack = (&'static str, fn(&Target<'_>, &Runtime) -> String);

const ATTACKS: [Attack; 14] = [
    ("large bodies that do not end", http::endless_bodies),
    ("readers that do not read", http::slow_readers),
    ("idle readers of events", http::idle_event_readers),
    ("lists and statistics again and again", http::hammering),
    ("a second, third and hundredth block on one parent", peers::equivocation),
    ("questions whose answers nobody reads", peers::held_answers),
    ("addresses without end", peers::addresses),
    ("large health checks", services::large_health_checks),
    ("watches of health", services::health_watches),
    ("a silent preface on every place", peers::silent_prefaces),
    ("introductions without a word", peers::mute_introductions),
    ("a block of empty transactions", peers::count_bombs),
    ("a large question for a schedule", services::large_schedules),
    ("a branch too heavy to be true", peers::heavy_claims),
];

/// A slot may come seconds late on a busy machine; only a node that is stopped misses one.
fn plan() -> Plan {
    Plan::fast(3).param("claim_timeout_ms", 5_000)
}

#[test]
fn under_attack_it_produces_within_its_memory_and_refuses() {
    withstands(&ATTACKS);
}

fn withstands(attacks: &[Attack]) {
    raise_file_limit();
    let mut net = Net::new(&plan());
    let home = net[VICTIM].home.to_str().expect("UTF-8").to_owned();
    // A test network lets one address have what a node of the world outside refuses.
    net.set(VICTIM, "chain", "max_introductions_per_address", 2);
    net.set(VICTIM, "chain", "max_connections_per_address", 8);
    net.set(VICTIM, "gateway", "max_connections_per_address", 256);
    let mut apart = Apart::default();
    apart.start_all(&home);
    net[1].start();
    net[TRAITOR].start();
    (0..3).for_each(|node| net[node].wait_ready());
    net.wait_height(&[0, 1, 2], 8, 60);
    let memory = Memory::watch(apart.pids());
    let text = fs::read_to_string(net[VICTIM].home.join("genesis.json")).expect("genesis");
    let genesis = Genesis::from_json(&text).expect("genesis");
    let only = std::env::var("ATTACK").unwrap_or_default();
    for (name, attack) in attacks.iter().filter(|(name, _)| name.contains(&only)) {
        let node = &net[VICTIM];
        let target = Target { net: &net, genesis: &genesis, p2p: node.p2p, rest: node.rest, grpc: node.grpc };
        let runtime = Runtime::new().expect("a runtime");
        let before = net[1].height();
        let came = attack(&target, &runtime);
        runtime.shutdown_background();
        let peaks = memory.check(name);
        eprintln!("{name}: {came}; {peaks}");
        wait_until(&format!("{name}: the victim produces again"), 30, || made_by(&net, VICTIM, before) > 0);
        no_slot_missed(&net, before, name);
    }
    let height = net.wait_blocks(&[0, 1, 2], 3, 60);
    net.wait_agree(&[0, 1, 2], height, 60);
}

/// Blocks of a producer above a height, as another node sees them.
fn made_by(net: &Net, producer: usize, above: u64) -> usize {
    let blocks = net[1].blocks(above + 1, net[1].height());
    blocks.iter().filter(|block| block["producer"] == net[producer].id.as_str()).count()
}

/// A block in slot k shows that the owners of the slots before were not there.
fn no_slot_missed(net: &Net, above: u64, during: &str) {
    for block in net[1].blocks(above + 1, net[1].height()) {
        let slot = block["slot"].as_u64().expect("slot");
        if slot == 0 {
            continue;
        }
        let height = &block["height"];
        let schedule = net[1].json(&format!("/api/mining/schedule?height={height}&slots=0-{}", slot - 1));
        for missed in schedule["slots"].as_array().expect("slots") {
            let honest = [VICTIM, 1].iter().any(|node| missed["node_id"] == net[*node].id.as_str());
            assert!(!honest, "{during}: an honest node missed slot {} of height {height}", missed["slot"]);
        }
    }
}

fn raise_file_limit() {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current.is_some_and(|current| current < MIN_FILES) {
        let wanted = maximum.map_or(MIN_FILES, |maximum| maximum.min(MIN_FILES));
        setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum }).expect("below the maximum");
    }
}
