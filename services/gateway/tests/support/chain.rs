//! A chain of five blocks.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize};
use std::sync::{Arc, Mutex};

use tonic::Status;
use vision_primitives::trace::HeightTrace;
use vision_primitives::{
    Action, Block, Hash, Header, Height, Pool, SecretKey, Signature, SignedTransaction, SyncProof,
    TimestampMs, Transaction, hash, merkle_root,
};
use vision_schedule::{Schedule, SlotTiming, epoch_salt, seed};
use vision_wire::chain::BlockInfo;
use vision_wire::{Reason, block_to_proto, genesis_info, header_info, status, transaction_to_proto};

use super::{Running, pool};

pub const GENESIS_TIME: u64 = 1_700_000_000_000;

#[derive(Clone)]
pub struct FakeChain {
    pub genesis_hash: Hash,
    pub keys: Arc<Vec<SecretKey>>,
    pub blocks: Arc<Vec<Block>>,
    /// Answer to the next calls of GetHead, instead of the head.
    pub head_fault: Arc<Mutex<Option<Status>>>,
    /// While set, ListPeers never answers.
    pub hangs: Arc<AtomicBool>,
    /// How many calls hang.
    pub hanging: Arc<AtomicUsize>,
    /// Transactions submitted.
    pub pool: pool::Pool,
    /// Height of the head, at most 5.
    pub height: Arc<AtomicU64>,
}

fn transactions(keys: &[SecretKey], genesis_hash: &Hash) -> Vec<SignedTransaction> {
    let register = Action::RegisterProducer {
        public_key: keys[2].public_key(),
        payout: Hash([5; 32]),
        proof_of_possession: Signature([6; 64]),
    };
    let actions = [
        Action::Transfer { to: Hash([9; 32]), amount: u64::MAX },
        Action::Data { bytes: vec![0xca, 0xfe] },
        register,
        Action::ExitProducer,
        Action::SyncProof(SyncProof { height: Height(3), hash: Hash([7; 32]) }),
    ];
    let sign = |(nonce, action)| {
        Transaction { sender: keys[0].public_key(), nonce, fee: 10 + nonce, action }
            .sign(&keys[0], genesis_hash)
    };
    (0..).zip(actions).map(sign).collect()
}

impl FakeChain {
    pub fn new() -> Self {
        let mut keys: Vec<SecretKey> = (1..=3).map(|i| SecretKey::from_seed(&[i; 32])).collect();
        keys.sort_by_key(|key| key.public_key().id());
        let genesis_hash = hash(&[b"the tests' genesis"]);
        let pool_root = Pool::new(keys.iter().map(|key| key.public_key().id())).root();
        let mut blocks: Vec<Block> = Vec::new();
        for height in 1..=5_u64 {
            let transactions = if height == 4 { transactions(&keys, &genesis_hash) } else { vec![] };
            let hashes: Vec<Hash> = transactions.iter().map(SignedTransaction::hash).collect();
            let parent = blocks.last().map_or(genesis_hash, Block::hash);
            let header = Header {
                version: 1,
                height: Height(height),
                parent,
                timestamp_ms: TimestampMs(GENESIS_TIME + 2000 * height),
                slot: vision_primitives::Slot(if height == 3 { 2 } else { 0 }),
                producer: keys[height as usize % 3].public_key().id(),
                tx_root: merkle_root(&hashes),
                state_root: Hash([2; 32]),
                pool_root,
                weight: 7 * height,
                certificate_hash: Hash::ZERO,
                reveal: Hash::ZERO,
                mix: Hash::ZERO,
            };
            blocks.push(Block::assemble(header, Signature([4; 64]), transactions, &genesis_hash));
        }
        Self {
            genesis_hash,
            keys: Arc::new(keys),
            blocks: Arc::new(blocks),
            head_fault: Arc::default(),
            hangs: Arc::default(),
            hanging: Arc::default(),
            pool: pool::Pool::new(),
            height: Arc::new(AtomicU64::new(5)),
        }
    }

    pub async fn serve(&self, address: SocketAddr) -> Running {
        let service = vision_test_support::FakeChain(self.clone()).into_service();
        Running::fake(address, |server| server.add(service)).await
    }

    pub fn block(&self, height: u64) -> &Block {
        &self.blocks[height as usize - 1]
    }

    pub fn ids(&self) -> Vec<String> {
        self.keys.iter().map(|key| key.public_key().id().to_string()).collect()
    }

    pub(super) fn info(&self, height: u64, with_transactions: bool) -> BlockInfo {
        let trace_id = HeightTrace::of(&self.genesis_hash, Height(height)).to_string();
        if height == 0 {
            return BlockInfo { trace_id, ..genesis_info(&self.genesis_hash, TimestampMs(GENESIS_TIME)) };
        }
        let block = self.block(height);
        let all = block.transactions().iter().map(transaction_to_proto);
        let bytes = block_to_proto(block);
        BlockInfo {
            tx_count: u32::try_from(block.transactions().len()).expect("few"),
            block: Some(vision_wire::types::Block { transactions: vec![], ..bytes }),
            canonical: true,
            trace_id,
            finalized: height < 2,
            size_bytes: block.size_bytes(),
            transactions: all.filter(|_| with_transactions).collect(),
            ..header_info(&block.hash(), block.header())
        }
    }

    /// The schedule above a block, from the protocol alone.
    pub fn schedule(&self, parent: u64) -> Schedule {
        let (entropy, stamp) = match parent {
            0 => (self.genesis_hash, TimestampMs(GENESIS_TIME)),
            _ => (self.block(parent).hash(), self.block(parent).header().timestamp_ms),
        };
        let timing = SlotTiming {
            block_interval_ms: 700,
            claim_timeout_ms: 1200,
            main_slots: 7,
            jitter_min_ms: 50,
            jitter_max_ms: 400,
        };
        let pool = Pool::new(self.keys.iter().map(|key| key.public_key().id()));
        let seed = seed(&entropy, Height(parent + 1), &epoch_salt("vision-testnet-1"));
        Schedule::new(seed, pool.clone(), pool, stamp, timing).expect("a schedule")
    }

    fn height_of(&self, hash: &str) -> Option<u64> {
        (0..=5).find(|height| self.info(*height, false).hash == hash)
    }

    pub(super) fn checked(&self, height: u64) -> Result<u64, Status> {
        let message = format!("no block {height}: the head is at 5");
        let metadata = [("head_height", "5".to_owned())];
        if height <= 5 { Ok(height) } else { Err(status(Reason::HeightNotFound, message, &metadata)) }
    }

    pub(super) fn found(&self, hash: &str) -> Result<u64, Status> {
        self.height_of(hash).ok_or_else(|| status(Reason::BlockNotFound, format!("no block {hash}"), &[]))
    }
}
