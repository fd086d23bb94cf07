//! Producers with keys, and blocks made by them: good ones, and bad ones that break one rule.
//!
//! For tests of the tree and of what reads its blocks; a dev-dependency only.
#![cfg_attr(not(test), warn(unreachable_pub))]

use std::collections::BTreeMap;
use std::sync::Arc;

use vision_block_tree::{BlockRef, BlockTree, ChainRules, Inserted};
use vision_ledger::{BlockContext, Executor};
use vision_primitives::*;

/// Balance of each producer's account at the start.
pub const RICH: u64 = 1_000_000;

/// The key made of a seed.
pub fn key(seed: u8) -> SecretKey {
    SecretKey::from_seed(&[seed; 32])
}

/// Id of the producer with that key.
pub fn id(seed: u8) -> NodeId {
    key(seed).public_key().id()
}

/// Producers 1 … n, paid on their own rich accounts.
pub fn genesis(n: u8) -> Genesis {
    let mut producers: Vec<_> = (1..=n)
        .map(|seed| GenesisProducer { public_key: key(seed).public_key(), payout: id(seed) })
        .collect();
    producers.sort_by_key(|p| p.public_key);
    let mut accounts: Vec<_> =
        (1..=n).map(|seed| GenesisAccount { address: id(seed), balance: RICH }).collect();
    accounts.sort_by_key(|a| a.address);
    Genesis {
        chain_id: "tree-test".into(),
        time_ms: TimestampMs(1_000_000),
        producers,
        accounts,
        params: ConsensusParams::default(),
        entropy: Entropy::PrevHash,
        finality: Finality::Cft,
    }
}

/// A header that no rule would pass, for tests that look at nothing but its place.
pub const fn bare_header(height: u64, parent: Hash, timestamp_ms: u64) -> Header {
    Header {
        version: 1,
        height: Height(height),
        parent,
        timestamp_ms: TimestampMs(timestamp_ms),
        slot: Slot(0),
        producer: Hash::ZERO,
        tx_root: Hash::ZERO,
        state_root: Hash::ZERO,
        pool_root: Hash::ZERO,
        weight: 0,
        certificate_hash: Hash::ZERO,
        reveal: Hash::ZERO,
        mix: Hash::ZERO,
    }
}

/// The same as a whole block of height 1.
pub fn bare_block(parent: Hash, timestamp_ms: u64) -> Block {
    Block::assemble(bare_header(1, parent, timestamp_ms), Signature::ZERO, vec![], &Hash::ZERO)
}

/// The block with this hash at a height.
pub const fn at(height: u64, hash: Hash) -> BlockRef {
    BlockRef { height: Height(height), hash }
}

/// A network whose keys are all known.
pub struct Net {
    /// Its rules, with the genesis.
    pub rules: Arc<ChainRules>,
    /// All keys, by producer.
    pub keys: BTreeMap<NodeId, SecretKey>,
}

impl Net {
    /// The network of this genesis, whose producers have the keys of seeds.
    ///
    /// # Panics
    /// If the genesis is not a good one.
    pub fn new(genesis: Genesis) -> Self {
        genesis.check().expect("a valid genesis");
        let keys = (0..=255).map(key).map(|key| (key.public_key().id(), key)).collect();
        Self { rules: Arc::new(ChainRules::new(genesis)), keys }
    }

    /// The network of the producers 1 … n.
    pub fn of(n: u8) -> Self {
        Self::new(genesis(n))
    }

    /// A tree that knows block 0.
    pub fn tree(&self) -> BlockTree {
        BlockTree::new(self.rules.clone()).expect("a tree on block 0")
    }

    /// The block that the owner of `slot` makes on `parent`, stamped `delay_ms` after its window opens.
    pub fn block_at(
        &self,
        tree: &BlockTree,
        parent: &Hash,
        slot: u64,
        delay_ms: u64,
        candidates: &[SignedTransaction],
    ) -> Block {
        let window = tree.schedule_on(parent).expect("a known parent").window(Slot(slot));
        let stamp = window.opens_at.plus_ms(delay_ms);
        let (header, chosen) = tree
            .prepare(parent, Slot(slot), window.owner, stamp, candidates.iter().cloned())
            .expect("the owner may produce");
        self.sign(header, chosen)
    }

    /// The same at the first moment, without transactions.
    pub fn block(&self, tree: &BlockTree, parent: &Hash, slot: u64) -> Block {
        self.block_at(tree, parent, slot, 0, &[])
    }

    /// Makes a block and inserts it.
    pub fn grow(&self, tree: &mut BlockTree, parent: &Hash, slot: u64) -> Hash {
        let block = self.block(tree, parent, slot);
        self.add(tree, &block, false);
        block.hash()
    }

    /// Checks a good block and inserts it.
    pub fn add(&self, tree: &mut BlockTree, block: &Block, late: bool) -> Inserted {
        let checked = tree.check(block).expect("a valid block");
        tree.insert(checked, late)
    }

    /// The block of this header, signed by its producer.
    pub fn sign(&self, header: Header, transactions: Vec<SignedTransaction>) -> Block {
        let hash = Header::hash_bytes(&self.rules.genesis_hash, &header.to_bytes());
        let key = &self.keys[&header.producer];
        let signature = key.sign(Tag::Block, &self.rules.genesis_hash, hash.as_bytes());
        Block::assemble(header, signature, transactions, &self.rules.genesis_hash)
    }

    /// Puts roots into the header that are right for these transactions, whether or not a block may hold
    /// them; transactions that do not apply are skipped by the state, not by the block.
    pub fn reseal(&self, tree: &BlockTree, mut header: Header, transactions: &[SignedTransaction]) -> Header {
        let parent = tree.get(&header.parent).expect("a known parent");
        let missed = parent.schedule().missed_owners(header.slot);
        let recent = |height| tree.ancestor_at(&header.parent, height);
        let context = BlockContext {
            genesis_hash: self.rules.genesis_hash,
            height: header.height,
            producer: header.producer,
            missed_owners: &missed,
            recent: &recent,
        };
        let genesis = &self.rules.genesis;
        let mut executor = Executor::new(parent.state(), &genesis.params, genesis.finality, context);
        for transaction in transactions {
            let _ = executor.execute(transaction);
        }
        header.state_root = executor.finish().expect("a sound ledger").0.root();
        let hashes: Vec<_> = transactions.iter().map(SignedTransaction::hash).collect();
        header.tx_root = merkle_root(&hashes);
        header
    }

    /// A transfer by the producer with this seed.
    pub fn transfer(&self, from: u8, nonce: u64, to: Address, amount: u64) -> SignedTransaction {
        let action = Action::Transfer { to, amount };
        Transaction { sender: key(from).public_key(), nonce, fee: 1, action }
            .sign(&key(from), &self.rules.genesis_hash)
    }

    /// A sync proof of this producer, naming this block.
    pub fn sync_proof(&self, producer: &NodeId, height: Height, hash: Hash) -> SignedTransaction {
        let key = &self.keys[producer];
        let action = Action::SyncProof(SyncProof { height, hash });
        Transaction { sender: key.public_key(), nonce: 0, fee: 0, action }.sign(key, &self.rules.genesis_hash)
    }
}
