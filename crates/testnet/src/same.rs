//! A network is what it was made; flags that ask for another one are refused, not ignored.

use std::fmt::Display;

use vision_primitives::Genesis;

use super::homes;
use super::init::{Plan, parameters};
use super::layout::{Facts, Layout};
use crate::args::{GenesisArgs, Profile};
use vision_terminal::exit::{Failure, Outcome};
use vision_terminal::output;

/// The failure of asking for another network.
pub(crate) fn other(layout: &Layout, profile: Profile, what: impl Display) -> Failure {
    let dir = layout.dir().display();
    let way_out = match profile {
        Profile::Compose => {
            "leave the setting as it was, or remove the network first with `docker-compose down -v`"
        }
        Profile::Local | Profile::Kubernetes => "leave the flag out, or use another --dir",
    };
    Failure::refused(format!("the network in {dir} {what}; {way_out}"))
}

/// Checks that a network is what a plan asks for, and that nothing of it is missing.
pub(crate) fn check(layout: &Layout, facts: &Facts, plan: &Plan) -> Outcome {
    if facts.profile != plan.profile {
        return Err(other(layout, facts.profile, format_args!("was made with --profile {}", facts.profile)));
    }
    if facts.chain_id != plan.chain_id {
        return Err(other(layout, facts.profile, format_args!("has the chain id {}", facts.chain_id)));
    }
    check_genesis(layout, facts, Some(plan.nodes), &plan.genesis)?;
    homes::check(layout.dir(), facts)
}

/// Checks the number of nodes, if one is asked for, and the parameters that are named.
pub(crate) fn check_genesis(
    layout: &Layout,
    facts: &Facts,
    nodes: Option<u16>,
    args: &GenesisArgs,
) -> Outcome {
    let count = facts.nodes.len();
    if nodes.is_some_and(|nodes| usize::from(nodes) != count) {
        return Err(other(layout, facts.profile, format_args!("has {}", output::count(count, "node"))));
    }
    if args.block_interval_ms.is_none() && args.params.is_empty() {
        return Ok(());
    }
    let file = layout.genesis();
    let text = std::fs::read_to_string(&file).map_err(|error| Failure::io("read", &file, &error))?;
    let genesis = Genesis::from_json(&text)
        .map_err(|error| Failure::failed(format!("{}: {error}; restore the file", file.display())))?;
    // Only what the caller names is compared: the rest may have been set when the network was made.
    let (wanted, finality) = parameters(args)?;
    let named = |name: &str| {
        args.params.iter().any(|param| param.split('=').next() == Some(name))
            || (name == "block_interval_ms" && args.block_interval_ms.is_some())
    };
    if named("finality") && finality != genesis.finality {
        return Err(other(layout, facts.profile, "was made with another finality"));
    }
    let pairs = wanted.table().into_iter().zip(genesis.params.table());
    for ((name, want), (_, have)) in pairs {
        if named(name) && want != have {
            return Err(other(layout, facts.profile, format_args!("was made with {name} = {have}")));
        }
    }
    Ok(())
}
