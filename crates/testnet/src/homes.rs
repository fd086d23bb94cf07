//! The homes of a new network's nodes: which file lies where, written, cleared away and checked.

use std::fs::{self, DirBuilder};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use vision_host::files;
use vision_primitives::{Genesis, Hash, SecretKey};

use super::config::Neighbours;
use super::layout::{Facts, NodeFacts};
use crate::NewClaims;
use crate::args::Profile;
use vision_terminal::exit::{Failure, Outcome};
use vision_terminal::keys::{peer, read_secret, write_secret};
use vision_terminal::service::Service;

/// Most nodes of a network.
pub(crate) const MAX_NODES: usize = 100;

/// The keys of one node.
pub(crate) struct NodeKeys {
    /// Signs blocks.
    pub producer: SecretKey,
    /// Proves to other nodes who is calling.
    pub peer: SecretKey,
}

/// A directory that some services of a node have as their home.
pub(crate) struct Home {
    /// Below the directory of the network.
    pub path: PathBuf,
    /// The services.
    pub services: &'static [Service],
}

impl Home {
    fn is_of(&self, service: Service) -> bool {
        self.services.contains(&service)
    }
}

/// The homes of a node. In containers the keys lie apart: each container sees its own files only.
pub(crate) fn homes(profile: Profile, node: &str) -> Vec<Home> {
    use Service::{Chain, Gateway, Producer, Selection, SyncOracle};
    match profile {
        Profile::Local | Profile::Kubernetes => vec![Home { path: node.into(), services: &Service::ALL }],
        Profile::Compose => vec![
            Home { path: format!("{node}/chain").into(), services: &[Chain] },
            Home { path: format!("{node}/producer").into(), services: &[Producer] },
            Home { path: format!("{node}/config").into(), services: &[SyncOracle, Selection, Gateway] },
        ],
    }
}

/// Everything that may lie in a home after an interrupted attempt. Never what a running node writes.
const MADE: [&str; 8] = [
    "config.toml",
    "genesis.json",
    "node.pub",
    "peer.key",
    "peer.cert",
    "producer.key",
    "data/claims.redb",
    "data/claims.redb.new",
];
/// What only a node that has run leaves behind.
const CHAIN_STORE: &str = "data/chain.redb";

/// Writes all homes of one node.
pub(crate) fn make(
    dir: &Path,
    profile: Profile,
    neighbours: &Neighbours,
    index: usize,
    keys: &NodeKeys,
    genesis: &Genesis,
    new_claims: NewClaims,
) -> Outcome {
    for home in homes(profile, neighbours.name(index)) {
        let path = dir.join(&home.path);
        make_home(
            &path,
            &home,
            &neighbours.config(index, home.services),
            profile,
            keys,
            genesis,
            new_claims,
        )?;
    }
    Ok(())
}

fn make_home(
    path: &Path,
    home: &Home,
    config: &str,
    profile: Profile,
    keys: &NodeKeys,
    genesis: &Genesis,
    new_claims: NewClaims,
) -> Outcome {
    private_dir(path)?;
    write(&path.join("config.toml"), config)?;
    // Says in traces which node a service is of.
    write(&path.join("node.pub"), &format!("{}\n", keys.producer.public_key()))?;
    if home.is_of(Service::Chain) || home.is_of(Service::Producer) {
        write(&path.join("genesis.json"), &genesis.to_json())?;
    }
    if home.is_of(Service::Chain) {
        peer::write_both(path, &keys.producer, &keys.peer, genesis)?;
    }
    if home.is_of(Service::Producer) {
        write_secret(&path.join("producer.key"), &keys.producer)?;
        // In Kubernetes the claims begin on the volume that keeps them.
        if profile != Profile::Kubernetes {
            private_dir(&path.join("data"))?;
            new_claims(path)?;
        }
    }
    Ok(())
}

/// Makes a directory that only its owner may enter; one that exists stays as it is.
pub(crate) fn private_dir(path: &Path) -> Outcome {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.map_err(|error| Failure::io("create", path, &error))
}

