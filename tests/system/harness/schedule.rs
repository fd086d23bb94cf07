//! The schedule once more, written after docs/protocol.md alone: what a stranger would compute from
//! the REST data. Shares nothing with the node but SHA3-256 and Ed25519.

use serde_json::Value;
use vision_primitives::{Hash, PublicKey, Signature, Tag, hash};

use super::node::Node;

/// The parameters a schedule needs.
pub struct Rules {
    chain_id: String,
    genesis_hash: Hash,
    genesis_time_ms: u64,
    block_interval_ms: u64,
    claim_timeout_ms: u64,
    main_slots: u64,
    jitter_min_ms: u64,
    jitter_max_ms: u64,
}

impl Rules {
    /// From `/api/chain/params`.
    pub fn of(node: &Node) -> Self {
        let params = node.json("/api/chain/params");
        let number = |name: &str| params[name].as_u64().unwrap_or_else(|| panic!("{name} in {params}"));
        Self {
            chain_id: params["chain_id"].as_str().expect("chain_id").into(),
            genesis_hash: parse(&params["genesis_hash"]),
            genesis_time_ms: number("genesis_time_ms"),
            block_interval_ms: number("block_interval_ms"),
            claim_timeout_ms: number("claim_timeout_ms"),
            main_slots: number("backup_slots") + 1,
            jitter_min_ms: number("jitter_min_ms"),
            jitter_max_ms: number("jitter_max_ms"),
        }
    }

    fn seed(&self, parent: &str, height: u64) -> Hash {
        let salt = hash(&[self.chain_id.as_bytes(), b"mining-epoch-v1"]);
        hash(&[parent.as_bytes(), &height.to_le_bytes(), salt.as_bytes()])
    }

    /// Start of a slot, without jitter.
    fn start(&self, parent_time_ms: u64, slot: u64) -> u64 {
        let (m, w) = (self.main_slots, self.claim_timeout_ms);
        parent_time_ms + self.block_interval_ms + w * slot.min(m) + 4 * w * slot.saturating_sub(m)
    }

    fn jitter(&self, seed: &Hash, id: &str) -> u64 {
        let range = self.jitter_max_ms - self.jitter_min_ms;
        first_u64(&hash(&[seed.as_bytes(), id.as_bytes()])) % range + self.jitter_min_ms
    }

    /// Who owns a slot.
    pub fn owner(&self, seed: &Hash, slot: u64, active: &[String], registered: &[String]) -> String {
        let main = slot < self.main_slots;
        let pool = if main && !active.is_empty() { active } else { registered };
        let (p, base) = if main { (slot, 0) } else { (slot - self.main_slots, self.main_slots) };
        let size = pool.len() as u64;
        let lap_begin = p - p % size;
        let mut lap = pool.to_vec();
        let mut owner = String::new();
        for q in lap_begin..=p {
            let at = q % size;
            let j = at + first_u64(&draw(seed, base + q)) % (size - at);
            lap.swap(index(at), index(j));
            owner = lap[index(at)].clone();
        }
        owner
    }
}

fn draw(seed: &Hash, k: u64) -> Hash {
    match k {
        0 => *seed,
        k => hash(&[seed.as_bytes(), format!("reroll{}", k - 1).as_bytes()]),
    }
}

fn first_u64(hash: &Hash) -> u64 {
    u64::from_le_bytes(hash.0[..8].try_into().expect("8 bytes"))
}

fn index(number: u64) -> usize {
    usize::try_from(number).expect("a small number")
}

fn parse(value: &Value) -> Hash {
    value.as_str().and_then(|text| text.parse().ok()).unwrap_or_else(|| panic!("a hash, not {value}"))
}

/// Ids of the active and of the registered pool after the block of a height, and the registry.
pub fn pools(node: &Node, height: u64) -> (Vec<String>, Vec<String>, Value) {
    let answer = node.json(&format!("/api/chain/producers?height={height}"));
    let text = |value: &Value| value.as_str().expect("an id").to_owned();
    let active: Vec<String> = answer["active"].as_array().expect("active").iter().map(text).collect();
    let registry = answer["registered"].clone();
    let registered: Vec<String> =
        registry.as_array().expect("registered").iter().map(|entry| text(&entry["node_id"])).collect();
    assert!(active.is_sorted() && registered.is_sorted(), "pools must be sorted at {height}");
    (active, registered, registry)
}

