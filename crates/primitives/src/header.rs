//! Block headers and their hash (`docs/protocol.md`, section 6).

use borsh::{BorshDeserialize, BorshSerialize};

use crate::{DecodeError, Hash, Height, NodeId, Slot, TimestampMs, decode_strict, encode, hash};

/// The only header version there is.
pub const HEADER_VERSION: u16 = 1;

/// A block's header. Its canonical bytes are these fields in this order.
#[derive(Clone, PartialEq, Eq, Debug, BorshSerialize, BorshDeserialize)]
pub struct Header {
    /// [`HEADER_VERSION`].
    pub version: u16,
    /// Parent's height + 1.
    pub height: Height,
    /// Hash of the parent block.
    pub parent: Hash,
    /// Instant within the slot's window.
    pub timestamp_ms: TimestampMs,
    /// The slot used.
    pub slot: Slot,
    /// Owner of the slot.
    pub producer: NodeId,
    /// Merkle root of the transaction hashes.
    pub tx_root: Hash,
    /// Commitment to the whole state after this block.
    pub state_root: Hash,
    /// Commitment to the pool that the slots were dealt over.
    pub pool_root: Hash,
    /// Parent's weight + max(1, m − slot).
    pub weight: u64,
    /// Hash of the carried certificate; zero while there are none.
    pub certificate_hash: Hash,
    /// Preimage of the producer's commitment; zero under `prev_hash`.
    pub reveal: Hash,
    /// Accumulated randomness; zero under `prev_hash`.
    pub mix: Hash,
}

impl Header {
    /// The canonical bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        encode(self)
    }

    /// Decodes canonical bytes strictly.
    ///
    /// # Errors
    /// [`DecodeError`] when they are not exactly one header.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, DecodeError> {
        decode_strict("header", bytes)
    }

    /// The block hash: over the bytes as received, never re-encoded.
    #[must_use]
    pub fn hash_bytes(genesis_hash: &Hash, bytes: &[u8]) -> Hash {
        hash(&[b"vision/header/v1", genesis_hash.as_bytes(), bytes])
    }
}
