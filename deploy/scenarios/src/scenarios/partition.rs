//! A chain is unplugged from the network of the nodes, and plugged in again.

use crate::failure::{Outcome, check};
use crate::fault::{Fault, Kind};
use crate::net::Net;
use crate::node::Service;
use crate::wait;

/// Longest until a node notices that it is alone, seconds.
const NOTICE_S: u64 = 60;
/// Blocks that the others make while it stands still.
const BLOCKS: u64 = 5;
/// Why a node that is alone does not produce.
const REASON: &str = "TOO_FEW_PEERS";

pub(super) async fn run(net: &Net) -> Outcome {
    let victim = &net.nodes[2];
    let others = net.others(victim);
    let fault = Fault::of_node(Kind::Disconnect, victim);
    fault.inflict(net).await?;
    net.say(fault.to_string());
    let alone = async || -> Outcome<u64> {
        let status = victim.status().await?;
        let because = status.not_eligible_because.unwrap_or_default();
        check(
            !status.eligible && because.starts_with(REASON),
            format!("{} not eligible: {REASON}", victim.name),
            || format!("eligible {}, because {because:?}", status.eligible),
        )
        .map_err(|failure| failure.about([victim.container(Service::SyncOracle)]))?;
        Ok(status.height)
    };
    wait::until(format!("{} notices that it is alone", victim.name), NOTICE_S, alone).await?;
    // A block that it had begun may still appear.
    net.wait_blocks(&others, 2).await?;
    let still = alone().await?;
    net.say(format!("{} still answers, says {REASON} and stands at height {still}", victim.name));
    let goal = net.wait_blocks(&others, BLOCKS).await?;
    let now = alone().await?;
    check(
        now == still,
        format!("{} to stand at height {still} while the others reach {goal}", victim.name),
        || format!("height {now}"),
    )
    .map_err(|failure| failure.about(victim.containers()))?;
    net.wait_agreed(&others, goal).await?;
    net.say(format!("the others went on to height {goal} and agree"));

    fault.heal(net).await?;
    net.wait_agreed(&net.all(), goal).await?;
    net.wait_well().await?;
    net.say(format!("{} connected again: same chain, eligible and active", victim.name));
    Ok(())
}
