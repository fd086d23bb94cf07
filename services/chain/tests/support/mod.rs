//! Chain services in this process, on free ports, with all producers' keys at hand.
#![allow(dead_code)] // every test file uses a part of it

pub mod adversary;
pub mod apart;
pub mod follower;
pub mod transactions;

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::path::Path;
use std::time::Duration;

use tempfile::TempDir;
use tokio::task::JoinHandle;
use tonic::transport::Channel;
use vision_host::{Drain, Env};
use vision_primitives::{
    ConsensusParams, Entropy, Finality, Genesis, GenesisAccount, GenesisProducer, Hash, Height, NodeId,
    SecretKey, Slot, Tag, TimestampMs,
};
use vision_schedule::{Schedule, SlotTiming, epoch_salt, seed};
use vision_wire::chain::chain_service_client::ChainServiceClient;
use vision_wire::chain::{self as proto};

pub type Client = ChainServiceClient<Channel>;

/// A chain whose blocks may follow each other at once.
pub struct Net {
    pub genesis: Genesis,
    pub keys: BTreeMap<NodeId, SecretKey>,
    /// Keys of further accounts that hold a balance.
    pub senders: Vec<SecretKey>,
}

/// How many further accounts there are.
const SENDERS: u8 = 16;

impl Net {
    pub fn new(producers: u8) -> Self {
        let keys: BTreeMap<NodeId, SecretKey> = (1..=producers)
            .map(|seed| SecretKey::from_seed(&[seed; 32]))
            .map(|key| (key.public_key().id(), key))
            .collect();
        let mut list: Vec<_> = keys
            .values()
            .map(|key| GenesisProducer { public_key: key.public_key(), payout: key.public_key().id() })
            .collect();
        list.sort_by_key(|producer| producer.public_key);
        let senders: Vec<_> = (0..SENDERS).map(|number| SecretKey::from_seed(&[100 + number; 32])).collect();
        let sender_addresses = senders.iter().map(|key| key.public_key().id());
        let mut accounts: Vec<_> = keys
            .keys()
            .copied()
            .chain(sender_addresses)
            .map(|address| GenesisAccount { address, balance: 1_000_000 })
            .collect();
        accounts.sort_by_key(|account| account.address);
        let params = ConsensusParams {
            block_interval_ms: 0,
            jitter_min_ms: 0,
            jitter_max_ms: 1,
            ..ConsensusParams::default()
        };
        let genesis = Genesis {
            chain_id: "chain-tests".into(),
            time_ms: TimestampMs(1_700_000_000_000),
            producers: list,
            accounts,
            params,
            entropy: Entropy::PrevHash,
            finality: Finality::Cft,
        };
        genesis.check().expect("a good genesis");
        Self { genesis, keys, senders }
    }

    /// A home for the producer with this number.
    pub fn home(&self, number: usize) -> TempDir {
        let key = self.keys.values().nth(number).expect("as many keys as nodes");
        let home = tempfile::tempdir().expect("a temporary folder");
        write_home(home.path(), key, &self.genesis);
        home
    }
}

pub fn write_home(home: &Path, key: &SecretKey, genesis: &Genesis) {
    let peer_key = SecretKey::from_seed(&key.public_key().id().0);
    let certificate = key.sign(Tag::PeerKey, &genesis.hash(), &peer_key.public_key().0);
    let write = |name: &str, text: String| std::fs::write(home.join(name), text).expect("writable");
    write("genesis.json", genesis.to_json());
    write("node.pub", key.public_key().to_string());
    let secret = peer_key.to_secret_hex();
    // A home may be written anew, for another genesis.
    let _ = std::fs::remove_file(home.join("peer.key"));
    vision_host::files::write_secret_new(&home.join("peer.key"), secret.as_bytes()).expect("writable");
    write("peer.cert", certificate.to_string());
}

