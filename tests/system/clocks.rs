//! Wrong clocks.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::harness::{Net, Plan, command, free_block, get, machine, stderr, vision, wait_until};

#[test]
fn a_clock_five_seconds_fast_gains_nothing() {
    skewed(5_000);
}

#[test]
fn a_clock_five_seconds_slow_harms_nobody() {
    skewed(-5_000);
}

#[test]
fn a_clock_an_hour_fast_gains_nothing() {
    skewed(3_600_000);
}

#[test]
fn a_clock_an_hour_slow_harms_nobody() {
    skewed(-3_600_000);
}

fn skewed(offset_ms: i64) {
    let mut net = Net::new(&Plan::fast(3));
    net.set(2, "node", "clock_offset_ms", offset_ms);
    net.start_all();
    let id = net[2].id.clone();
    wait_until("the node with the wrong clock knows it", 30, || net[2].because().contains("CLOCK_SKEW"));
    assert!(!net[2].eligible());
    // What it produced before the clocks were compared has to be out of the way first.
    let from = net.wait_blocks(&[0, 1], 3, 60) + 1;
    let honest = |net: &Net| [0, 1].iter().all(|node| !net[*node].because().contains("CLOCK_SKEW"));
    wait_until("the others go on", 90, || {
        assert!(honest(&net), "an honest clock is called wrong");
        net[0].height() >= from + 30
    });
    let blocks = net[0].blocks(from, from + 30);
    let by_skewed = blocks.iter().filter(|block| block["producer"] == id.as_str()).count();
    assert_eq!(by_skewed, 0, "a node with a wrong clock produces");
    let id = &net[2].id;
    wait_until("it is suspended like any node that misses its slots", 60, || !net[0].is_active(id));
    let calm = net.wait_blocks(&[0, 1], 10, 60);
    let slow = net[0].blocks(calm - 5, calm).iter().filter(|block| block["slot"] != 0).count();
    assert_eq!(slow, 0, "the interval of the others is normal");
    assert!(net[2].because().contains("CLOCK_SKEW"), "it still says why: {}", net[2].because());
    net.wait_agree(&[0, 1], calm, 20);
}

#[test]
fn of_two_clocks_three_seconds_apart_neither_produces_until_they_agree() {
    let mut net = Net::new(&Plan::fast(2));
    net.set(1, "node", "clock_offset_ms", 3_000);
    net.start_all();
    let both = |net: &Net, code: &str| net.nodes().iter().all(|node| node.because().starts_with(code));
    wait_until("both say so", 30, || both(&net, "CLOCK_SKEW"));
    assert_eq!(net.nodes().iter().map(|node| node.height()).max(), Some(0), "nobody has made a block before");
    net[1].stop();
    net.set(1, "node", "clock_offset_ms", 0);
    net.start_all();
    net.wait_blocks(&[0, 1], 3, 30);
    wait_until("both are eligible", 30, || net.nodes().iter().all(|node| node.eligible()));
}

#[test]
fn all_clocks_set_back_are_reported_and_waited_for() {
    let ahead_ms = 15_000;
    let all = [0, 1];
    let mut net = Net::new(&Plan::fast(2));
    for index in all {
        net.set(index, "node", "clock_offset_ms", ahead_ms);
    }
    net.start_all();
    net.wait_blocks(&all, 5, 60);
    net.stop_all();
    for index in all {
        net.set(index, "node", "clock_offset_ms", 0);
    }
    net.start_all();
    for node in net.nodes() {
        wait_until("it says what it waits for", 10, || {
            node.because().starts_with("HEAD_AHEAD: the timestamp of the head, block")
        });
        let ready = get(node.rest, "/readyz").expect("an answer");
        assert_eq!(ready.status, 503, "{ready:?}");
        assert!(
            ready.body["detail"].as_str().is_some_and(|why| why.starts_with("HEAD_AHEAD: ")),
            "{ready:?}"
        );
        let log = node.log();
        let warned =
            log.lines().filter(|line| line.contains("WARN") && line.contains("HEAD_AHEAD: ")).count();
        assert_eq!(warned, 1, "it is said once, not at every tick");
    }
    net.wait_blocks(&all, 3, 60);
    wait_until("both are ready", 30, || {
        net.nodes().iter().all(|node| get(node.rest, "/readyz").is_ok_and(|ready| ready.status == 200))
    });
}

#[test]
fn up_says_that_it_waits_for_a_genesis_to_come() {
    let _machine = machine();
    let scratch = tempfile::tempdir().expect("temp dir");
    let dir = scratch.path().join("net").to_str().expect("UTF-8").to_owned();
    let base = free_block(30);
    let ports = [
        format!("--base-grpc-port={base}"),
        format!("--base-p2p-port={}", base + 20),
        format!("--base-api-port={}", base + 25),
    ];
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_millis();
    let begins = format!("--genesis-time-ms={}", now + 10_000);
    let mut init = vec!["testnet", "init", "--nodes=2", "--block-interval-ms=200", "--dir", &dir, &begins];
    init.extend(ports.iter().map(String::as_str));
    let made = vision(&init);
    assert!(made.status.success(), "{}", stderr(&made));
    let up = command(&["testnet", "up", "--detach", "--dir", &dir]).output().expect("it runs");
    let down = vision(&["testnet", "down", "--dir", &dir]);
    assert!(up.status.success() && down.status.success(), "{}{}", stderr(&up), stderr(&down));
    let said = stderr(&up);
    assert!(said.contains("is waiting: HEAD_AHEAD: the genesis begins "), "{said}");
}
