//! The homes of the nodes, and the accounts that pay.

use std::fs;
use std::path::{Path, PathBuf};

use vision_primitives::{
    ConsensusParams, Entropy, Finality, Genesis, GenesisAccount, GenesisProducer, Hash, SecretKey, Tag,
    TimestampMs, hash,
};

/// When the simulation begins, milliseconds since the Unix epoch.
pub const START_MS: u64 = 1_700_000_000_000;
/// Nodes.
pub const NODES: usize = 3;
/// Accounts that pay.
const PAYERS: usize = 6;
const BALANCE: u64 = 1_000_000_000;

/// What all nodes share.
pub struct Network {
    pub genesis: Genesis,
    pub genesis_hash: Hash,
    producers: Vec<SecretKey>,
    pub payers: Vec<SecretKey>,
}

/// What others call a node.
pub fn name(node: usize) -> String {
    format!("node{node}")
}

fn key(seed: u64, what: &str, number: usize) -> SecretKey {
    let number = (number as u64).to_le_bytes();
    SecretKey::from_seed(hash(&[b"simulated", &seed.to_le_bytes(), what.as_bytes(), &number]).as_bytes())
}

impl Network {
    /// The network of a seed.
    pub fn new(seed: u64) -> Self {
        let mut producers: Vec<SecretKey> = (0..NODES).map(|node| key(seed, "node", node)).collect();
        producers.sort_by_key(SecretKey::public_key);
        let payers: Vec<SecretKey> = (0..PAYERS).map(|payer| key(seed, "payer", payer)).collect();
        let mut accounts: Vec<GenesisAccount> = payers
            .iter()
            .map(|payer| GenesisAccount { address: payer.public_key().id(), balance: BALANCE })
            .collect();
        accounts.sort_by_key(|account| account.address);
        let producer = |key: &SecretKey| {
            let public_key = key.public_key();
            GenesisProducer { public_key, payout: public_key.id() }
        };
        let genesis = Genesis {
            chain_id: "simulated".into(),
            time_ms: TimestampMs(START_MS),
            producers: producers.iter().map(producer).collect(),
            accounts,
            params: ConsensusParams {
                block_interval_ms: 300,
                claim_timeout_ms: 300,
                jitter_min_ms: 0,
                jitter_max_ms: 50,
                ..ConsensusParams::default()
            },
            entropy: Entropy::PrevHash,
            finality: Finality::Cft,
        };
        Self { genesis_hash: genesis.hash(), genesis, producers, payers }
    }

    /// Every account that there can be: payers pay each other, and producers get rewards.
    pub fn accounts(&self) -> Vec<Hash> {
        self.payers.iter().chain(&self.producers).map(|key| key.public_key().id()).collect()
    }

    /// Makes the home of a node, as `vision testnet init` does.
    pub fn make_home(&self, seed: u64, node: usize, home: &Path) {
        let write = |file: &str, text: String| fs::write(home.join(file), text).expect("written");
        let (producer, peer) = (&self.producers[node], key(seed, "peer", node));
        fs::create_dir_all(home.join("data")).expect("a folder");
        write("genesis.json", self.genesis.to_json());
        write("config.toml", config(node));
        write("node.pub", format!("{}\n", producer.public_key()));
        let certificate = producer.sign(Tag::PeerKey, &self.genesis_hash, &peer.public_key().0);
        write("peer.cert", format!("{certificate}\n"));
        write_secret(&home.join("peer.key"), &peer);
        write_secret(&home.join("producer.key"), producer);
        vision_producer::create_signer_state(home).expect("claims");
    }
}

fn write_secret(file: &Path, key: &SecretKey) {
    let text = format!("{}\n", &*key.to_secret_hex());
    vision_host::files::write_secret_new(file, text.as_bytes()).expect("written");
}

/// The services call each other on loopback, as in `vision node`; the witness calls from outside.
fn config(node: usize) -> String {
    let others = (0..NODES).filter(|other| *other != node);
    let seeds: Vec<String> = others.map(|other| format!("\"{}:7072\"", name(other))).collect();
    format!(
        "[chain]\n\
         grpc_listen = \"0.0.0.0:50051\"\n\
         p2p_listen = \"0.0.0.0:7072\"\n\
         p2p_advertise = \"{}:7072\"\n\
         seeds = [{}]\n\
         accept_addresses = \"any\"\n\
         [sync_oracle]\n\
         grpc_listen = \"0.0.0.0:50052\"\n\
         snapshot_interval_ms = 300\n\
         [producer]\n\
         mining_tick_ms = 50\n",
        name(node),
        seeds.join(", ")
    )
}

/// What a node finds again when it starts after it was killed: everything that it has written.
pub struct Image(Vec<(PathBuf, Vec<u8>)>);

impl Image {
    /// The files of a home's data as they are now.
    pub fn take(home: &Path) -> Self {
        let entries = fs::read_dir(home.join("data")).expect("a folder");
        let paths = entries.map(|entry| entry.expect("a readable entry").path());
        Self(paths.map(|path| (path.clone(), fs::read(&path).expect("a file"))).collect())
    }

    /// Puts them back: whatever the services still wrote while they were taken down has not happened.
    pub fn put_back(self, home: &Path) {
        fs::remove_dir_all(home.join("data")).expect("a folder");
        fs::create_dir(home.join("data")).expect("a folder");
        self.0.into_iter().for_each(|(path, bytes)| fs::write(path, bytes).expect("written"));
    }

    /// The same without the chain's store.
    pub fn without_chain(mut self) -> Self {
        self.0.retain(|(path, _)| !path.ends_with("chain.redb"));
        self
    }
}
