//! A chain without rules: every block fits on the one before it.

use vision_peering::Query;
use vision_primitives::{
    Action, Block, Hash, Header, Height, Pool, SecretKey, Signature, SignedTransaction, Slot, TimestampMs,
    Transaction,
};

pub struct Chain {
    blocks: Vec<Block>,
    pub registered: Pool,
}

impl Default for Chain {
    fn default() -> Self {
        Self { blocks: vec![], registered: Pool::new([]) }
    }
}

/// A block without transactions.
pub fn block(height: u64, parent: Hash) -> Block {
    with(height, parent, vec![])
}

/// A block that is announced by its header only.
pub fn large_block(height: u64, parent: Hash) -> Block {
    let key = SecretKey::from_seed(&[1; 32]);
    let large = |nonce| {
        let action = Action::Data { bytes: vec![7; 1024] };
        let transaction = Transaction { sender: key.public_key(), nonce, fee: 1, action };
        transaction.sign(&key, &Hash::ZERO)
    };
    with(height, parent, (0..70).map(large).collect())
}

fn with(height: u64, parent: Hash, transactions: Vec<SignedTransaction>) -> Block {
    let header = Header {
        version: 1,
        height: Height(height),
        parent,
        timestamp_ms: TimestampMs(height),
        slot: Slot(0),
        producer: Hash::ZERO,
        tx_root: Hash::ZERO,
        state_root: Hash::ZERO,
        pool_root: Hash::ZERO,
        weight: height,
        certificate_hash: Hash::ZERO,
        reveal: Hash::ZERO,
        mix: Hash::ZERO,
    };
    Block::assemble(header, Signature::ZERO, transactions, &Hash::ZERO)
}

impl Chain {
    pub fn height(&self) -> Height {
        Height(self.blocks.len() as u64)
    }

    /// Zeros for block 0.
    pub fn tip(&self) -> Hash {
        self.blocks.last().map_or(Hash::ZERO, Block::hash)
    }

    pub fn has(&self, hash: &Hash) -> bool {
        *hash == Hash::ZERO || self.block(hash).is_some()
    }

    pub fn block(&self, hash: &Hash) -> Option<Block> {
        self.blocks.iter().find(|block| block.hash() == *hash).cloned()
    }

    pub fn next(&self) -> Block {
        block(self.height().get() + 1, self.tip())
    }

    pub fn push(&mut self, block: &Block) -> bool {
        let fits = block.header().parent == self.tip();
        if fits {
            self.blocks.push(block.clone());
        }
        fits
    }

    pub fn locator(&self) -> Vec<Hash> {
        self.blocks.iter().rev().map(Block::hash).chain([Hash::ZERO]).collect()
    }

    pub fn answer(&self, query: &Query) -> Vec<Block> {
        let after = |height: u64, count: u32| {
            self.blocks
                .iter()
                .skip(usize::try_from(height).expect("small"))
                .take(count as usize)
                .cloned()
                .collect()
        };
        match query {
            Query::One(hash) => self.block(hash).into_iter().collect(),
            Query::After { locator, max_blocks } => {
                let common = locator.iter().find_map(|hash| self.block(hash));
                after(common.map_or(0, |block| block.header().height.get()), *max_blocks)
            }
            Query::Stretch { from, max_blocks } => after(from.get() - 1, *max_blocks),
        }
    }
}
