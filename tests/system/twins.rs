//! Two nodes with one key.

use std::collections::BTreeMap;
use std::fs;

use crate::harness::{Dice, Net, Node, Plan, command, init, wait_until};

/// The guarded node's claims: for each parent the instants at which it claimed.
fn note_claims(node: &Node, seen: &mut BTreeMap<String, (u64, String)>) {
    let Some(status) = node.try_get("/api/mining/status").filter(|answer| answer.status == 200) else {
        return;
    };
    for entry in status.body["recent_claims"].as_array().into_iter().flatten() {
        let claim = &entry[1];
        let parent = claim["tip_hash"].as_str().expect("tip_hash").to_owned();
        let claimed = (claim["claimed_at"].as_u64().expect("claimed_at"), entry[0].to_string());
        let before = seen.entry(parent.clone()).or_insert_with(|| claimed.clone());
        assert_eq!(*before, claimed, "a second claim for the parent {parent}");
    }
}

#[test]
fn the_guarded_one_never_signs_twice_for_a_parent() {
    // node1 — node2 — node3 — the twin of node1: same keys, own data and ports. A node takes one
    // connection per id, so the twins must not meet at one neighbour.
    let mut net = Net::new(&Plan::fast(3));
    let other = init(&Plan::fast(1), &net.scratch().join("other"));
    let mut facts = other["nodes"][0].clone();
    facts["id"] = net[0].id.clone().into();
    facts["name"] = "twin".into();
    let twin = Node::new(&facts);
    for file in ["genesis.json", "node.pub", "producer.key", "peer.key", "peer.cert"] {
        fs::copy(net[0].home.join(file), twin.home.join(file)).expect("copy");
    }
    let twin = net.adopt(twin);
    net.set(twin, "sync_oracle", "snapshot_interval_ms", 200);
    for (from, to) in [(0, 1), (1, 2), (2, 1), (twin, 2)] {
        net.connect(from, &[to]);
    }
    net.start_all();

    let mut seen = BTreeMap::new();
    let mut dice = Dice(7);
    for round in 0..6 {
        let goal = seen.len() + 3 + usize::try_from(dice.below(4)).expect("small");
        wait_until(&format!("round {round}: it claims"), 60, || {
            note_claims(&net[0], &mut seen);
            seen.len() >= goal
        });
        net[0].kill();
        net[0].start();
        net[0].wait_ready();
    }
    // Both twins did sign, or the test would show nothing.
    let both = [0, twin].map(|node| net[node].log().matches("Successfully produced block").count());
    assert!(both.iter().all(|count| *count > 3), "blocks of the twins: {both:?}");
    let height = net.wait_blocks(&[1, 2], 5, 60);
    net.wait_agree(&[0, 1, 2, twin], height, 60);
}

#[test]
fn one_home_serves_one_process() {
    let mut net = Net::started(&Plan::fast(1));
    net.wait_height(&[0], 2, 30);
    let home = net[0].home.to_str().expect("UTF-8").to_owned();
    // Other ports, so that only the home is in the way.
    let base = crate::harness::free_block(6);
    let (grpc, p2p, api) = (base.to_string(), (base + 4).to_string(), (base + 5).to_string());
    let second =
        command(&["node", "--home", &home, "--grpc-port", &grpc, "--p2p-port", &p2p, "--api-port", &api])
            .output()
            .expect("the program starts");
    let text = crate::harness::stderr(&second);
    assert_eq!(second.status.code(), Some(5), "{text}");
    let errors: Vec<&str> = text.lines().filter(|line| line.starts_with("error:")).collect();
    assert_eq!(errors.len(), 1, "{text}");
    let blocks = net.wait_blocks(&[0], 3, 30);
    assert!(blocks > 3);
    net.stop_all();
}