/// Checks that every block of a range of a node's chain is the one that the schedule allowed: its
/// header's bytes say what the JSON says, its hash is theirs, its producer owned the slot, stamped
/// within the window, and signed.
pub fn check_blocks(node: &Node, from: u64, to: u64) {
    assert!(from >= 1);
    let rules = Rules::of(node);
    let mut parent = node.block(from - 1).expect("the parent");
    for block in node.blocks(from, to) {
        check_block(node, &rules, &parent, &block);
        parent = block;
    }
}

fn check_block(node: &Node, rules: &Rules, parent: &Value, block: &Value) {
    let number = |name: &str| block[name].as_u64().unwrap_or_else(|| panic!("{name} in {block}"));
    let text = |name: &str| block[name].as_str().unwrap_or_else(|| panic!("{name} in {block}"));
    let (height, slot, stamp) = (number("height"), number("slot"), number("timestamp_ms"));
    let parent_hash = parent["hash"].as_str().expect("hash");
    let parent_stamp = match height {
        1 => rules.genesis_time_ms,
        _ => parent["timestamp_ms"].as_u64().expect("timestamp_ms"),
    };
    assert_eq!(text("parent"), parent_hash, "block {height}");
    let (active, registered, registry) = pools(node, height - 1);

    let seed = rules.seed(parent_hash, height);
    let owner = rules.owner(&seed, slot, &active, &registered);
    assert_eq!(text("producer"), owner, "owner of slot {slot} of height {height}");
    let opens = rules.start(parent_stamp, slot) + rules.jitter(&seed, &owner);
    let closes = rules.start(parent_stamp, slot + 1);
    assert!((opens..closes).contains(&stamp), "block {height}: {opens} <= {stamp} < {closes}");

    let weight = parent["weight"].as_u64().expect("weight") + rules.main_slots.saturating_sub(slot).max(1);
    assert_eq!(number("weight"), weight, "weight of block {height}");
    let ids: Vec<u8> = active.iter().flat_map(|id| hex::decode(id).expect("hex")).collect();
    assert_eq!(text("pool_root"), hash(&[&ids]).to_string(), "pool_root of block {height}");

    let header = hex::decode(text("header")).expect("hex");
    assert_eq!(header, canonical(block), "header bytes of block {height}");
    let expect = hash(&[b"vision/header/v1", rules.genesis_hash.as_bytes(), &header]);
    assert_eq!(text("hash"), expect.to_string(), "hash of block {height}");
    let key =
        registry.as_array().expect("registered").iter().find(|entry| entry["node_id"] == owner.as_str());
    let key: PublicKey =
        key.and_then(|entry| entry["public_key"].as_str()).expect("its key").parse().expect("a key");
    let signature = hex::decode(text("signature")).expect("hex");
    let signature = Signature::from_slice(&signature).expect("64 bytes");
    key.verify(Tag::Block, &rules.genesis_hash, expect.as_bytes(), &signature)
        .unwrap_or_else(|error| panic!("signature of block {height}: {error}"));
}

/// Borsh of the header, put together from the JSON fields.
fn canonical(block: &Value) -> Vec<u8> {
    let mut bytes = Vec::new();
    let number = |name: &str| block[name].as_u64().unwrap_or_else(|| panic!("{name}")).to_le_bytes();
    // Fields without a value are zero bytes; the JSON may leave them empty or null.
    let raw = |name: &str| match block[name].as_str() {
        None | Some("") => vec![0; 32],
        Some(text) => hex::decode(text).expect("hex"),
    };
    bytes.extend_from_slice(&number("version")[..2]);
    bytes.extend_from_slice(&number("height"));
    bytes.extend(raw("parent"));
    bytes.extend_from_slice(&number("timestamp_ms"));
    bytes.extend_from_slice(&number("slot"));
    for name in ["producer", "tx_root", "state_root", "pool_root"] {
        bytes.extend(raw(name));
    }
    bytes.extend_from_slice(&number("weight"));
    for name in ["certificate_hash", "reveal", "mix"] {
        bytes.extend(raw(name));
    }
    bytes
}
