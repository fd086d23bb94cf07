//! A header that decodes encodes to the same bytes, and so has one hash.
use crate::values::GENESIS_HASH;
use vision_primitives::{Block, Header, MAX_HEADER_BYTES, Signature};

pub(crate) fn run(bytes: &[u8]) {
    let Ok(header) = Header::from_bytes(bytes) else { return };
    assert_eq!(header.to_bytes(), bytes);
    assert!(bytes.len() <= MAX_HEADER_BYTES);
    let block = Block::assemble(header, Signature::ZERO, Vec::new(), &GENESIS_HASH);
    assert_eq!(block.hash(), Header::hash_bytes(&GENESIS_HASH, bytes));
}
