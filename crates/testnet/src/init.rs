//! Makes a test network: keys, genesis, one home per node, funded accounts.

use std::fs;
use std::path::Path;

use vision_primitives::{
    ConsensusParams, Entropy, Finality, Genesis, GenesisAccount, GenesisProducer, SecretKey, TimestampMs,
    hash,
};
use zeroize::Zeroizing;

use super::config::Neighbours;
use super::homes::{self, NodeKeys, private_dir, write};
use super::layout::{Facts, Layout, NodeFacts};
use super::ports::{BasePorts, NodePorts};
use crate::NewClaims;
use crate::args::{GenesisArgs, Profile};
use vision_terminal::exit::{Failure, Outcome};
use vision_terminal::keys::{random_key, write_secret};
use vision_terminal::values::decimal;

/// Funded accounts of a new network.
const ACCOUNTS: usize = 10;
/// What each of them has.
const ACCOUNT_BALANCE: u64 = 1_000_000_000;

/// What a new network shall be.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// How many nodes.
    pub nodes: u16,
    /// Name of the chain.
    pub chain_id: String,
    /// Parameters of the genesis.
    pub genesis: GenesisArgs,
    /// Text to derive all keys from.
    pub seed: Option<Zeroizing<String>>,
    /// Where the nodes will run.
    pub profile: Profile,
    /// Time stamp of block 0.
    pub genesis_time_ms: u64,
    /// Ports of node 1.
    pub ports: BasePorts,
    /// The clone it belongs to: its directory on the host.
    pub clone: Option<String>,
    /// Creates the claims of a new key.
    pub new_claims: NewClaims,
}

/// Makes the network, or nothing at all: `testnet.json` comes into being last, and until then an attempt that
/// was interrupted is cleared away by the next.
pub(crate) fn make(layout: &Layout, plan: &Plan) -> Outcome<Facts> {
    let ports = plan.ports.assign(plan.nodes)?;
    let (nodes, accounts) = keys(plan)?;
    let genesis = genesis(plan, &nodes, &accounts)?;
    private_dir(layout.dir())?;
    let _lock = layout.lock()?;
    if layout.exists() {
        return Err(exists(layout, plan.profile, &layout.facts()));
    }
    if layout.is_half_made() {
        clear(layout)?;
    }
    let first = [layout.genesis(), layout.accounts()].into_iter().find(|path| path.exists());
    if let Some(first) = first.or_else(|| homes::first_file(layout.dir())) {
        return Err(exists(layout, plan.profile, &first));
    }
    layout.begin_making()?;
    let made = fill(layout, plan, &ports, &nodes, &accounts, &genesis);
    if made.is_err() {
        // What was made is of no use to anybody; the error that is reported is the first one.
        drop(clear(layout));
    }
    made
}

fn exists(layout: &Layout, profile: Profile, what: &Path) -> Failure {
    let dir = layout.dir().display();
    let way_out = match profile {
        Profile::Local => {
            format!("run it with `{}`, remove {dir} or choose another --dir", layout.command("up"))
        }
        Profile::Compose => {
            "check it with --if-missing, or remove the volumes with `docker-compose down -v`".into()
        }
        Profile::Kubernetes => format!(
            "choose another --dir, or, if nothing runs with these keys any more, remove what is not a \
             kustomization.yaml from {dir} and its node directories"
        ),
    };
    Failure::refused(format!("{} exists and is never overwritten; {way_out}", what.display()))
}

/// Removes what an interrupted attempt has made, its mark last.
fn clear(layout: &Layout) -> Outcome {
    homes::clear(layout.dir())?;
    homes::remove(&layout.genesis())?;
    match fs::remove_dir_all(layout.accounts()) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(Failure::io("remove", &layout.accounts(), &error));
        }
        _ => {}
    }
    layout.end_making()
}

/// Whether a chain's name marks it as one whose money is worth nothing: only there have accounts whose keys
/// lie about in files any.
pub(crate) fn is_test_net(chain_id: &str) -> bool {
    chain_id.contains("test") || chain_id.contains("dev")
}

fn keys(plan: &Plan) -> Outcome<(Vec<NodeKeys>, Vec<SecretKey>)> {
    let key = |label: String| match &plan.seed {
        None => random_key(),
        Some(seed) => {
            let length = (seed.len() as u64).to_le_bytes();
            let parts: [&[u8]; 4] = [b"vision/testnet-key/v1", &length, seed.as_bytes(), label.as_bytes()];
            Ok(SecretKey::from_seed(hash(&parts).as_bytes()))
        }
    };
    let nodes = (1..=plan.nodes).map(|i| {
        Ok(NodeKeys { producer: key(format!("node{i}/producer"))?, peer: key(format!("node{i}/peer"))? })
    });
    let nodes = nodes.collect::<Outcome<Vec<_>>>()?;
    let funded = if is_test_net(&plan.chain_id) { ACCOUNTS } else { 0 };
    let accounts = (1..=funded).map(|i| key(format!("account{i}"))).collect::<Outcome<Vec<_>>>()?;
    Ok((nodes, accounts))
}

