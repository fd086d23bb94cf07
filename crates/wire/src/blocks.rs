//! Blocks between their wire form and their decoded form.

use bytes::Bytes;
use vision_primitives::{Block, BlockError, Hash, SignedTransaction};

use crate::types;

/// The wire form: the bytes as received or as made, never encoded again.
#[must_use]
pub fn block_to_proto(block: &Block) -> types::Block {
    types::Block {
        header: Bytes::copy_from_slice(block.header_bytes()),
        signature: Bytes::copy_from_slice(&block.signature().0),
        transactions: block.transactions().iter().map(transaction_bytes).collect(),
        certificate: Bytes::new(),
    }
}

/// The wire form of block 0, which has neither header nor signature.
#[must_use]
pub fn genesis_to_proto() -> types::Block {
    types::Block::default()
}

fn transaction_bytes(transaction: &SignedTransaction) -> Bytes {
    Bytes::copy_from_slice(transaction.bytes())
}

/// Decodes strictly; proves form only, not validity.
///
/// # Errors
/// [`BlockError`] naming the part that is wrong. A certificate is refused as long as there are none.
pub fn block_from_proto(block: types::Block, genesis_hash: &Hash) -> Result<Block, BlockError> {
    if !block.certificate.is_empty() {
        return Err(vision_primitives::DecodeError {
            what: "block",
            why: format!("certificates are not supported, got {} bytes of one", block.certificate.len()),
        }
        .into());
    }
    let transactions = block.transactions.into_iter().map(Vec::from).collect();
    Block::from_parts(block.header.into(), &block.signature, transactions, genesis_hash)
}

#[cfg(test)]
mod tests {
    use super::*;
    use vision_primitives::{Action, Header, SecretKey, Signature, Slot, TimestampMs, Transaction};

    fn block(genesis_hash: &Hash) -> Block {
        let key = SecretKey::from_seed(&[7; 32]);
        let action = Action::Transfer { to: Hash([9; 32]), amount: 3 };
        let tx = Transaction { sender: key.public_key(), nonce: 0, fee: 1, action }.sign(&key, genesis_hash);
        let header = Header {
            version: 1,
            height: vision_primitives::Height(5),
            parent: Hash([1; 32]),
            timestamp_ms: TimestampMs(1_700_000_000_000),
            slot: Slot(2),
            producer: key.public_key().id(),
            tx_root: vision_primitives::merkle_root(&[tx.hash()]),
            state_root: Hash([2; 32]),
            pool_root: Hash([3; 32]),
            weight: 17,
            certificate_hash: Hash::ZERO,
            reveal: Hash::ZERO,
            mix: Hash::ZERO,
        };
        Block::assemble(header, Signature([4; 64]), vec![tx], genesis_hash)
    }

    #[test]
    fn a_block_survives_the_wire_byte_for_byte() {
        let genesis_hash = Hash([8; 32]);
        let before = block(&genesis_hash);
        assert_eq!(block_from_proto(block_to_proto(&before), &genesis_hash), Ok(before));
    }

    #[test]
    fn broken_parts_are_refused() {
        let genesis_hash = Hash([8; 32]);
        type Case = (&'static str, fn(&mut types::Block));
        let cases: [Case; 6] = [
            ("no header", |b| b.header = Bytes::new()),
            ("header with a tail", |b| b.header = [&b.header[..], &[0]].concat().into()),
            ("short signature", |b| b.signature = b.signature.slice(..63)),
            ("cut transaction", |b| b.transactions[0] = b.transactions[0].slice(1..)),
            ("empty transaction", |b| b.transactions.push(Bytes::new())),
            ("a certificate", |b| b.certificate = Bytes::from_static(b"x")),
        ];
        for (desc, edit) in cases {
            let mut wire = block_to_proto(&block(&genesis_hash));
            edit(&mut wire);
            assert!(block_from_proto(wire, &genesis_hash).is_err(), "{desc}");
        }
        assert!(block_from_proto(genesis_to_proto(), &genesis_hash).is_err(), "block 0 is never sent");
    }
}
