//! What the entries start from: a few well-formed values of every kind that is decoded.

use vision_ledger::{AccountProof, State};
use vision_primitives::{
    Action, Block, ConsensusParams, Entropy, Finality, Genesis, GenesisAccount, GenesisProducer,
    HEADER_VERSION, Hash, Header, Height, SecretKey, SignedTransaction, Slot, SyncProof, Tag, TimestampMs,
    Transaction, merkle_root, registration_payload,
};

/// The chain that all values belong to.
pub(crate) const GENESIS_HASH: Hash = Hash([9; 32]);

/// A key for every number.
pub(crate) fn key(seed: u8) -> SecretKey {
    SecretKey::from_seed(&[seed; 32])
}

/// The id of that key: a node's or an account's.
pub(crate) fn id(seed: u8) -> Hash {
    key(seed).public_key().id()
}

/// One signed transaction of every kind.
pub(crate) fn transactions() -> Vec<SignedTransaction> {
    let public_key = key(2).public_key();
    let payload = registration_payload(&public_key, &id(3));
    let proof_of_possession = key(2).sign(Tag::Register, &GENESIS_HASH, &payload);
    let actions = [
        Action::Transfer { to: id(2), amount: 5 },
        Action::Data { bytes: b"data".to_vec() },
        Action::RegisterProducer { public_key, payout: id(3), proof_of_possession },
        Action::ExitProducer,
        Action::SyncProof(SyncProof { height: Height(4), hash: Hash([4; 32]) }),
    ];
    let sender = key(1).public_key();
    let sign = |(nonce, action)| Transaction { sender, nonce, fee: 1, action }.sign(&key(1), &GENESIS_HASH);
    (0..).zip(actions).map(sign).collect()
}

/// A block with these transactions, rightly signed.
pub(crate) fn block(transactions: Vec<SignedTransaction>) -> Block {
    let hashes: Vec<Hash> = transactions.iter().map(SignedTransaction::hash).collect();
    let header = Header {
        version: HEADER_VERSION,
        height: Height(5),
        parent: Hash([1; 32]),
        timestamp_ms: TimestampMs(1_700_000_000_000),
        slot: Slot(2),
        producer: id(1),
        tx_root: merkle_root(&hashes),
        state_root: Hash([2; 32]),
        pool_root: Hash([3; 32]),
        weight: 17,
        certificate_hash: Hash::ZERO,
        reveal: Hash::ZERO,
        mix: Hash::ZERO,
    };
    let hash = Header::hash_bytes(&GENESIS_HASH, &header.to_bytes());
    let signature = key(1).sign(Tag::Block, &GENESIS_HASH, hash.as_bytes());
    Block::assemble(header, signature, transactions, &GENESIS_HASH)
}

/// A genesis with four producers, who are rich.
pub(crate) fn genesis() -> Genesis {
    let mut producers: Vec<_> = (1..=4)
        .map(|seed| GenesisProducer { public_key: key(seed).public_key(), payout: id(seed) })
        .collect();
    producers.sort_by_key(|producer| producer.public_key);
    let mut accounts: Vec<_> =
        (1..=4).map(|seed| GenesisAccount { address: id(seed), balance: 1_000_000 }).collect();
    accounts.sort_by_key(|account| account.address);
    Genesis {
        chain_id: "fuzz-1".into(),
        time_ms: TimestampMs(1_700_000_000_000),
        producers,
        accounts,
        params: ConsensusParams::default(),
        entropy: Entropy::PrevHash,
        finality: Finality::Bft,
    }
}

/// Proofs of an account that there is and of one that there is not.
pub(crate) fn account_proofs() -> Vec<AccountProof> {
    let state = State::genesis(&genesis()).expect("a sound genesis");
    [1, 77].map(|seed| state.prove_account(&id(seed))).into()
}