fn genesis(plan: &Plan, nodes: &[NodeKeys], accounts: &[SecretKey]) -> Outcome<Genesis> {
    let (params, finality) = parameters(&plan.genesis)?;
    let mut producers: Vec<_> = nodes
        .iter()
        .map(|node| node.producer.public_key())
        .map(|public_key| GenesisProducer { public_key, payout: public_key.id() })
        .collect();
    producers.sort_by_key(|producer| producer.public_key);
    let mut accounts: Vec<_> = accounts
        .iter()
        .map(|key| GenesisAccount { address: key.public_key().id(), balance: ACCOUNT_BALANCE })
        .collect();
    accounts.sort_by_key(|account| account.address);
    let genesis = Genesis {
        chain_id: plan.chain_id.clone(),
        time_ms: TimestampMs(plan.genesis_time_ms),
        producers,
        accounts,
        params,
        entropy: Entropy::PrevHash,
        finality,
    };
    genesis.check().map_err(|error| Failure::usage(format!("the genesis would not be valid: {error}")))?;
    Ok(genesis)
}

/// The defaults with what the caller set.
pub(crate) fn parameters(args: &GenesisArgs) -> Outcome<(ConsensusParams, Finality)> {
    let defaults = serde_json::to_value(ConsensusParams::default()).unwrap_or_default();
    let mut values = defaults.as_object().cloned().unwrap_or_default();
    let mut finality = Finality::default();
    if let Some(ms) = args.block_interval_ms {
        values.insert("block_interval_ms".into(), ms.into());
    }
    for param in &args.params {
        let form = || Failure::usage(format!("--param {param:?} is not NAME=VALUE with a whole number"));
        let (name, value) = param.split_once('=').ok_or_else(form)?;
        if name == "finality" {
            finality = serde_json::from_value(value.into())
                .map_err(|_| Failure::usage(format!("--param {param:?} must be cft or bft")))?;
            continue;
        }
        if !values.contains_key(name) {
            let known: Vec<&str> = values.keys().map(String::as_str).collect();
            return Err(Failure::usage(format!(
                "--param {param:?}: no such parameter; there are finality, {}",
                known.join(", ")
            )));
        }
        values.insert(name.into(), decimal::<u64>(value).ok_or_else(form)?.into());
    }
    let params: ConsensusParams = serde_json::from_value(values.into())
        .map_err(|error| Failure::usage(format!("the parameters do not fit together: {error}")))?;
    params.check().map_err(|error| Failure::usage(error.to_string()))?;
    Ok((params, finality))
}

fn fill(
    layout: &Layout,
    plan: &Plan,
    ports: &[NodePorts],
    nodes: &[NodeKeys],
    accounts: &[SecretKey],
    genesis: &Genesis,
) -> Outcome<Facts> {
    let names: Vec<String> = (1..=nodes.len()).map(|i| format!("node{i}")).collect();
    let neighbours =
        Neighbours::new(plan.profile, names.iter().cloned().zip(ports.iter().cloned()).collect());
    for (index, keys) in nodes.iter().enumerate() {
        homes::make(layout.dir(), plan.profile, &neighbours, index, keys, genesis, plan.new_claims)?;
    }
    private_dir(&layout.accounts())?;
    for (index, key) in accounts.iter().enumerate() {
        write_secret(&layout.accounts().join(format!("account{}.key", index + 1)), key)?;
    }
    write(&layout.genesis(), &genesis.to_json())?;
    let node_facts = |((name, keys), ports): ((&String, &NodeKeys), &NodePorts)| {
        NodeFacts::new(layout, name, &keys.producer.public_key(), ports)
    };
    let facts = Facts {
        chain_id: genesis.chain_id.clone(),
        genesis_hash: genesis.hash().to_string(),
        block_interval_ms: genesis.params.block_interval_ms,
        profile: plan.profile,
        clone: plan.clone.clone(),
        accounts_dir: layout.accounts(),
        nodes: names.iter().zip(nodes).zip(ports).map(node_facts).collect(),
    };
    facts.save(layout)?;
    Ok(facts)
}

#[cfg(test)]
mod tests;
