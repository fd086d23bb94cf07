//! A fresh network: every container is healthy, every port answers, and starting once more changes nothing.

use std::collections::BTreeMap;

use vision_wire::selection::GetScheduleRequest;

use crate::container::Container;
use crate::failure::{Failure, Outcome, check};
use crate::net::Net;
use crate::node::{Node, Service};
use crate::rest;
use crate::wait;

/// Longest until the answers of three nodes are of one height, seconds.
const SAME_HEIGHT_S: u64 = 60;

pub(super) async fn run(net: &Net) -> Outcome {
    init_is_done(&net.docker.containers().await?)?;
    net.say("15 containers healthy, init ended with 0");
    for node in &net.nodes {
        every_port_answers(node).await?;
        net.say(format!("{}: REST, P2P and the four gRPC ports answer", node.name));
    }
    let (height, winner) = same_winner(net).await?;
    net.say(format!("the three name the same winner of height {height}: {winner}"));
    nothing_changes_by_up(net).await
}

fn init_is_done(containers: &BTreeMap<String, Container>) -> Outcome {
    let init = containers.get("init").ok_or_else(|| Failure::new("a container init", "none"))?;
    check(init.state.status == "exited" && init.state.exit_code == 0, "init ended with 0", || {
        init.condition()
    })
    .map_err(|failure| failure.about(["init"]))
}

async fn every_port_answers(node: &Node) -> Outcome {
    // gRPC health of each port, as a whole and by the name of its service.
    for service in Service::ALL {
        node.health(node.port(service), "").await?;
        node.health(node.port(service), service.health_name()).await?;
    }
    node.health(node.p2p_port(), "").await?;
    // The simplest question to each of the four.
    let (height, _) = node.head().await?;
    let snapshot = node.snapshot().await?;
    let mining = node.mining_status().await?;
    check(
        height > 0 && snapshot.eligible && mining.my_node_id == node.id,
        format!("{}: gRPC reports a head, an eligible snapshot and its own id", node.name),
        || format!("height {height}, {snapshot:?}, {mining:?}"),
    )?;
    selection_answers_as_the_gateway(node).await?;
    // REST, and the same status page on the P2P port.
    let alive = node.get("/healthz").await?;
    let ready = node.get("/readyz").await?;
    let (rest, page) = (node.status().await?, node.p2p_status().await?);
    check(
        alive.status == 200
            && ready.status == 200
            && rest.genesis_hash == page.genesis_hash
            && page.node_id == node.id,
        format!("{}: alive, ready, and one status on both ports", node.name),
        || format!("{alive:?}, {ready:?}, {rest:?}, {page:?}"),
    )?;
    let none = rest::get(node.p2p_port(), "/api/chain/params").await?;
    check(none.status == 404, format!("{}: the P2P port has no other page", node.name), || {
        format!("{none:?}")
    })
}

async fn selection_answers_as_the_gateway(node: &Node) -> Outcome {
    let params: serde_json::Value = node.ask("/api/chain/params").await?;
    let shown = node.next_schedule().await?;
    let request = GetScheduleRequest {
        chain_id: params["chain_id"].as_str().unwrap_or_default().to_owned(),
        entropy: shown.parent.clone(),
        height: shown.height,
        active: shown.active.clone(),
        registered: shown.registered.clone(),
        parent_timestamp_ms: shown.parent_timestamp_ms,
        slots: Vec::new(),
        params: None,
    };
    let dealt = node.select(request).await?;
    let same = dealt.len() == shown.slots.len()
        && dealt.iter().zip(&shown.slots).all(|(a, b)| (a.slot, &a.node_id) == (b.slot, &b.node_id));
    check(same, format!("{}: selection deals the slots that the gateway shows", node.name), || {
        format!("{dealt:?} and {:?}", shown.slots)
    })
}

async fn same_winner(net: &Net) -> Outcome<(u64, String)> {
    wait::until("three mining statuses of one height with one winner", SAME_HEIGHT_S, async || {
        let mut all = Vec::new();
        for node in &net.nodes {
            let mining = node.mining().await?;
            check(mining.eligible, "", || format!("{} is not eligible", node.name))?;
            all.push((mining.next_height, mining.current_winner, node.status().await?.genesis_hash));
        }
        check(all.iter().all(|one| *one == all[0]), "", || format!("{all:?}"))?;
        net.by_id(&all[0].1)?;
        Ok((all[0].0, all[0].1.clone()))
    })
    .await
}

async fn nothing_changes_by_up(net: &Net) -> Outcome {
    let facts = async || -> Outcome<_> {
        let containers = net.docker.containers().await?;
        let mut facts = BTreeMap::new();
        for name in net.all_containers() {
            let container =
                containers.get(&name).ok_or_else(|| Failure::new(format!("a container {name}"), "none"))?;
            facts.insert(name, (container.id.clone(), container.state.started_at.clone()));
        }
        Ok(facts)
    };
    let (before, status) = (facts().await?, net.nodes[0].status().await?);
    net.docker.up_again().await?;
    let after = facts().await?;
    let changed: Vec<&String> = before.keys().filter(|name| before.get(*name) != after.get(*name)).collect();
    check(changed.is_empty(), "the same 15 containers, not restarted, after a second `up -d`", || {
        format!("changed: {changed:?}")
    })?;
    wait::until("init done again", SAME_HEIGHT_S, async || init_is_done(&net.docker.containers().await?))
        .await?;
    net.wait_height(&net.nodes[0], status.height + 2).await?;
    for node in &net.nodes {
        let now = node.status().await?;
        let same = now.genesis_hash == status.genesis_hash && now.node_id == node.id;
        check(same, "the same genesis and ids after a second `up -d`", || format!("{status:?} and {now:?}"))?;
    }
    net.say("a second `up -d` left all 15 and the genesis as they were, and the chain goes on");
    Ok(())
}
