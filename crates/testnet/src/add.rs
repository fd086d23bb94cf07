//! `vision testnet add`: one more node for a network that exists, not yet a producer.

use std::fs;

use vision_host::shell::word;
use vision_primitives::Genesis;

use super::config::Neighbours;
use super::homes::{self, NodeKeys};
use super::layout::{Facts, Layout, NodeFacts};
use super::ports::BasePorts;
use super::same;
use crate::NewClaims;
use crate::args::{DirArgs, PortArgs, Profile};
use vision_terminal::exit::{Failure, Outcome};
use vision_terminal::keys::random_key;
use vision_terminal::output::{self, Format, properties};
use vision_terminal::url::node_flag;

/// Makes the home of one more node, and notes it in `testnet.json`.
pub(crate) fn run(args: &DirArgs, new_claims: NewClaims, format: Format) -> Outcome {
    let layout = Layout::new(&args.dir)?;
    let (mut made, mut other) = (None, None);
    Facts::update(&layout, |facts| {
        let node = make(&layout, facts, new_claims)?;
        other = facts.nodes.first().map(|node| node.urls.rest.clone());
        facts.nodes.push(node.clone());
        made = Some(node);
        Ok(())
    })?;
    let Some(node) = made else { return Ok(()) };
    match format {
        Format::Json => output::json(&serde_json::to_value(&node).unwrap_or_default())?,
        Format::Table => output::write(&properties(&[
            ("node", node.name.clone()),
            ("id", node.id.clone()),
            ("home", node.home.display().to_string()),
        ]))?,
    }
    eprintln!(
        "start it with: {}\nmake it a producer with: vision tx register --key ACCOUNT.key --producer-key \
        {}{}",
        layout.command(&format!("start {}", node.name)),
        word(node.home.join("producer.key")),
        other.map_or_else(String::new, |url: String| node_flag(&url)),
    );
    Ok(())
}

fn make(layout: &Layout, facts: &Facts, new_claims: NewClaims) -> Outcome<NodeFacts> {
    if facts.profile != Profile::Local {
        return Err(same::other(
            layout,
            facts.profile,
            "was not created for this machine's loopback; a node cannot be added here",
        ));
    }
    let (Some(first), count) = (facts.nodes.first(), facts.nodes.len()) else {
        return Err(Failure::failed("the network has no node"));
    };
    if count >= homes::MAX_NODES {
        return Err(Failure::refused(format!("a test network has at most {} nodes", homes::MAX_NODES)));
    }
    let file = layout.genesis();
    let text = fs::read_to_string(&file).map_err(|error| Failure::io("read", &file, &error))?;
    let genesis = Genesis::from_json(&text)
        .map_err(|error| Failure::failed(format!("{}: {error}; restore the file", file.display())))?;
    let taken: Vec<_> = facts.nodes.iter().map(|node| node.ports.clone()).collect();
    let ports = BasePorts::over(&PortArgs::default(), &first.ports).one_more(&taken)?;
    let name = format!("node{}", count + 1);
    let keys = NodeKeys { producer: random_key()?, peer: random_key()? };
    let known = facts.nodes.iter().map(|node| (node.name.clone(), node.ports.clone()));
    let neighbours = Neighbours::new(facts.profile, known.chain([(name.clone(), ports.clone())]).collect());
    // What an interrupted attempt has left is of no node of the network.
    homes::clear_unused(&layout.home(&name))?;
    homes::make(layout.dir(), facts.profile, &neighbours, count, &keys, &genesis, new_claims)?;
    Ok(NodeFacts::new(layout, &name, &keys.producer.public_key(), &ports))
}
