//! A node that freezes.

use crate::harness::{Net, Plan, wait_until};

#[test]
fn a_frozen_node_is_gone_without_and_rejoins() {
    let mut net = Net::started(&Plan::fast(3));
    let all = [0, 1, 2];
    net.wait_height(&all, 5, 60);
    net[2].pause();
    let frozen = net.wait_blocks(&[0, 1], 30, 90);
    net[2].resume();
    // It has been away for long: until it has caught up it is not eligible, and what it took
    // for its slot is over.
    wait_until("it has caught up", 30, || net[2].height() >= frozen);
    let id = net[2].id.clone();
    wait_until("it is active", 60, || net[0].is_active(&id));
    wait_until("it is eligible", 30, || net[2].eligible());
    net.wait_blocks(&all, 10, 60);
    net.wait_agree(&all, frozen + 10, 20);
    net.stop_all();
}
