//! All nodes die at once, and are started again.

use std::time::Duration;

use crate::failure::{Outcome, check};
use crate::net::Net;
use crate::payments::Payments;
use crate::wait;

/// Payments submitted just before, one of each of the first accounts.
const PAYMENTS: u16 = 5;
/// Longest until docker has started all, seconds.
const STARTED_S: u64 = 120;
/// Blocks that all must have in the end.
const BLOCKS: u64 = 3;

pub(super) async fn run(net: &Net, seconds: u64) -> Outcome {
    let witness = &net.nodes[0];
    let agreed = net.wait_agreed(&net.all(), 1).await?;
    let before = witness.blocks(1, agreed).await?;
    let mut payments = Payments::default();
    payments.submit(net, witness, 1..=PAYMENTS).await?;
    let all = net.all_containers();
    net.docker.each(&["kill"], &all).await?;
    net.say(format!("all {} containers killed, {} payments just acknowledged", all.len(), payments.count()));
    tokio::time::sleep(Duration::from_secs(seconds)).await;
    // Meanwhile an outgoing connection of this machine may hold a published port, at most a minute after its
    // end.
    wait::until("all containers start", STARTED_S, async || net.docker.each(&["start"], &all).await).await?;
    net.say(format!("started again after {seconds} s"));

    let height = net.wait_well().await?;
    for node in &net.nodes {
        let now = node.blocks(1, agreed).await?;
        let same = now.iter().map(|block| &block.hash).eq(before.iter().map(|block| &block.hash));
        check(same, format!("the {agreed} blocks of before on {}", node.name), || format!("{now:?}"))?;
    }
    payments.wait_included(net).await?;
    let goal = net.wait_blocks(&net.all(), BLOCKS).await?;
    net.say(format!(
        "well again at height {height}, {goal} and going on; all blocks and payments of before are there"
    ));
    let made = witness.blocks(agreed + 1, goal).await?;
    net.check_schedule(witness, &made).await
}
