//! What the played world is like.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use vision_host::files;
use vision_primitives::{
    ConsensusParams, Entropy, Finality, Genesis, GenesisProducer, Hash, Header, Height, NodeId, Pool,
    SecretKey, Tag, TimestampMs,
};
use vision_producer::create_signer_state;
use vision_wire::EventLog;
use vision_wire::chain::{Head, Producer};

use super::chain;

/// What the fake chain service does with the next blocks submitted.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Mood {
    /// Stores them.
    #[default]
    Good,
    /// Does not answer, and does not store.
    Dead,
    /// Stores, and the answer is lost.
    Mute,
    /// Says that the head moved.
    Moved,
}

/// A block of the fake chain.
#[derive(Clone)]
pub struct Stored {
    pub hash: Hash,
    pub header: Header,
    pub header_bytes: Vec<u8>,
    pub signature: Vec<u8>,
    pub transactions: Vec<Vec<u8>>,
}

/// What the world is like. Outlives the servers.
pub struct Facts {
    pub genesis: Genesis,
    pub genesis_hash: Hash,
    pub key: SecretKey,
    pub others: Vec<NodeId>,
    pub clock: vision_host::Clock,
    pub heads: EventLog<Head>,
    /// Header and signature of each stored block.
    pub stored: EventLog<(Vec<u8>, Vec<u8>)>,
    state: Mutex<State>,
}

pub struct State {
    /// From height 1.
    pub blocks: Vec<Stored>,
    pub active: Vec<NodeId>,
    pub registered: Vec<NodeId>,
    pub records: Vec<Producer>,
    pub eligible: bool,
    pub snapshot_local_height: Option<u64>,
    pub mood: Mood,
    /// Bodies of prepared blocks.
    pub prepared: BTreeMap<Hash, Vec<Vec<u8>>>,
    /// Submissions that carried a body.
    pub bodies_sent: usize,
    /// What the next prepared block carries.
    pub waiting: Vec<Vec<u8>>,
    /// Changes a prepared header before it is given out.
    pub bend: Option<fn(&mut Header)>,
    /// No block is prepared above this height.
    pub last_height: u64,
    /// Snapshots given out.
    pub snapshots: usize,
    /// What the producer service last said of itself.
    pub reported: Option<String>,
    pub other_genesis: bool,
    /// Every block that came with a valid signature, by parent.
    pub signed: BTreeMap<Hash, Vec<Hash>>,
    pub proofs: Vec<Vec<u8>>,
    pub schedules_asked: usize,
    pub pools_asked: usize,
    pub submitted: usize,
    /// Most blocks of a page.
    pub page_blocks: u32,
    pub pages_asked: usize,
}

impl Facts {
    /// A chain with these parameters, this node and some others.
    pub fn new(params: ConsensusParams, others: u8) -> Arc<Self> {
        let key = SecretKey::from_seed(&[7; 32]);
        let mut keys = vec![key.public_key()];
        keys.extend((0..others).map(|i| SecretKey::from_seed(&[100 + i; 32]).public_key()));
        keys.sort();
        let clock = vision_host::Clock::system(0);
        let genesis = Genesis {
            chain_id: "producer-test".into(),
            time_ms: TimestampMs(clock.now_ms()),
            producers: keys.iter().map(|k| GenesisProducer { public_key: *k, payout: k.id() }).collect(),
            accounts: Vec::new(),
            params,
            entropy: Entropy::PrevHash,
            finality: Finality::Cft,
        };
        let ids: Vec<NodeId> = keys.iter().map(|key| key.id()).collect();
        let me = key.public_key().id();
        let state = State {
            blocks: Vec::new(),
            active: ids.clone(),
            registered: ids.clone(),
            records: Vec::new(),
            eligible: true,
            snapshot_local_height: None,
            mood: Mood::Good,
            prepared: BTreeMap::new(),
            bodies_sent: 0,
            waiting: Vec::new(),
            bend: None,
            last_height: u64::MAX,
            snapshots: 0,
            reported: None,
            other_genesis: false,
            signed: BTreeMap::new(),
            proofs: Vec::new(),
            schedules_asked: 0,
            pools_asked: 0,
            submitted: 0,
            page_blocks: 500,
            pages_asked: 0,
        };
        let others = ids.into_iter().filter(|id| *id != me).collect();
        let genesis_hash = genesis.hash();
        let heads = EventLog::new(clock.now_ms(), 256);
        let stored = EventLog::new(clock.now_ms(), 256);
        stored.publish(Default::default());
        let state = Mutex::new(state);
        let facts = Arc::new(Self { genesis, genesis_hash, key, others, clock, heads, stored, state });
        facts.announce();
        facts
    }

