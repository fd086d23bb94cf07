//! Blocks as fast as they come.

use crate::harness::{Net, Plan, wait_until};

#[test]
fn a_thousand_rapid_heights_and_eligibility_never_flaps() {
    let fast =
        Plan::fast(3).param("block_interval_ms", 0).param("jitter_max_ms", 1).param("claim_timeout_ms", 1200);
    let net = Net::started(&fast);
    let all = [0, 1, 2];
    wait_until("all are eligible", 60, || net.nodes().iter().all(|node| node.eligible()));
    let mut asked = 0_u32;
    wait_until("a thousand blocks", 300, || {
        for node in net.nodes() {
            // A node too busy to answer in time says nothing about its eligibility.
            if let Some(status) = node.status() {
                asked += 1;
                assert_eq!(status["eligible"], true, "{}: {}", node.name, status["not_eligible_because"]);
            }
        }
        all.iter().all(|node| net[*node].height() >= 1000)
    });
    assert!(asked > 30, "the nodes answered {asked} times only");
    net.wait_agree(&all, 1000, 60);
}
