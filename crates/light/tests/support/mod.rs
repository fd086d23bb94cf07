//! A chain of some blocks, made by producers whose keys are known.

use std::sync::Arc;

use vision_block_tree::{BlockTree, ChainRules};
use vision_ledger::{ProducerStatus, State};
use vision_light::{Listed, RegistryAnswer, Standing};
use vision_primitives::{
    Action, Block, ConsensusParams, Entropy, Finality, Genesis, GenesisAccount, GenesisProducer, Hash,
    Header, Height, NodeId, SecretKey, SignedTransaction, Slot, SyncProof, Tag, TimestampMs, Transaction,
    merkle_root,
};

/// The key of a producer, from 1 on.
pub fn key(seed: u8) -> SecretKey {
    SecretKey::from_seed(&[seed; 32])
}

fn genesis(producers: u8) -> Genesis {
    let keys = || (1..=producers).map(|seed| key(seed).public_key());
    let mut named: Vec<_> = keys().map(|key| GenesisProducer { public_key: key, payout: key.id() }).collect();
    named.sort_by_key(|producer| producer.public_key);
    let mut accounts: Vec<_> =
        keys().map(|key| GenesisAccount { address: key.id(), balance: 1_000_000 }).collect();
    accounts.sort_by_key(|account| account.address);
    Genesis {
        chain_id: "light-test".into(),
        time_ms: TimestampMs(1_000_000),
        producers: named,
        accounts,
        params: ConsensusParams::default(),
        entropy: Entropy::PrevHash,
        finality: Finality::Cft,
    }
}

/// A chain, and the state after each of its blocks.
pub struct Chain {
    pub genesis: Genesis,
    /// From height 1 on.
    pub blocks: Vec<Block>,
    /// From height 0 on.
    pub states: Vec<State>,
}

impl Chain {
    /// Blocks with a transfer each. Every second is a backup's.
    pub fn of(producers: u8, blocks: u64) -> Self {
        let genesis = genesis(producers);
        let mut tree = BlockTree::new(Arc::new(ChainRules::new(genesis.clone()))).expect("a valid genesis");
        let mut chain = Self { genesis, blocks: Vec::new(), states: vec![tree.head().state().clone()] };
        for nonce in 0..blocks {
            let candidates = [chain.transfer(nonce)];
            let parent = tree.head().hash();
            let slot = Slot(nonce % 2);
            let window = tree.schedule_on(&parent).expect("a known parent").window(slot);
            let (header, chosen) = tree
                .prepare(&parent, slot, window.owner, window.opens_at, candidates)
                .expect("the owner may produce");
            let block = chain.signed(header, chosen);
            let checked = tree.check(&block).expect("a valid block");
            tree.insert(checked, false);
            chain.states.push(tree.head().state().clone());
            chain.blocks.push(block);
        }
        chain
    }

    fn transfer(&self, nonce: u64) -> SignedTransaction {
        let action = Action::Transfer { to: Hash([7; 32]), amount: 5 };
        let sender = key(1);
        Transaction { sender: sender.public_key(), nonce, fee: 1, action }.sign(&sender, &self.genesis.hash())
    }

    /// A block that has a sync proof besides, of a producer that need not prove anything.
    pub fn with_sync_proof(&self, at: usize) -> Block {
        let good = &self.blocks[at];
        let transactions = [good.transactions(), &[self.sync_proof(&self.blocks[at - 1])]].concat();
        let hashes: Vec<Hash> = transactions.iter().map(SignedTransaction::hash).collect();
        let header = Header { tx_root: merkle_root(&hashes), ..good.header().clone() };
        self.signed(header, transactions)
    }

    fn sync_proof(&self, of: &Block) -> SignedTransaction {
        let action = Action::SyncProof(SyncProof { height: of.header().height, hash: of.hash() });
        let sender = key(2);
        Transaction { sender: sender.public_key(), nonce: 0, fee: 0, action }
            .sign(&sender, &self.genesis.hash())
    }

    pub fn key_of(&self, producer: &NodeId) -> SecretKey {
        (1..=u8::MAX).map(key).find(|key| key.public_key().id() == *producer).expect("one of ours")
    }

    fn signed(&self, header: Header, transactions: Vec<SignedTransaction>) -> Block {
        let genesis_hash = self.genesis.hash();
        let hash = Header::hash_bytes(&genesis_hash, &header.to_bytes());
        let signature = self.key_of(&header.producer).sign(Tag::Block, &genesis_hash, hash.as_bytes());
        Block::assemble(header, signature, transactions, &genesis_hash)
    }

    /// A block with another header, signed again by its producer.
    pub fn resigned(&self, at: usize, edit: impl FnOnce(&mut Header)) -> Block {
        let good = &self.blocks[at];
        let mut header = good.header().clone();
        edit(&mut header);
        self.signed(header, good.transactions().to_vec())
    }

    /// The producers after the block of this height, as an honest node tells of them.
    pub fn registry(&self, height: usize) -> RegistryAnswer {
        let state = &self.states[height];
        let hash = height.checked_sub(1).map_or_else(|| self.genesis.hash(), |at| self.blocks[at].hash());
        let standing = |status| match status {
            ProducerStatus::Active => Some(Standing::Active),
            ProducerStatus::Suspended => Some(Standing::Suspended),
            ProducerStatus::Candidate => Some(Standing::Candidate),
            _ => None,
        };
        let producers = state.producers().filter_map(|(id, producer)| {
            Some(Listed { id: *id, key: producer.public_key, standing: standing(producer.status)? })
        });
        RegistryAnswer {
            height: Height(height as u64),
            hash,
            producers: producers.collect(),
            active: state.active().ids().to_vec(),
            pool_root: state.active().root(),
            registered_root: state.registered().root(),
        }
    }
}
