//! One node alone, and a network that slept.

use crate::harness::{Net, Plan, schedule};

#[test]
fn one_node_alone_produces_also_after_a_restart() {
    let mut net = Net::started(&Plan::fast(1));
    net.wait_height(&[0], 10, 30);
    net[0].stop();
    net[0].start();
    net[0].wait_ready();
    let height = net.wait_blocks(&[0], 10, 30);
    schedule::check_blocks(&net[0], 1, height);
    net.stop_all();
}

#[test]
fn a_network_stopped_for_an_hour_goes_on() {
    let all = [0, 1, 2];
    let mut net = Net::started(&Plan::fast(3));
    net.wait_height(&all, 10, 60);
    net.stop_all();
    let hour_ms = 3_600_000;
    for index in all {
        net.set(index, "node", "clock_offset_ms", hour_ms);
    }
    net.start_all();
    let height = net.wait_blocks(&all, 15, 90);
    let agreed = net.wait_agree(&all, height, 20);
    schedule::check_blocks(&net[1], 1, agreed);
    let stamp = |height| net[0].block(height).expect("there")["timestamp_ms"].as_u64().expect("number");
    assert!(stamp(agreed) - stamp(1) >= 3_600_000, "an hour of header time has passed");
    net.stop_all();
}
