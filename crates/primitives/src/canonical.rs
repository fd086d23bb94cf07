//! Canonical bytes: borsh, decoded strictly. Made once by their author, hashed and signed as received.

use borsh::{BorshDeserialize, BorshSerialize};

use crate::Invariant as _;

/// Bytes that are not the canonical form of the wanted value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not canonical bytes of a {what}: {why}")]
pub struct DecodeError {
    /// Name of the value that was expected.
    pub what: &'static str,
    /// What the decoder met.
    pub why: String,
}

/// The canonical bytes of a value.
#[must_use]
pub fn encode<T: BorshSerialize>(value: &T) -> Vec<u8> {
    borsh::to_vec(value).invariant("memory takes all bytes, and no type of ours has a serializer that fails")
}

/// Decodes canonical bytes; anything missing, trailing or out of range is an error.
///
/// # Errors
/// [`DecodeError`] naming what was expected and why the bytes are not it.
pub fn decode_strict<T: BorshDeserialize>(what: &'static str, bytes: &[u8]) -> Result<T, DecodeError> {
    T::try_from_slice(bytes).map_err(|error| DecodeError { what, why: error.to_string() })
}
