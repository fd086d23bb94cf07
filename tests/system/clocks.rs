//! Wrong clocks.

use crate::harness::{Net, Plan, wait_until};

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
