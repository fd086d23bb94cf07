//! Blocks for unit tests that look at nothing but their place.

use vision_primitives::{Block, Hash, Header, Height, Signature, Slot, TimestampMs};

/// A block of height 1 that no rule would pass.
pub fn block(parent: Hash, timestamp_ms: u64) -> Block {
    let header = Header {
        version: 1,
        height: Height(1),
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
    };
    Block::assemble(header, Signature::ZERO, vec![], &Hash::ZERO)
}
