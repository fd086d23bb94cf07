//! Makes a test network: keys, genesis, one home per node, funded accounts.

use std::fs::{self, DirBuilder};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;

use vision_primitives::{
    ConsensusParams, Entropy, Finality, Genesis, GenesisAccount, GenesisProducer, Hash, SecretKey, Tag,
    TimestampMs, hash,
};

use super::config::Neighbours;
use super::layout::{Facts, Layout, NodeFacts, Urls};
use super::ports::{BasePorts, NodePorts};
use crate::cli::{GenesisArgs, Profile};
use crate::exit::{Failure, Outcome};
use crate::keys::{random_key, write_secret};

/// Funded accounts of a new network.
const ACCOUNTS: usize = 10;
/// What each of them has.
const ACCOUNT_BALANCE: u64 = 1_000_000_000;
/// Where everything is made before it is moved into place.
const MAKING_DIR: &str = ".making";

/// What a new network shall be.
#[derive(Clone, Debug)]
pub struct Plan {
    /// How many nodes.
    pub nodes: u16,
    /// Name of the chain.
    pub chain_id: String,
    /// Parameters of the genesis.
    pub genesis: GenesisArgs,
    /// Text to derive all keys from.
    pub seed: Option<String>,
    /// Where the nodes will run.
    pub profile: Profile,
    /// Time stamp of block 0.
    pub genesis_time_ms: u64,
    /// Ports of node 1.
    pub ports: BasePorts,
}

/// The keys of one node.
struct NodeKeys {
    producer: SecretKey,
    peer: SecretKey,
}

/// Makes the network, or nothing at all.
pub fn make(layout: &Layout, plan: &Plan) -> Outcome<Facts> {
    let ports = plan.ports.assign(plan.nodes)?;
    let (nodes, accounts) = keys(plan)?;
    let genesis = genesis(plan, &nodes, &accounts)?;
    refuse_existing(layout)?;
    let making = layout.dir().join(MAKING_DIR);
    let made = fill(layout, &making, plan, &ports, &nodes, &accounts, &genesis);
    if made.is_err() {
        // What was made is of no use to anybody; the error that is told is the first one.
        drop(fs::remove_dir_all(&making));
    }
    made
}

fn refuse_existing(layout: &Layout) -> Outcome {
    let taken = ["genesis.json", "testnet.json", "accounts", "node1"];
    match taken.iter().find(|name| layout.dir().join(name).exists()) {
        None => Ok(()),
        Some(name) => Err(Failure::refused(format!(
            "{} exists and is never overwritten; run it with `vision testnet up --dir {dir}`, remove {dir} \
             or choose another --dir",
            layout.dir().join(name).display(),
            dir = layout.dir().display()
        ))),
    }
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
    let accounts = (1..=ACCOUNTS).map(|i| key(format!("account{i}"))).collect::<Outcome<Vec<_>>>()?;
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
pub fn parameters(args: &GenesisArgs) -> Outcome<(ConsensusParams, Finality)> {
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
                .map_err(|_| Failure::usage(format!("--param {param:?}: allowed are cft and bft")))?;
            continue;
        }
        if !values.contains_key(name) {
            let known: Vec<&str> = values.keys().map(String::as_str).collect();
            return Err(Failure::usage(format!(
                "--param {param:?}: no such parameter; there are finality, {}",
                known.join(", ")
            )));
        }
        values.insert(name.into(), value.parse::<u64>().map_err(|_| form())?.into());
    }
    let params: ConsensusParams = serde_json::from_value(values.into())
        .map_err(|error| Failure::usage(format!("the parameters do not fit together: {error}")))?;
    params.check().map_err(|error| Failure::usage(error.to_string()))?;
    Ok((params, finality))
}

fn fill(
    layout: &Layout,
    making: &Path,
    plan: &Plan,
    ports: &[NodePorts],
    nodes: &[NodeKeys],
    accounts: &[SecretKey],
    genesis: &Genesis,
) -> Outcome<Facts> {
    drop(fs::remove_dir_all(making));
    private_dir(making)?;
    let names: Vec<String> = (1..=nodes.len()).map(|i| format!("node{i}")).collect();
    let neighbours =
        Neighbours::new(plan.profile, names.iter().cloned().zip(ports.iter().cloned()).collect());
    let genesis_hash = genesis.hash();
    for (index, (name, keys)) in names.iter().zip(nodes).enumerate() {
        make_home(&making.join(name), &neighbours.config(index), keys, genesis, &genesis_hash)?;
    }
    private_dir(&making.join("accounts"))?;
    for (index, key) in accounts.iter().enumerate() {
        write_secret(&making.join(format!("accounts/account{}.key", index + 1)), key)?;
    }
    write(&making.join("genesis.json"), &genesis.to_json())?;
    let facts = Facts {
        chain_id: genesis.chain_id.clone(),
        genesis_hash: genesis_hash.to_string(),
        block_interval_ms: genesis.params.block_interval_ms,
        profile: plan.profile,
        accounts_dir: layout.accounts(),
        nodes: names
            .iter()
            .zip(nodes)
            .zip(ports)
            .map(|((name, keys), ports)| NodeFacts {
                name: name.clone(),
                id: keys.producer.public_key().id().to_string(),
                public_key: keys.producer.public_key().to_string(),
                home: layout.home(name),
                log: layout.log(name),
                pid: None,
                ports: ports.clone(),
                urls: Urls::new(ports),
            })
            .collect(),
    };
    for name in names.iter().map(String::as_str).chain(["accounts", "genesis.json"]) {
        let to = layout.dir().join(name);
        fs::rename(making.join(name), &to).map_err(|error| Failure::io("make", &to, &error))?;
    }
    fs::remove_dir(making).map_err(|error| Failure::io("remove", making, &error))?;
    facts.save(layout)?;
    Ok(facts)
}

fn make_home(home: &Path, config: &str, keys: &NodeKeys, genesis: &Genesis, hash: &Hash) -> Outcome {
    private_dir(home)?;
    private_dir(&home.join("data"))?;
    let certificate = keys.producer.sign(Tag::PeerKey, hash, &keys.peer.public_key().0);
    write(&home.join("config.toml"), config)?;
    write(&home.join("genesis.json"), &genesis.to_json())?;
    write(&home.join("node.pub"), &format!("{}\n", keys.producer.public_key()))?;
    write_secret(&home.join("producer.key"), &keys.producer)?;
    write_secret(&home.join("peer.key"), &keys.peer)?;
    write(&home.join("peer.cert"), &format!("{certificate}\n"))?;
    crate::service::create_claims(home)
}

fn private_dir(path: &Path) -> Outcome {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.map_err(|error| Failure::io("make", path, &error))
}

fn write(path: &Path, text: &str) -> Outcome {
    fs::write(path, text).map_err(|error| Failure::io("write", path, &error))
}

#[cfg(test)]
#[path = "init_tests.rs"]
mod tests;
