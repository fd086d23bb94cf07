//! A chain of real blocks, and a node that reports it in JSON: the truth, or what a test makes of it.

use serde_json::{Map, Value, json};
use vision_block_tree::BlockTree;
use vision_ledger::{ProducerStatus, State};
use vision_primitives::{
    Action, Block, Entropy, Hash, Header, Height, SignedTransaction, Slot, Transaction, hash, merkle_root,
};

use super::range::Source;
use super::reported::{transaction_claims, transaction_facts};
use vision_terminal::exit::{Failure, Outcome};

pub use vision_test_blocks::{Net, genesis, key};

/// Blocks of a page: few, so that there are several.
const PAGE_BLOCKS: usize = 3;
/// Slots of the blocks from height 1 on.
const SLOTS: [u64; 8] = [0, 1, 0, 8, 1, 0, 2, 0];
/// Height of the block with transactions.
pub const FULL: u64 = 5;

/// The chain it knows.
pub struct World {
    pub net: Net,
    pub tree: BlockTree,
    pub blocks: Vec<Block>,
    states: Vec<State>,
}

pub fn world() -> World {
    let mut genesis = genesis(4);
    (genesis.params.max_block_txs, genesis.params.max_block_bytes) = (3, 4096);
    let net = Net::new(genesis);
    let mut tree = net.tree();
    let (mut blocks, mut states) = (Vec::new(), vec![tree.head().state().clone()]);
    for (height, slot) in (1..).zip(SLOTS) {
        let parent = tree.head().hash();
        let full = [net.transfer(1, 0, Hash([7; 32]), 5), data(&net, 2, 0, 3)];
        let candidates = if height == FULL { &full[..] } else { &[] };
        let block = net.block_at(&tree, &parent, slot, 5, candidates);
        net.add(&mut tree, &block, false);
        states.push(tree.head().state().clone());
        blocks.push(block);
    }
    World { net, tree, blocks, states }
}

pub fn data(net: &Net, from: u8, nonce: u64, bytes: usize) -> SignedTransaction {
    let action = Action::Data { bytes: vec![9; bytes] };
    let sender = key(from).public_key();
    Transaction { sender, nonce, fee: 1, action }.sign(&key(from), &net.rules.genesis_hash)
}

impl World {
    pub fn block(&self, height: u64) -> &Block {
        &self.blocks[usize::try_from(height).unwrap() - 1]
    }

    /// The full block with another header, signed again by whoever it names.
    pub fn with_header(&self, edit: impl FnOnce(&mut Header)) -> Block {
        let good = self.block(FULL);
        let mut header = good.header().clone();
        edit(&mut header);
        self.net.sign(header, good.transactions().to_vec())
    }

    /// The full block with another body, whose root is in the signed header.
    pub fn with_body(&self, transactions: Vec<SignedTransaction>) -> Block {
        let mut header = self.block(FULL).header().clone();
        let hashes: Vec<_> = transactions.iter().map(SignedTransaction::hash).collect();
        header.tx_root = merkle_root(&hashes);
        self.net.sign(header, transactions)
    }

    /// When the full block's slot may be used.
    pub fn window(&self, slot: u64) -> vision_schedule::SlotWindow {
        self.tree.schedule_on(&self.block(FULL).header().parent).unwrap().window(Slot(slot))
    }

    /// A node that reports the truth.
    pub fn node(&self) -> Node {
        let genesis_hash = self.net.rules.genesis_hash;
        let blocks = self.blocks.iter().map(|block| reported(block, &genesis_hash)).collect();
        let hashes = [genesis_hash].into_iter().chain(self.blocks.iter().map(Block::hash));
        let registries = (0..).zip(hashes.zip(&self.states));
        let registries = registries.map(|(height, (hash, state))| registry(height, hash, state)).collect();
        Node { params: params(self), blocks, registries, listed: Vec::new() }
    }

    /// A node that shows another block in the full one's place.
    pub fn node_with(&self, block: &Block) -> Node {
        let mut node = self.node();
        *node.full() = reported(block, &self.net.rules.genesis_hash);
        node
    }
}

/// What a gateway answers.
pub struct Node {
    pub params: Value,
    /// From height 1 on.
    pub blocks: Vec<Value>,
    /// After the block of each height, from 0 on.
    pub registries: Vec<Value>,
    /// What lists show of a height instead of its block.
    pub listed: Vec<(u64, Value)>,
}

impl Node {
    /// Its answer for the block with transactions.
    pub fn full(&mut self) -> &mut Value {
        &mut self.blocks[FULL as usize - 1]
    }