/// A copy of a home as a crash at this instant would leave it.
pub fn crashed(home: &Path) -> TempDir {
    let copy = tempfile::tempdir().expect("a temporary folder");
    let data = copy.path().join("data");
    std::fs::create_dir(&data).expect("writable");
    for name in ["genesis.json", "node.pub", "peer.key", "peer.cert", "data/chain.redb"] {
        std::fs::copy(home.join(name), copy.path().join(name)).expect("a copy");
    }
    copy
}

pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("a free port").port()
}

/// A running chain service.
pub struct Node {
    pub grpc: u16,
    pub p2p: u16,
    pub drain: Drain,
    pub ended: JoinHandle<Result<(), vision_chain::Error>>,
}

impl Node {
    pub fn start(home: &Path, seeds: &[u16]) -> Self {
        Self::start_on(home, free_port(), free_port(), seeds)
    }

    pub fn start_on(home: &Path, grpc: u16, p2p: u16, seeds: &[u16]) -> Self {
        let seeds = seeds.iter().map(|port| format!("127.0.0.1:{port}")).collect();
        Self::start_as(
            home,
            grpc,
            p2p,
            vision_chain::Config {
                seeds,
                accept_addresses: vision_chain::Accepts::Any,
                ..Default::default()
            },
        )
    }

    /// With the bounds and seeds of a configuration.
    pub fn start_with(home: &Path, config: vision_chain::Config) -> Self {
        Self::start_as(home, free_port(), free_port(), config)
    }

    /// With a clock that is this much ahead.
    pub fn start_ahead(home: &Path, ahead_ms: i64) -> Self {
        let clock = vision_host::Clock::system(ahead_ms);
        Self::start_in(
            free_port(),
            free_port(),
            vision_chain::Config::default(),
            Env { clock, ..Env::new(home, "test") },
        )
    }

    /// With a name, and seeds, and a clock that is this much ahead.
    pub fn start_named(home: &Path, name: &str, seeds: &[u16], ahead_ms: i64) -> Self {
        let seeds = seeds.iter().map(|port| format!("127.0.0.1:{port}")).collect();
        let accept_addresses = vision_chain::Accepts::Any;
        let config = vision_chain::Config { seeds, accept_addresses, ..Default::default() };
        let clock = vision_host::Clock::system(ahead_ms);
        let env = Env { clock, name: Some(name.into()), ..Env::new(home, "test") };
        Self::start_in(free_port(), free_port(), config, env)
    }

    fn start_as(home: &Path, grpc: u16, p2p: u16, config: vision_chain::Config) -> Self {
        Self::start_in(grpc, p2p, config, Env::new(home, "test"))
    }

    fn start_in(grpc: u16, p2p: u16, config: vision_chain::Config, env: Env) -> Self {
        let config = vision_chain::Config {
            grpc_listen: ([127, 0, 0, 1], grpc).into(),
            p2p_listen: ([127, 0, 0, 1], p2p).into(),
            // All nodes of a test share one address.
            max_connections_per_address: 512,
            ..config
        };
        let drain = Drain::new();
        let env = Env { drain: drain.clone(), ..env };
        let ended = tokio::spawn(vision_chain::serve(config, env));
        Self { grpc, p2p, drain, ended }
    }

