//! A ledger with producers and rich accounts, block by block.
#![allow(dead_code, unused_imports, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use vision_ledger::{BlockContext, Changes, Executor, Producer, ProducerStatus, State, TransactionFault};
use vision_primitives::*;

pub use vision_test_blocks::{RICH, id, key};

/// Producers 1 … n, each paid on its own address, which starts rich; so does account 100.
pub fn genesis(n: u8) -> Genesis {
    let mut genesis = vision_test_blocks::genesis(n);
    (genesis.chain_id, genesis.time_ms) = ("ledger-test".into(), TimestampMs(0));
    genesis.accounts.push(GenesisAccount { address: id(100), balance: RICH });
    genesis.accounts.sort_by_key(|account| account.address);
    genesis
}

pub fn block_hash(height: u64) -> Hash {
    hash(&[b"block", &height.to_le_bytes()])
}

pub struct Ledger {
    pub genesis: Genesis,
    pub genesis_hash: Hash,
    pub state: State,
    /// Of the next block.
    pub height: u64,
}

impl Ledger {
    pub fn new(genesis: Genesis) -> Self {
        genesis.check().expect("a valid genesis");
        let (genesis_hash, state) = (genesis.hash(), State::genesis(&genesis).unwrap());
        Self { genesis, genesis_hash, state, height: 1 }
    }

    /// Ids of the genesis producers, ascending.
    pub fn ids(&self) -> Vec<NodeId> {
        self.state.registered().ids().to_vec()
    }

    /// The key of a producer or account id.
    pub fn key_of(&self, wanted: &NodeId) -> SecretKey {
        (0..=255).map(key).find(|key| key.public_key().id() == *wanted).expect("an id of this test")
    }

    /// Runs one block and stays on it.
    pub fn block(
        &mut self,
        producer: NodeId,
        missed: &[NodeId],
        transactions: &[SignedTransaction],
    ) -> (Vec<Result<(), TransactionFault>>, Changes) {
        let (results, state, changes) = self.try_block(producer, missed, transactions);
        assert_eq!(self.state.apply_changes(&changes).root(), state.root(), "changes lead to the state");
        let total: u128 = state.accounts().map(|(_, account)| u128::from(account.balance)).sum();
        assert_eq!(total, u128::from(state.supply()), "the supply is the sum of all balances");
        self.state = state;
        self.height += 1;
        (results, changes)
    }

    pub fn try_block(
        &self,
        producer: NodeId,
        missed: &[NodeId],
        transactions: &[SignedTransaction],
    ) -> (Vec<Result<(), TransactionFault>>, State, Changes) {
        let recent = |height: Height| (height.get() < self.height).then(|| block_hash(height.get()));
        let context = BlockContext {
            genesis_hash: self.genesis_hash,
            height: Height(self.height),
            producer,
            missed_owners: missed,
            recent: &recent,
        };
        let mut executor = Executor::new(&self.state, &self.genesis.params, self.genesis.finality, context);
        let results = transactions.iter().map(|tx| executor.execute(tx)).collect();
        let (state, changes) = executor.finish().expect("the ledger keeps its promises");
        (results, state, changes)
    }

    /// Empty blocks by `producer` until the next one has this height.
    pub fn advance_to(&mut self, height: u64, producer: NodeId) {
        while self.height < height {
            self.block(producer, &[], &[]);
        }
    }

    pub fn producer(&self, id: &NodeId) -> &Producer {
        self.state.producer(id).expect("a producer")
    }

    pub fn status(&self, id: &NodeId) -> ProducerStatus {
        self.producer(id).status
    }

    pub fn sign(&self, key: &SecretKey, nonce: u64, fee: u64, action: Action) -> SignedTransaction {
        Transaction { sender: key.public_key(), nonce, fee, action }.sign(key, &self.genesis_hash)
    }

    pub fn transfer(&self, from: u8, nonce: u64, fee: u64, to: Address, amount: u64) -> SignedTransaction {
        self.sign(&key(from), nonce, fee, Action::Transfer { to, amount })
    }

    pub fn registration(&self, payer: u8, nonce: u64, producer: u8) -> SignedTransaction {
        let public_key = key(producer).public_key();
        let payload = registration_payload(&public_key, &id(producer));
        let proof_of_possession = key(producer).sign(Tag::Register, &self.genesis_hash, &payload);
        let action = Action::RegisterProducer { public_key, payout: id(producer), proof_of_possession };
        self.sign(&key(payer), nonce, 1, action)
    }

    /// A sync proof that names the parent of the next block.
    pub fn sync_proof(&self, producer: &NodeId) -> SignedTransaction {
        let height = self.height - 1;
        let proof = SyncProof { height: Height(height), hash: block_hash(height) };
        self.sign(&self.key_of(producer), 0, 0, Action::SyncProof(proof))
    }
}