    /// Its answer for the registry that the full block is judged by.
    pub fn registry(&mut self) -> &mut Value {
        &mut self.registries[FULL as usize - 1]
    }

    fn answer(&self, path: &str) -> Option<Value> {
        let number = |text: &str| text.parse::<usize>().ok();
        if path == "/api/status" {
            return Some(json!({ "height": self.blocks.len() }));
        }
        if path == "/api/chain/params" {
            return Some(self.params.clone());
        }
        if let Some(height) = path.strip_prefix("/api/chain/producers?height=") {
            return self.registries.get(number(height)?).cloned();
        }
        if let Some(height) = path.strip_prefix("/api/chain/blocks/") {
            return self.blocks.get(number(height)?.checked_sub(1)?).cloned();
        }
        let (from, limit) = path.strip_prefix("/api/chain/blocks?from=")?.split_once("&limit=")?;
        let (from, limit) = (number(from)?, number(limit)?.min(PAGE_BLOCKS));
        let page = (from..).zip(&self.blocks[from - 1..]).take(limit).map(|(height, block)| {
            let other = self.listed.iter().find(|(at, _)| *at == height as u64);
            let mut block = other.map_or(block, |(_, block)| block).clone();
            block.as_object_mut().unwrap().remove("transactions");
            block
        });
        Some(json!({ "blocks": page.collect::<Vec<_>>(), "next_from": null }))
    }
}

impl Source for Node {
    async fn get(&self, path: &str) -> Outcome<Value> {
        self.answer(path).ok_or_else(|| Failure::not_found(path))
    }
}

/// A block as a gateway reports it.
pub fn reported(block: &Block, genesis_hash: &Hash) -> Value {
    let header = block.header();
    let trace = hash(&[b"vision/trace/v1", genesis_hash.as_bytes(), &header.height.get().to_le_bytes()]);
    let transactions: Vec<Value> = block
        .transactions()
        .iter()
        .map(|signed| {
            let mut entry: Map<String, Value> =
                transaction_facts(signed).into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
            let claims = transaction_claims(&Value::Null, signed);
            entry.extend(claims.into_iter().map(|(_, name, value)| (name.to_owned(), value)));
            entry.insert("bytes".into(), json!(hex::encode(signed.bytes())));
            entry.into()
        })
        .collect();
    json!({
        "version": header.version, "height": header.height, "hash": block.hash(), "parent": header.parent,
        "timestamp_ms": header.timestamp_ms, "slot": header.slot, "producer": header.producer,
        "tx_root": header.tx_root, "state_root": header.state_root, "pool_root": header.pool_root,
        "weight": header.weight, "certificate_hash": header.certificate_hash, "certificate": null,
        "reveal": header.reveal, "mix": header.mix, "tx_count": block.transactions().len(),
        "signature": hex::encode(block.signature().0), "header": hex::encode(block.header_bytes()),
        "trace_id": hex::encode(&trace.as_bytes()[..16]), "canonical": true, "finalized": false,
        "transactions": transactions,
    })
}

fn registry(height: u64, hash: Hash, state: &State) -> Value {
    let of = |wanted: fn(ProducerStatus) -> bool| -> Vec<Value> {
        let chosen = state.producers().filter(|(_, producer)| wanted(producer.status));
        let entry = |(id, producer): (&Hash, &vision_ledger::Producer)| {
            let status = format!("{:?}", producer.status).to_lowercase();
            json!({ "node_id": id, "public_key": producer.public_key, "status": status })
        };
        chosen.map(entry).collect()
    };
    json!({
        "height": Height(height), "hash": hash, "active": state.active().ids(),
        "registered": of(ProducerStatus::is_registered),
        "candidates": of(|status| status == ProducerStatus::Candidate),
        "pool_root": state.active().root(), "registered_root": state.registered().root(),
    })
}

fn params(world: &World) -> Value {
    let genesis = &world.net.rules.genesis;
    assert_eq!(genesis.entropy, Entropy::PrevHash);
    let mut reported = json!({
        "chain_id": genesis.chain_id, "genesis_hash": genesis.hash(), "genesis_time_ms": genesis.time_ms,
        "entropy": "prev_hash", "finality": "cft",
    });
    for (name, value) in genesis.params.table() {
        let amount = ["block_reward", "min_fee"].contains(&name);
        reported[name] = if amount { json!(value.to_string()) } else { json!(value) };
    }
    reported
}
