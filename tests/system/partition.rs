//! Cut cables.

use crate::harness::{Net, Plan, schedule, settled, stays_true, wait_until};

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
fn an_even_partition_of_a_minute_heals_to_one_chain() {
    let net = Net::started(&Plan::fast(4).cables());
    let all = [0, 1, 2, 3];
    net.wait_height(&all, 5, 60);
    wait_until("all are eligible", 30, || net.nodes().iter().all(|node| node.eligible()));
    net.partition(&[&[0, 1], &[2, 3]]);
    let before = all.map(|node| net[node].height());
    stays_true("all nodes live through the partition", 60, || {
        net.nodes().iter().all(|node| node.status().is_some())
    });
    let heights = all.map(|node| net[node].height());
    let grown = heights.iter().zip(before).all(|(now, before)| *now > before + 10);
    assert!(grown, "each half goes on: from {before:?} to {heights:?}");
    let common = heights.into_iter().min().unwrap_or(0);
    assert_ne!(net[0].hash_at(common), net[2].hash_at(common), "the halves went apart");
    net.heal();
    let height = net.wait_blocks(&[0], 5, 120);
    net.wait_height(&all, height, 120);
    let agreed = net.wait_agree(&all, height, 60);
    schedule::check_blocks(&net[3], 1, agreed);
    // And it stays one chain.
    let later = net.wait_blocks(&all, 10, 60);
    net.wait_agree(&all, later, 30);
}