    /// A client, once the service answers.
    pub async fn client(&self) -> Client {
        let channel = vision_wire::connect_lazy(&format!("http://127.0.0.1:{}", self.grpc)).expect("a URL");
        let mut client = ChainServiceClient::new(channel);
        for _ in 0..200 {
            if client.get_head(proto::GetHeadRequest {}).await.is_ok() {
                return client;
            }
            assert!(!self.ended.is_finished(), "the service ended");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("the service does not answer");
    }

    pub async fn stop(self) {
        self.drain.begin();
        let ended = tokio::time::timeout(Duration::from_secs(20), self.ended).await;
        ended.expect("stops in time").expect("no panic").expect("no error");
    }
}

pub async fn head(client: &mut Client) -> proto::Head {
    client.get_head(proto::GetHeadRequest {}).await.expect("a head").into_inner().head.expect("a head")
}

/// A node's peers.
pub async fn peers(client: &mut Client) -> Vec<proto::Peer> {
    client.list_peers(proto::ListPeersRequest {}).await.expect("peers").into_inner().peers
}

/// Waits until a condition holds.
pub async fn wait_until<F: Future<Output = bool>>(what: &str, mut holds: impl FnMut() -> F) {
    // What takes longest needs two rounds of the addresses that go out every ten seconds.
    for _ in 0..1200 {
        if holds().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("did not come about in 60 s: {what}");
}

pub async fn wait_for_head(client: &mut Client, hash: &str) {
    for _ in 0..1200 {
        if head(client).await.hash == hash {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the head is not {hash} after 60 s");
}

/// Submits `per_sender` transfers of every sender, whose next nonce is `nonce`.
pub async fn submit_transfers(net: &Net, client: &mut Client, nonce: u64, per_sender: u64) {
    use vision_primitives::{Action, Transaction};
    for (number, key) in net.senders.iter().enumerate() {
        for offset in 0..per_sender {
            let to = net.senders[(number + 1) % net.senders.len()].public_key().id();
            let transaction = Transaction {
                sender: key.public_key(),
                nonce: nonce + offset,
                fee: 1,
                action: Action::Transfer { to, amount: 1 },
            };
            let transaction = transaction.sign(key, &net.genesis.hash()).bytes().to_vec().into();
            let request = proto::SubmitTransactionRequest { transaction, wait: false };
            client.submit_transaction(request).await.expect("taken");
        }
    }
}

/// The schedule on a head, from the pools the service reports.
pub async fn schedule(net: &Net, client: &mut Client, head: &proto::Head) -> Schedule {
    use vision_primitives::Pool;
    let pools =
        client.get_producers(proto::GetProducersRequest::default()).await.expect("pools").into_inner();
    let id = |text: &String| text.parse::<Hash>().expect("an id");
    let active = Pool::new(pools.active.iter().map(id));
    let registered = Pool::new(pools.registered.iter().map(|producer| id(&producer.node_id)));
    let salt = epoch_salt(&net.genesis.chain_id);
    let parent: Hash = head.hash.parse().expect("a hash");
    let seed = seed(&parent, Height(head.height + 1), &salt);
    let timing = SlotTiming::from(&net.genesis.params);
    Schedule::new(seed, active, registered, TimestampMs(head.timestamp_ms), timing).expect("a schedule")
}

/// The first slot, from a number on, that a producer owns on a node's head.
pub async fn slot_of(net: &Net, client: &mut Client, maker: &NodeId, from: u64) -> u64 {
    let head = head(client).await;
    let schedule = schedule(net, client, &head).await;
    (from..from + 100).find(|slot| schedule.owner(Slot(*slot)) == *maker).expect("a slot")
}

/// Has the owner of a slot make the next block on a node's head.
pub async fn produce(net: &Net, client: &mut Client, slot: u64) -> proto::SubmitBlockResponse {
    let head = head(client).await;
    let window = schedule(net, client, &head).await.window(Slot(slot));
    let prepared = client
        .prepare_block(proto::PrepareBlockRequest {
            parent: head.hash,
            slot,
            producer: window.owner.to_string(),
            timestamp_ms: window.opens_at.get(),
        })
        .await
        .expect("prepared")
        .into_inner();
    let hash: Hash = prepared.hash.parse().expect("a hash");
    let signature = net.keys[&window.owner].sign(Tag::Block, &net.genesis.hash(), hash.as_bytes());
    let submit = proto::SubmitBlockRequest {
        header: prepared.header,
        signature: signature.0.to_vec().into(),
        transactions: prepared.transactions,
    };
    client.submit_block(submit).await.expect("stored").into_inner()
}
