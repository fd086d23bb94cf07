//! A chain of some blocks, and what an honest node reports about its producers.

use vision_ledger::{ProducerStatus, State};
use vision_light::{Listed, RegistryAnswer, Standing};
use vision_primitives::{
    Block, Genesis, Hash, Header, Height, NodeId, SecretKey, SignedTransaction, merkle_root,
};
use vision_test_blocks::Net;

/// A chain, and the state after each of its blocks.
pub struct Chain {
    net: Net,
    pub genesis: Genesis,
    /// From height 1 on.
    pub blocks: Vec<Block>,
    /// From height 0 on.
    pub states: Vec<State>,
}

impl Chain {
    /// Blocks with a transfer each. Every second is a backup's.
    pub fn of(producers: u8, blocks: u64) -> Self {
        let net = Net::of(producers);
        let mut tree = net.tree();
        let (mut made, mut states) = (Vec::new(), vec![tree.head().state().clone()]);
        for nonce in 0..blocks {
            let candidates = [net.transfer(1, nonce, Hash([7; 32]), 5)];
            let parent = tree.head().hash();
            let block = net.block_at(&tree, &parent, nonce % 2, 0, &candidates);
            net.add(&mut tree, &block, false);
            states.push(tree.head().state().clone());
            made.push(block);
        }
        Self { genesis: net.rules.genesis.clone(), net, blocks: made, states }
    }

    pub fn key_of(&self, producer: &NodeId) -> &SecretKey {
        &self.net.keys[producer]
    }

    /// A block with another header, signed again by its producer.
    pub fn resigned(&self, at: usize, edit: impl FnOnce(&mut Header)) -> Block {
        let good = &self.blocks[at];
        let mut header = good.header().clone();
        edit(&mut header);
        self.net.sign(header, good.transactions().to_vec())
    }

    /// A block that has a sync proof besides, of a producer that need not prove anything.
    pub fn with_sync_proof(&self, at: usize) -> Block {
        let (good, before) = (&self.blocks[at], &self.blocks[at - 1]);
        let proof = self.net.sync_proof(&good.header().producer, before.header().height, before.hash());
        let transactions = [good.transactions(), &[proof]].concat();
        let hashes: Vec<Hash> = transactions.iter().map(SignedTransaction::hash).collect();
        self.net.sign(Header { tx_root: merkle_root(&hashes), ..good.header().clone() }, transactions)
    }

    /// The producers after the block of this height, as an honest node reports them.
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
