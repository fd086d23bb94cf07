//! Cut cables.

use serde_json::Value;

use crate::harness::{Net, Plan, schedule, settled, stays_true, wait_for, wait_until};
use crate::traffic::{account_key, address_of, at, ok};

/// Heights that each half of a cut network makes by itself.
const HEIGHTS: u64 = 100;

#[test]
fn a_node_cut_off_stops_while_the_others_go_on() {
    let net = Net::started(&Plan::fast(3).cables());
    let all = [0, 1, 2];
    net.wait_height(&all, 5, 60);
    wait_until("all are eligible", 30, || net.nodes().iter().all(|node| node.eligible()));
    net.partition(&[&[0, 1], &[2]]);
    wait_until("the cut node notices", 20, || !net[2].eligible() && !net[2].because().is_empty());
    // A block it had begun may still appear.
    let frozen = settled("the cut node's height", 20, || net[2].height());
    let others = net[0].height();
    stays_true("the cut node produces nothing", 6, || net[2].height() == frozen && !net[2].eligible());
    assert!(net[0].height() > others, "the others go on");
    net.heal();
    let height = net.wait_blocks(&[0, 1], 5, 60);
    net.wait_height(&all, height, 60);
    net.wait_agree(&all, height, 30);
    let id = net[2].id.clone();
    wait_until("the cut node takes part again", 60, || net[2].eligible() && net[0].is_active(&id));
}

#[test]
fn an_even_partition_of_a_hundred_heights_heals_to_one_chain_that_has_every_payment() {
    let net = Net::started(&Plan::fast(4).cables());
    let all = [0, 1, 2, 3];
    net.wait_height(&all, 5, 60);
    wait_until("all are eligible", 30, || net.nodes().iter().all(|node| node.eligible()));
    net.partition(&[&[0, 1], &[2, 3]]);
    let before = all.map(|node| net[node].height());
    // At once, into the first blocks of each branch; account 5 in both halves, with one nonce.
    let mut paid = vec![pay(&net, 0, 1), pay(&net, 2, 2)];
    let rivals = [(0, pay(&net, 0, 5)), (2, pay(&net, 2, 5))];
    stays_true("all nodes live through the partition", 45, || {
        net.nodes().iter().all(|node| node.status().is_some())
    });
    for (node, before) in all.into_iter().zip(before) {
        net.wait_height(&[node], before + HEIGHTS, 120);
    }
    // And again, so that they may wait when the halves meet.
    paid.extend([pay(&net, 1, 1), pay(&net, 3, 2), pay(&net, 3, 3)]);
    let heights = all.map(|node| net[node].height());
    let common = heights.into_iter().min().unwrap_or(0);
    assert_ne!(net[0].hash_at(common), net[2].hash_at(common), "the halves went apart");
    net.heal();
    let height = net.wait_blocks(&[0], 5, 120);
    net.wait_height(&all, height, 120);
    let agreed = net.wait_agree(&all, height, 60);
    schedule::check_blocks(&net[3], 1, agreed);
    for hash in &paid {
        let blocks = all.map(|node| wait_for("a payment is in a block", 60, || block_of(&net, node, hash)));
        assert!(blocks.iter().all(|block| *block == blocks[0]), "{hash}: {blocks:?}");
    }
    // One of two that exclude each other is in a block, and who took the other says that it never will be.
    wait_until("each rival has its fate", 60, || {
        rivals.iter().all(|(node, hash)| fate(&net, *node, hash)["status"] != "pending")
    });
    let fates = rivals.each_ref().map(|(node, hash)| fate(&net, *node, hash)["status"].clone());
    assert!(fates == ["included", "dropped"] || fates == ["dropped", "included"], "{fates:?}");
    // And it stays one chain.
    let later = net.wait_blocks(&all, 10, 60);
    net.wait_agree(&all, later, 30);
}

/// Pays from a funded account to itself at a node: the hash of what the node has acknowledged.
fn pay(net: &Net, node: usize, account: usize) -> String {
    let key = account_key(net, account);
    // No two nodes are given the same transaction.
    let (to, amount) = (address_of(&key), (node + 1).to_string());
    let sent = at(&net[node], &["tx", "transfer", "--key", &key, "--to", &to, "--amount", &amount]);
    ok(sent)["hash"].as_str().expect("a hash").to_owned()
}

/// What a node reports about a transaction.
fn fate(net: &Net, node: usize, hash: &str) -> Value {
    net[node].json(&format!("/api/transactions/{hash}"))
}

/// The block that has a transaction, if one has.
fn block_of(net: &Net, node: usize, hash: &str) -> Option<String> {
    let found = net[node].try_get(&format!("/api/transactions/{hash}"))?;
    (found.body["status"] == "included").then(|| found.body["block_hash"].to_string())
}
