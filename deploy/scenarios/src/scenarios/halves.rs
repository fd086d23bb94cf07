//! Four nodes are cut in two halves for long. Both go on, and come together on one chain with every payment.

use crate::failure::{Outcome, check};
use crate::net::Net;
use crate::node::{Node, Service};
use crate::payments::Payments;
use crate::wait;

/// Network of the second half.
const NETWORK: &str = "halves";
/// Network of all.
const P2P: &str = "p2p";
/// Nodes of a half.
const HALF: usize = 2;
/// Heights that each half makes by itself.
const BLOCKS: u64 = 100;
/// Payments submitted to each half at a time.
const PAYMENTS: u16 = 2;
/// Longest that a half takes for its heights, and that all take to come together, seconds.
const LONG_S: u64 = 600;

pub(super) async fn run(net: &Net) -> Outcome {
    let (first, second) = net.nodes.split_at(HALF);
    let halves = [first.iter().collect::<Vec<_>>(), second.iter().collect()];
    let start = net.wait_agreed(&net.all(), 1).await?;
    net.docker.add_network(NETWORK).await?;
    moved(net, second, P2P, NETWORK).await?;
    net.say(format!("cut in two halves at height {start}"));

    let mut payments = Payments::default();
    payments.submit(net, &first[0], 1..=PAYMENTS).await?;
    payments.submit(net, &second[0], PAYMENTS + 1..=2 * PAYMENTS).await?;
    let mut heights = Vec::new();
    for half in &halves {
        for node in half {
            let what = format!("{} {BLOCKS} heights on", node.name);
            let height = wait::until(what, LONG_S, async || {
                let (height, _) = node.head().await?;
                check(height >= start + BLOCKS, "", || format!("from {start} to {height}"))?;
                Ok(height)
            });
            heights.push(height.await.map_err(|failure| failure.about(node.containers()))?);
        }
    }
    let common = start + BLOCKS / 2;
    let (one, other) = (first[0].block(common).await?.hash, second[0].block(common).await?.hash);
    check(one != other, format!("two branches at height {common}"), || one.clone())?;
    // And some that only wait when the halves come together, the same accounts' among them.
    payments.submit(net, &first[1], 1..=PAYMENTS).await?;
    payments.submit(net, &second[1], PAYMENTS + 1..=2 * PAYMENTS).await?;
    net.say(format!("both halves went on, to heights {heights:?}"));

    moved(net, second, NETWORK, P2P).await?;
    net.docker.remove_network(NETWORK).await?;
    let least = heights.iter().copied().max().unwrap_or(start) + 1;
    wait::until("one chain", LONG_S, async || net.look_agreed(&net.all()).await).await?;
    let agreed = net.wait_agreed(&net.all(), least).await?;
    net.say(format!("healed: agreed at height {agreed}"));
    net.wait_well().await?;
    payments.wait_included(net).await?;
    net.say(format!("all {} payments of both halves are in blocks of all nodes", payments.count()));
    let made = first[0].blocks(start + 1, agreed).await?;
    net.check_schedule(&second[0], &made).await
}

/// Plugs the chains of some nodes out of one network and into another.
async fn moved(net: &Net, nodes: &[Node], from: &str, to: &str) -> Outcome {
    for node in nodes {
        let chain = [node.container(Service::Chain)];
        net.docker.each(&["network", "disconnect", &net.docker.name_of(from)], &chain).await?;
        net.docker
            .each(&["network", "connect", "--alias", &chain[0], &net.docker.name_of(to)], &chain)
            .await?;
    }
    Ok(())
}
