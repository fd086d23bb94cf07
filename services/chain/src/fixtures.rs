//! Transactions for unit tests that look at nothing but their place.

use vision_primitives::{Action, Hash, SecretKey, SignedTransaction, Transaction};

/// A transaction that publishes a text, sent by the account of this number.
pub fn published(sender: u8, text: &str, genesis_hash: &Hash) -> SignedTransaction {
    let (key, action) = (SecretKey::from_seed(&[sender; 32]), Action::Data { bytes: text.into() });
    Transaction { sender: key.public_key(), nonce: 0, fee: 1, action }.sign(&key, genesis_hash)
}
