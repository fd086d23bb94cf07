//! `kill -9` at random moments of writing.

use std::thread::sleep;
use std::time::Duration;

use crate::harness::{Dice, Net, Plan, schedule};

const KILLS: u32 = 50;

/// A network that writes all the time.
fn busy(nodes: u16) -> Plan {
    Plan::fast(nodes).param("block_interval_ms", 0).param("jitter_max_ms", 1)
}

#[test]
fn nothing_acknowledged_is_lost_by_a_node_alone() {
    let mut net = Net::started(&busy(1));
    let mut dice = Dice(11);
    net.wait_height(&[0], 3, 30);
    for kill in 0..KILLS {
        sleep(Duration::from_millis(dice.below(120)));
        let reported = net[0].status().expect("it runs");
        net[0].kill();
        net[0].start();
        net[0].wait_ready();
        let (height, hash) = (reported["height"].as_u64().expect("height"), &reported["tip_hash"]);
        let kept = net[0].block(height).unwrap_or_else(|| panic!("kill {kill}: block {height} is lost"));
        assert_eq!(kept["hash"], *hash, "kill {kill}: block {height} is another one");
    }
    let height = net.wait_blocks(&[0], 5, 30);
    schedule::check_blocks(&net[0], height.saturating_sub(50).max(1), height);
}

#[test]
fn fifty_kills_and_no_divergence() {
    let mut net = Net::started(&busy(3));
    let all = [0, 1, 2];
    let mut dice = Dice(13);
    net.wait_height(&all, 3, 60);
    for kill in 0..KILLS {
        let victim = usize::try_from(dice.below(3)).expect("small");
        sleep(Duration::from_millis(dice.below(250)));
        let reported = net[victim].status();
        net[victim].kill();
        net[victim].start();
        net[victim].wait_ready();
        if let Some(reported) = reported {
            // It may have left the branch since, but it must know the block.
            let hash = reported["tip_hash"].as_str().expect("tip_hash");
            assert!(net[victim].block(hash).is_some(), "kill {kill}: block {hash} is lost");
        }
    }
    let height = net.wait_blocks(&all, 20, 120);
    let agreed = net.wait_agree(&all, height, 60);
    let hashes =
        |node: usize| net[node].blocks(0, agreed).iter().map(|b| b["hash"].to_string()).collect::<Vec<_>>();
    assert!(hashes(0) == hashes(1) && hashes(0) == hashes(2), "the nodes diverged");
    schedule::check_blocks(&net[0], agreed - 20, agreed);
}
