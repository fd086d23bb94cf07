//! One node alone, and a network that slept.

use crate::harness::{Net, Node, Plan, schedule, stderr, stdout, vision, wait_until};

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

#[test]
fn a_follower_says_that_it_is_no_producer_and_that_the_only_one_is_gone() {
    let mut net = Net::started(&Plan::fast(1));
    let dir = net.scratch().join("net").to_str().expect("UTF-8").to_owned();
    let made = vision(&["testnet", "add", "--dir", &dir, "-o", "json"]);
    assert!(made.status.success(), "{}", stderr(&made));
    let follower = net.adopt(Node::new(&serde_json::from_str(&stdout(&made)).expect("JSON")));
    net.set(follower, "sync_oracle", "snapshot_interval_ms", 200);
    net.start_all();
    net.wait_blocks(&[0, follower], 3, 60);
    let says = |net: &Net, code: &str| net[follower].because().starts_with(code);
    wait_until("it follows", 30, || says(&net, "NOT_A_PRODUCER: ") && !net[follower].eligible());
    assert_eq!(net[follower].json("/api/mining/status")["eligible"], false);
    assert!(net[0].eligible(), "the producer itself is: {}", net[0].because());
    net[0].kill();
    wait_until("nobody is left", 30, || says(&net, "NO_PRODUCER: "));
    net.start_all();
    wait_until("it is back", 60, || says(&net, "NOT_A_PRODUCER: "));
    net.wait_blocks(&[0, follower], 3, 60);
}

#[test]
fn one_of_two_that_has_lost_its_disk_comes_back_by_the_advice_given() {
    let mut net = Net::started(&Plan::fast(2));
    let all = [0, 1];
    net.wait_height(&all, 10, 60);
    net[1].kill();
    std::fs::remove_dir_all(net[1].home.join("data")).expect("its disk is lost");
    net[1].start();
    assert_eq!(net[1].wait_end(30).code(), Some(5), "a key whose claims are lost is not used");
    assert!(net[1].log().contains("keys reset-claims --home"), "{}", net[1].log());
    // What the lost disk may have signed is at most a block above what the other node has.
    let margin = net[0].height() + 5;
    let home = net[1].home.to_str().expect("UTF-8").to_owned();
    let reset = vision(&["keys", "reset-claims", "--home", &home, "--above", &margin.to_string()]);
    assert!(reset.status.success(), "{}", stderr(&reset));
    net.start_all();
    net.wait_height(&all, margin + 10, 60);
    let id = net[1].id.clone();
    let by_it = |net: &Net, from, to| {
        net[0].blocks(from, to).into_iter().any(|block| block["producer"] == id.as_str())
    };
    wait_until("it produces again", 60, || by_it(&net, margin + 1, net[0].height()));
    assert!(!by_it(&net, margin - 4, margin), "it has signed nothing up to the height given");
    let agreed = net.wait_agree(&all, margin, 30);
    schedule::check_blocks(&net[1], 1, agreed);
}