    pub fn me(&self) -> NodeId {
        self.key.public_key().id()
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    pub fn height(&self) -> u64 {
        self.state().blocks.len() as u64
    }

    pub fn head(&self) -> Head {
        let state = self.state();
        let root = |ids: &[NodeId]| Pool::new(ids.iter().copied()).root().to_string();
        let (pool_root, registered_root) = (root(&state.active), root(&state.registered));
        let base = match state.blocks.last() {
            None => Head {
                hash: self.genesis_hash.to_string(),
                parent: Hash::ZERO.to_string(),
                timestamp_ms: self.genesis.time_ms.get(),
                ..Head::default()
            },
            Some(block) => Head {
                height: block.header.height.get(),
                hash: block.hash.to_string(),
                parent: block.header.parent.to_string(),
                timestamp_ms: block.header.timestamp_ms.get(),
                slot: block.header.slot.get(),
                producer: block.header.producer.to_string(),
                ..Head::default()
            },
        };
        Head { entropy: base.hash.clone(), pool_root, registered_root, ..base }
    }

    /// Sends the head to the watchers.
    pub fn announce(&self) {
        self.heads.publish(self.head());
    }

    /// Another producer makes a block.
    pub fn foreign_block(&self) {
        self.foreign_block_by(self.others.first().copied().unwrap_or(Hash([9; 32])));
    }

    pub fn foreign_block_by(&self, producer: NodeId) {
        let header = self.foreign_header(producer);
        self.store(header, Vec::new());
    }

    fn foreign_header(&self, producer: NodeId) -> Header {
        chain::header(&self.head(), 0, producer, TimestampMs(self.clock.now_ms()), &[])
    }

    /// A block beside the head's chain, signed with this key by somebody else.
    pub fn foreign_sibling(&self) -> Header {
        self.foreign_sibling_at(self.height() + 1)
    }

    pub fn foreign_sibling_at(&self, height: u64) -> Header {
        static SIBLINGS: AtomicU64 = AtomicU64::new(1);
        let mut header = self.foreign_header(self.me());
        header.height = Height(height);
        // Two for one height differ.
        header.weight = SIBLINGS.fetch_add(1, Ordering::Relaxed);
        header.state_root = Hash([8; 32]);
        let signature = self.sign(&header);
        self.stored.publish((header.to_bytes(), signature));
        header
    }

    /// A block said to be by this producer, whose signature is not its.
    pub fn forged_block_by(&self, producer: NodeId) {
        let header = self.foreign_header(producer);
        let other = SecretKey::from_seed(&[200; 32]);
        let hash = Header::hash_bytes(&self.genesis_hash, &header.to_bytes());
        let signature = other.sign(Tag::Block, &self.genesis_hash, hash.as_bytes());
        self.store_signed(header, Vec::new(), signature.0.to_vec());
    }

    fn sign(&self, header: &Header) -> Vec<u8> {
        let hash = Header::hash_bytes(&self.genesis_hash, &header.to_bytes());
        self.key.sign(Tag::Block, &self.genesis_hash, hash.as_bytes()).0.to_vec()
    }

    /// Appends a block and reports it; signed if it is this node's.
    pub fn store(&self, header: Header, transactions: Vec<Vec<u8>>) {
        let signature = if header.producer == self.me() { self.sign(&header) } else { vec![0; 64] };
        self.store_signed(header, transactions, signature);
    }

    pub fn store_signed(&self, header: Header, transactions: Vec<Vec<u8>>, signature: Vec<u8>) {
        let header_bytes = header.to_bytes();
        let hash = Header::hash_bytes(&self.genesis_hash, &header_bytes);
        self.stored.publish((header_bytes.clone(), signature.clone()));
        self.state().blocks.push(Stored { hash, header, header_bytes, signature, transactions });
        self.announce();
    }

    /// No parent has two signed blocks.
    pub fn assert_never_two(&self) {
        for (parent, blocks) in &self.state().signed {
            assert!(blocks.windows(2).all(|pair| pair[0] == pair[1]), "two blocks for {parent}: {blocks:?}");
        }
    }

    /// A home of this node, with claims never used.
    pub fn home(&self) -> tempfile::TempDir {
        let home = tempfile::tempdir().unwrap();
        self.fill(home.path());
        home
    }

    pub fn fill(&self, home: &Path) {
        std::fs::write(home.join("genesis.json"), self.genesis.to_json()).unwrap();
        let key = self.key.to_secret_hex();
        files::write_secret_new(&home.join("producer.key"), key.as_bytes()).unwrap();
        create_signer_state(home).unwrap();
    }
}

/// As fast as it goes.
pub fn fast() -> ConsensusParams {
    ConsensusParams {
        block_interval_ms: 0,
        claim_timeout_ms: 200,
        jitter_min_ms: 0,
        jitter_max_ms: 1,
        ..ConsensusParams::default()
    }
}
