//! Three nodes, nothing wrong.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::harness::{Net, Plan, get, schedule, wait_for};

#[test]
fn three_nodes_make_one_chain_that_follows_the_schedule() {
    let mut net = Net::started(&Plan::fast(3));
    let all = [0, 1, 2];
    net.wait_height(&all, 30, 60);
    let height = net.wait_agree(&all, 30, 20);
    let first = net[0].blocks(0, height);
    for node in &net.nodes()[1..] {
        let hashes = |blocks: &[Value]| blocks.iter().map(|block| block["hash"].clone()).collect::<Vec<_>>();
        assert_eq!(hashes(&node.blocks(0, height)), hashes(&first), "{}", node.name);
    }
    // Each node's own account of pools and blocks must lead a stranger to the same schedule.
    for node in net.nodes() {
        schedule::check_blocks(node, 1, 30);
    }
    let producers: BTreeSet<&str> =
        first[1..].iter().filter_map(|block| block["producer"].as_str()).collect();
    assert_eq!(producers.len(), 3, "everybody produces");
    assert_eq!(first[0]["header"], "", "block 0 has no header");
    net.stop_all();
}

#[test]
fn a_planned_stop_warns_of_nothing() {
    let mut net = Net::started(&Plan::fast(2));
    net.wait_height(&[0, 1], 5, 60);
    wait_for("both may produce", 30, || (net[0].eligible() && net[1].eligible()).then_some(()));
    net.stop_all();
    for node in net.nodes() {
        let log = node.log();
        let (_, after) = log.split_once("vision::node: stopping").expect("it says that it stops");
        assert!(after.contains("vision::node: stopped"), "{after}");
        let loud: Vec<&str> =
            after.lines().filter(|line| line.contains(" WARN ") || line.contains(" ERROR ")).collect();
        assert!(loud.is_empty(), "{}: {loud:#?}", node.name);
    }
}

#[test]
fn the_nodes_show_the_same_and_in_the_documents_shape() {
    // Slow enough that all three can be asked within one height.
    let net = Net::started(&Plan::fast(3).param("block_interval_ms", 1500));
    net.wait_height(&[0, 1, 2], 2, 60);
    let statuses = wait_for("three statuses of one height", 30, || {
        let ask = || net.nodes().iter().map(|node| node.json("/api/mining/status")).collect::<Vec<_>>();
        let statuses = ask();
        let same = |name: &str| statuses.iter().all(|status| status[name] == statuses[0][name]);
        let tips: BTreeSet<_> =
            net.nodes().iter().map(|node| node.json("/api/status")["tip_hash"].to_string()).collect();
        let unmoved = ask().iter().all(|status| status["next_height"] == statuses[0]["next_height"]);
        (same("next_height") && tips.len() == 1 && unmoved).then_some(statuses)
    });
    let fields: BTreeSet<&str> = [
        "next_height",
        "current_winner",
        "backups",
        "my_node_id",
        "my_slot",
        "eligible",
        "sync_state",
        "local_height",
        "network_height",
        "lag_blocks",
        "eligible_pool_size",
        "ready_peers",
        "eligible_streak",
        "recent_claims",
    ]
    .into();
    for (status, node) in statuses.iter().zip(net.nodes()) {
        let got: BTreeSet<&str> = status.as_object().expect("object").keys().map(String::as_str).collect();
        assert_eq!(got, fields);
        assert_eq!(status["current_winner"], statuses[0]["current_winner"]);
        assert_eq!(status["backups"], statuses[0]["backups"]);
        assert_eq!(status["backups"].as_array().map(Vec::len), Some(6));
        assert_eq!(status["my_node_id"], node.id.as_str());
        assert_eq!(status["eligible_pool_size"], 3);
        // The P2P port has the status page too.
        let page = get(node.p2p, "/api/status").expect("an answer");
        assert_eq!((page.status, &page.body["node_id"]), (200, &Value::from(node.id.as_str())));
    }
    for node in net.nodes() {
        assert_eq!(node.try_get("/healthz").map(|answer| answer.status), Some(200));
        assert_eq!(node.try_get("/readyz").map(|answer| answer.status), Some(200));
        assert_eq!(node.block(1_000_000), None, "an unknown height is 404");
        assert_eq!(node.try_get("/api/chain/blocks/nonsense").map(|answer| answer.status), Some(400));
    }
}
