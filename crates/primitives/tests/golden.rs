//! Bytes and hashes that must never change: the worked examples of `docs/protocol.md`.
//!
//! `vectors/genesis.json` is a genesis file, `vectors/canonical.json` holds what follows from it. A change
//! here is a change of the protocol.

use std::collections::BTreeMap;

use vision_primitives::{
    Action, Genesis, Hash, Header, Height, NodeId, Pool, PublicKey, SecretKey, Signature, SignedTransaction,
    Slot, SyncProof, Tag, TimestampMs, Transaction, hash, merkle_root, registration_payload,
};

const GENESIS: &str = include_str!("vectors/genesis.json");
const CANONICAL: &str = include_str!("vectors/canonical.json");

/// The keys of the examples: seeds of 32 equal bytes.
fn key(seed: u8) -> SecretKey {
    SecretKey::from_seed(&[seed; 32])
}

fn public(seed: u8) -> PublicKey {
    key(seed).public_key()
}

fn genesis() -> Genesis {
    Genesis::from_json(GENESIS).expect("the golden genesis is valid")
}

/// A fresh value for 32-byte fields that the example need not explain.
fn sample(name: &str) -> Hash {
    hash(&[name.as_bytes()])
}

fn transactions(genesis_hash: &Hash) -> Vec<(&'static str, SignedTransaction)> {
    let payout = public(9).id();
    let possession = key(4).sign(Tag::Register, genesis_hash, &registration_payload(&public(4), &payout));
    let actions = [
        ("transfer", Action::Transfer { to: public(2).id(), amount: 1_000 }),
        ("data", Action::Data { bytes: b"hello".to_vec() }),
        (
            "register_producer",
            Action::RegisterProducer { public_key: public(4), payout, proof_of_possession: possession },
        ),
        ("exit_producer", Action::ExitProducer),
        ("sync_proof", Action::SyncProof(SyncProof { height: Height(7), hash: sample("block 7") })),
    ];
    let signed = actions.into_iter().enumerate().map(|(index, (name, action))| {
        // A sync proof has neither nonce nor fee; the others count up and pay.
        let (nonce, fee) = if name == "sync_proof" { (0, 0) } else { (index as u64, 3) };
        (name, Transaction { sender: public(1), nonce, fee, action }.sign(&key(1), genesis_hash))
    });
    signed.collect()
}

fn header(genesis_hash: &Hash, pool: &Pool, tx_root: Hash) -> Header {
    Header {
        version: 1,
        height: Height(1),
        parent: *genesis_hash,
        timestamp_ms: TimestampMs(1_700_000_002_000),
        slot: Slot(0),
        producer: pool.ids()[0],
        tx_root,
        state_root: sample("state root"),
        pool_root: pool.root(),
        weight: 7,
        certificate_hash: Hash::ZERO,
        reveal: Hash::ZERO,
        mix: Hash::ZERO,
    }
}

fn computed() -> BTreeMap<String, String> {
    let genesis = genesis();
    let genesis_hash = genesis.hash();
    let mut found = BTreeMap::new();
    let mut put =
        |name: &str, value: String| assert!(found.insert(name.to_owned(), value).is_none(), "{name} twice");

    put("genesis_hash", genesis_hash.to_string());
    for seed in [1, 2, 3, 4, 9] {
        put(&format!("key_{seed}_public"), public(seed).to_string());
        put(&format!("key_{seed}_id"), public(seed).id().to_string());
    }
    let ids: Vec<NodeId> = genesis.producers.iter().map(|producer| producer.public_key.id()).collect();
    let pool = Pool::new(ids);
    put("pool_root", pool.root().to_string());

    let transactions = transactions(&genesis_hash);
    for (name, tx) in &transactions {
        put(&format!("tx_{name}_bytes"), hex::encode(tx.bytes()));
        put(&format!("tx_{name}_hash"), tx.hash().to_string());
    }
    let hashes: Vec<Hash> = transactions.iter().map(|(_, tx)| tx.hash()).collect();
    put("tx_root", merkle_root(&hashes).to_string());

    let header = header(&genesis_hash, &pool, merkle_root(&hashes));
    let bytes = header.to_bytes();
    let block_hash = Header::hash_bytes(&genesis_hash, &bytes);
    put("header_bytes", hex::encode(&bytes));
    put("block_hash", block_hash.to_string());
    put(
        "block_signature_by_key_1",
        key(1).sign(Tag::Block, &genesis_hash, block_hash.as_bytes()).to_string(),
    );
    found
}

#[test]
fn canonical_bytes_and_hashes_are_frozen() {
    let frozen: BTreeMap<String, String> = serde_json::from_str(CANONICAL).expect("a flat object of texts");
    let computed = computed();
    for (name, value) in &computed {
        assert_eq!(frozen.get(name), Some(value), "{name}");
    }
    assert_eq!(frozen.len(), computed.len(), "the file names something that is not computed");
}

#[test]
fn frozen_bytes_decode_to_themselves() {
    let genesis_hash = genesis().hash();
    for (name, tx) in transactions(&genesis_hash) {
        let back = SignedTransaction::from_bytes(tx.bytes().to_vec(), &genesis_hash);
        assert_eq!(back.as_ref(), Ok(&tx), "{name}");
        assert_eq!(tx.verify(&genesis_hash), Ok(()), "{name}");
        // 48 bytes (sender, nonce, fee) precede the index of the action.
        let index = tx.bytes()[32 + 8 + 8];
        let names = ["transfer", "data", "register_producer", "exit_producer", "sync_proof"];
        assert_eq!(names.get(usize::from(index)), Some(&name));
    }
    let pool = Pool::new([public(1).id()]);
    let header = header(&genesis_hash, &pool, Hash::ZERO);
    assert_eq!(header.to_bytes().len(), 290);
    assert_eq!(Header::from_bytes(&header.to_bytes()), Ok(header));
    assert_eq!(Signature::BYTES, 64);
}
