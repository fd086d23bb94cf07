//! One service of a node fails, each in turn: what stops is what must stop, and all comes back.

use std::collections::BTreeSet;

use crate::failure::{Failure, Outcome, check};
use crate::fault::{Fault, Kind};
use crate::net::Net;
use crate::node::{Node, Service};
use crate::wait;

/// Longest until a loss shows, seconds.
const NOTICE_S: u64 = 90;

/// What the loss of a service means for its node.
struct Loss {
    service: Service,
    /// What `/readyz` names: the service, and those that cannot do without it.
    missing: &'static [&'static str],
    /// How `not_eligible_because` begins; `None` where `/api/status` cannot be read at all.
    because: Option<&'static str>,
}

/// The gateway is not in the table: nobody needs it, and nobody can ask it.
const LOSSES: [Loss; 4] = [
    Loss { service: Service::Chain, missing: &["chain", "sync-oracle", "producer"], because: None },
    Loss { service: Service::SyncOracle, missing: &["sync-oracle", "producer"], because: None },
    // The producer notices when it has to ask for the slots of a new height.
    Loss {
        service: Service::Selection,
        missing: &["selection", "producer"],
        because: Some("SELECTION_UNAVAILABLE"),
    },
    Loss { service: Service::Producer, missing: &["producer"], because: Some("PRODUCER_UNAVAILABLE") },
];

/// The turns of the nodes, so that the slots missed are not one node's alone.
fn turns(net: &Net) -> impl Iterator<Item = (&Node, Service)> {
    net.nodes.iter().cycle().zip(Service::ALL)
}

/// `docker kill` and `docker start`.
pub(super) async fn kill(net: &Net) -> Outcome {
    for (node, service) in turns(net) {
        let fault = Fault::of_service(Kind::Kill, node, service);
        let (before, _) = net.others(node)[0].head().await?;
        fault.inflict(net).await?;
        let seen = match LOSSES.iter().find(|loss| loss.service == service) {
            Some(loss) => node_without(net, node, loss).await?,
            None => node_without_gateway(net, node, before).await?,
        };
        net.say(format!("{fault}: {seen}"));
        fault.heal(net).await?;
        net.wait_well().await?;
    }
    Ok(())
}

async fn node_without(net: &Net, node: &Node, loss: &Loss) -> Outcome<String> {
    let witness = net.others(node)[0];
    let expect: BTreeSet<String> = loss.missing.iter().map(|name| (*name).to_owned()).collect();
    wait::until(format!("/readyz of {} names {expect:?}", node.name), NOTICE_S, async || {
        let missing = node.missing().await?;
        check(missing == expect, "", || format!("{missing:?}"))
            .map_err(|failure| failure.about(node.containers()))
    })
    .await?;
    if let Some(word) = loss.because {
        wait::until(format!("{} not eligible: {word}", node.name), NOTICE_S, async || {
            let because = node.status().await?.not_eligible_because.unwrap_or_default();
            check(because.starts_with(word), "", || because)
        })
        .await?;
    } else {
        let answer = node.get("/api/status").await?;
        let service = answer.body["metadata"]["service"].as_str().unwrap_or_default();
        let named = answer.status == 503 && service == loss.service.name();
        check(named, format!("503 for {} at /api/status of {}", loss.service.name(), node.name), || {
            format!("{answer:?}")
        })?;
    }
    // What was under way when it was lost may still be made: one block. After that it misses its slots.
    let (now, _) = witness.head().await?;
    let missed = net.wait_missed(witness, &node.id, now + 1).await?;
    let blocks = witness.blocks(now + 2, missed.height).await?;
    let own = blocks.iter().find(|block| block.producer == node.id);
    check(own.is_none(), format!("no block of {} above height {}", node.name, now + 1), || {
        format!("{own:?}")
    })?;
    let others = net.others(node);
    net.wait_agreed(&others, missed.height).await?;
    let follows = if loss.service == Service::Chain {
        "the other nodes go on"
    } else {
        net.wait_height(node, missed.height).await?;
        let (hash, theirs) = (chain_hash(node, missed.height).await?, &missed.hash);
        check(hash == *theirs, format!("block {} on the chain of {}", missed.height, node.name), || {
            hash.clone()
        })?;
        "its chain follows"
    };
    Ok(format!(
        "/readyz names {}; it missed slot 0 of height {}; {follows}",
        loss.missing.join(", "),
        missed.height
    ))
}

/// The hash at a height by the chain service itself.
async fn chain_hash(node: &Node, height: u64) -> Outcome<String> {
    use vision_wire::chain::{GetBlockRequest, get_block_request::Id};
    let request =
        vision_wire::deadline(GetBlockRequest { id: Some(Id::Height(height)), ..Default::default() });
    let answer = vision_wire::call("chain", node.chain()?.get_block(request)).await;
    let block = answer.map_err(|status| Failure::seen(status.message().to_owned()))?.block;
    Ok(block.unwrap_or_default().hash)
}

async fn node_without_gateway(net: &Net, node: &Node, before: u64) -> Outcome<String> {
    wait::until(format!("REST of {} refused", node.name), NOTICE_S, async || {
        match node.get("/healthz").await {
            Ok(answer) => Err(Failure::seen(format!("it answers: {answer:?}"))),
            Err(_) => Ok(()),
        }
    })
    .await?;
    let witness = net.others(node)[0];
    let block = net.wait_produces(witness, &node.id, before + 1).await?;
    Ok(format!("REST is refused, and the node goes on: it produced block {}", block.height))
}

/// `docker stop` and `docker start`: a service that needed more than its ten seconds would be killed, and end
/// with 137.
pub(super) async fn stop(net: &Net) -> Outcome {
    for (node, service) in turns(net) {
        let fault = Fault::of_service(Kind::Stop, node, service);
        let name = node.container(service);
        fault.inflict(net).await?;
        let containers = net.docker.containers().await?;
        let state = containers
            .get(&name)
            .map(|container| (container.state.status.as_str(), container.state.exit_code));
        check(state == Some(("exited", 0)), format!("{name} ended with 0"), || format!("{state:?}"))
            .map_err(|failure| failure.about([name.clone()]))?;
        fault.heal(net).await?;
        net.wait_well().await?;
        net.say(format!("{fault}: ended with 0; started, all well"));
    }
    Ok(())
}

/// SIGKILL behind docker's back: docker restarts it by itself, and nothing agreed is lost.
pub(super) async fn crash(net: &Net) -> Outcome {
    for (node, service) in turns(net) {
        let fault = Fault::of_service(Kind::Crash, node, service);
        let (height, _) = node.head().await?;
        let agreed = height.saturating_sub(2);
        let hash = chain_hash(node, agreed).await?;
        fault.inflict(net).await?;
        net.wait_well().await?;
        for other in &net.nodes {
            let now = other.block(agreed).await?.hash;
            check(now == hash, format!("block {agreed} {hash} still on {}", other.name), || now.clone())?;
        }
        net.say(format!("{fault}: docker restarted it, all well, nothing lost"));
    }
    Ok(())
}