/// Writes a file that is on disk at the return.
pub(crate) fn write(path: &Path, text: &str) -> Outcome {
    files::write_atomic(path, text.as_bytes()).map_err(|error| Failure::failed(error.to_string()))
}

/// The homes that could be in a directory, whatever was made there.
fn possible(dir: &Path) -> impl Iterator<Item = PathBuf> {
    let names = (1..=MAX_NODES).map(|i| format!("node{i}")).filter(|name| dir.join(name).is_dir());
    let dir = dir.to_owned();
    let both = |name: String| [Profile::Local, Profile::Compose].map(|profile| homes(profile, &name));
    names.flat_map(both).flatten().map(move |home| dir.join(home.path))
}

/// The first file of a home in this directory.
pub(crate) fn first_file(dir: &Path) -> Option<PathBuf> {
    let files = |home: PathBuf| MADE.iter().chain([&CHAIN_STORE]).map(move |name| home.join(name));
    possible(dir).flat_map(files).find(|file| file.exists())
}

/// Removes what an interrupted attempt has made, and the directories that are empty then.
pub(crate) fn clear(dir: &Path) -> Outcome {
    let homes: Vec<PathBuf> = possible(dir).collect();
    // Before anything is removed.
    homes.iter().try_for_each(|home| refuse_used(home))?;
    homes.iter().try_for_each(|home| clear_home(home))?;
    for index in 1..=MAX_NODES {
        drop(fs::remove_dir(dir.join(format!("node{index}"))));
    }
    Ok(())
}

/// Removes what an interrupted attempt has made of one home.
pub(crate) fn clear_unused(home: &Path) -> Outcome {
    refuse_used(home)?;
    clear_home(home)
}

fn refuse_used(home: &Path) -> Outcome {
    let store = home.join(CHAIN_STORE);
    if !store.exists() {
        return Ok(());
    }
    Err(Failure::refused(format!(
        "{} exists, so a node has run there, but testnet.json does not say of which network; restore that \
         file or remove the directory",
        store.display()
    )))
}

fn clear_home(home: &Path) -> Outcome {
    for name in MADE {
        remove(&home.join(name))?;
    }
    // Mount points and directories with other things in them stay.
    for folder in [home.join("data"), home.to_owned()] {
        drop(fs::remove_dir(folder));
    }
    Ok(())
}

/// Removes a file if it is there.
pub(crate) fn remove(path: &Path) -> Outcome {
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(Failure::io("remove", path, &error))
        }
        _ => Ok(()),
    }
}

/// Checks that every home holds what belongs to it: the keys that `testnet.json` names, the genesis of this
/// chain.
pub(crate) fn check(dir: &Path, facts: &Facts) -> Outcome {
    for node in &facts.nodes {
        for home in homes(facts.profile, &node.name) {
            let path = dir.join(&home.path);
            check_home(&path, &home, node, &facts.genesis_hash).map_err(|why| {
                Failure::refused(format!(
                    "{}: {why}; restore what was there, or remove the whole network and make a new one",
                    path.display()
                ))
            })?;
        }
    }
    Ok(())
}

fn check_home(path: &Path, home: &Home, node: &NodeFacts, genesis_hash: &str) -> Result<(), String> {
    let read = |name: &str| fs::read_to_string(path.join(name)).map_err(|error| format!("{name}: {error}"));
    read("config.toml")?;
    if home.is_of(Service::Chain) || home.is_of(Service::Producer) {
        let hash: Hash = Genesis::from_json(&read("genesis.json")?)
            .map_err(|error| format!("genesis.json: {error}"))?
            .hash();
        if hash.to_string() != genesis_hash {
            return Err("genesis.json belongs to another chain".into());
        }
    }
    if home.is_of(Service::Chain) && read("node.pub")?.trim() != node.public_key {
        return Err("node.pub belongs to another node".into());
    }
    if home.is_of(Service::Producer) {
        let key = read_secret(&path.join("producer.key")).map_err(|failure| failure.to_string())?;
        if key.public_key().to_string() != node.public_key {
            return Err("producer.key belongs to another node".into());
        }
    }
    Ok(())
}
