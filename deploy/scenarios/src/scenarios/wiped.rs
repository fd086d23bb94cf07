//! One of two nodes that are left loses its chain and its claims: it signs nothing until somebody says from
//! which height on, and then takes part again.

use crate::failure::{Outcome, check};
use crate::fault::{Fault, Kind};
use crate::net::Net;
use crate::node::{Node, Service};
use crate::wait;

/// Longest until the producer has refused to start, seconds.
const REFUSES_S: u64 = 60;
/// How a program ends that refuses for safety.
const REFUSED: i64 = 5;
/// What it must say is to be done.
const ADVICE: &str = "vision keys reset-claims --home /data --above HEIGHT";
/// Blocks that the other one makes meanwhile.
const BLOCKS: u64 = 2;
/// How far above the network's height the lost claims may have been.
const MARGIN: u64 = 4;
/// Log lines looked at.
const LOG_LINES: u32 = 50;

pub(super) async fn run(net: &Net) -> Outcome {
    let (witness, victim, absent) = (&net.nodes[0], &net.nodes[1], &net.nodes[2]);
    let (absence, death) = (Fault::of_node(Kind::Kill, absent), Fault::of_node(Kind::Kill, victim));
    absence.inflict(net).await?;
    net.wait_blocks(&[witness, victim], 1).await?;
    death.inflict(net).await?;
    let volumes = [format!("{}-chain", victim.name), format!("{}-producer", victim.name)];
    net.docker.wipe(&volumes).await?;
    let (at_death, _) = witness.head().await?;
    net.say(format!("{absence}; {death}, its chain and its claims are lost, at height {at_death}"));

    death.heal(net).await?;
    wait::until(format!("{} refuses to sign", victim.name), REFUSES_S, async || refuses(net, victim).await)
        .await?;
    // Its chain is company enough for the other one to go on, and follows.
    let goal = net.wait_blocks(&[witness], BLOCKS).await?;
    net.wait_height(victim, goal).await?;
    net.say(format!(
        "its producer ends with {REFUSED} and says what to do; its chain follows to height {goal}"
    ));

    let producer = [victim.container(Service::Producer)];
    net.docker.each(&["stop"], &producer).await?;
    let above = witness.head().await?.0 + MARGIN;
    let reset = ["keys", "reset-claims", "--home", "/data", "--above", &above.to_string()];
    net.docker.run_once(&producer[0], &reset).await?;
    net.docker.each(&["start"], &producer).await?;
    let again = net.wait_produces(witness, &victim.id, at_death + 1).await?;
    // What it had begun when it died may have come a moment later.
    check(again.height > above, format!("no block of {} up to height {above}", victim.name), || {
        format!("block {}", again.height)
    })
    .map_err(|failure| failure.about(producer))?;
    net.say(format!("claims reset above {above}: it produced block {}", again.height));
    absence.heal(net).await?;
    net.wait_agreed(&net.all(), again.height).await?;
    net.wait_well().await?;
    Ok(())
}

async fn refuses(net: &Net, victim: &Node) -> Outcome {
    let name = victim.container(Service::Producer);
    let containers = net.docker.containers().await?;
    let ended = containers.get(&name).map(|container| container.state.exit_code);
    let log = net.docker.log_end(&name, LOG_LINES).await?;
    let last = log.lines().rfind(|line| line.starts_with("error: ")).unwrap_or_default();
    check(ended == Some(REFUSED) && last.contains(ADVICE), "", || format!("exit code {ended:?}: {last:?}"))
        .map_err(|failure| failure.about([name.clone()]))
}
