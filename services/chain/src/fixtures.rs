//! Headers and transactions for unit tests that look at nothing but their place.

use vision_primitives::{
    Action, Hash, Header, Height, SecretKey, SignedTransaction, Slot, TimestampMs, Transaction,
};

/// A transaction that publishes a text, sent by the account of this number.
pub fn published(sender: u8, text: &str, genesis_hash: &Hash) -> SignedTransaction {
    let (key, action) = (SecretKey::from_seed(&[sender; 32]), Action::Data { bytes: text.into() });
    Transaction { sender: key.public_key(), nonce: 0, fee: 1, action }.sign(&key, genesis_hash)
}

/// A header that no rule would pass, at a height.
pub fn header(height: u64, parent: Hash, timestamp_ms: u64) -> Header {
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
