//! The trace of a height: every node computes the same ids, so that what all of them did for a height is
//! found under an id that anybody can compute from the height alone.

use std::fmt;

use crate::{Hash, Height, hash};

/// What is hashed before genesis hash and height.
const DOMAIN: &[u8] = b"vision/trace/v1";

/// Where everything that any node does for one height is found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct HeightTrace {
    /// Bytes 0 to 15 of `H("vision/trace/v1" || genesis_hash || le64(height))`.
    pub trace_id: [u8; 16],
    /// Bytes 16 to 23 of the same hash: the span that all others of the height are below.
    pub root_span_id: [u8; 8],
}

impl HeightTrace {
    /// The trace of a height of the chain with this block 0.
    #[must_use]
    pub fn of(genesis_hash: &Hash, height: Height) -> Self {
        let Hash(bytes) = hash(&[DOMAIN, genesis_hash.as_bytes(), &height.get().to_le_bytes()]);
        let (mut trace_id, mut root_span_id) = ([0; 16], [0; 8]);
        trace_id.copy_from_slice(&bytes[..16]);
        root_span_id.copy_from_slice(&bytes[16..24]);
        Self { trace_id, root_span_id }
    }

    /// The ids of trace and root span.
    #[must_use]
    pub const fn ids(&self) -> ([u8; 16], [u8; 8]) {
        (self.trace_id, self.root_span_id)
    }
}

/// The trace id as 32 lowercase hex digits, as receivers of traces show it.
impl fmt::Display for HeightTrace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.trace_id.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Made by `python3 -c 'import hashlib; …sha3_256(b"vision/trace/v1" + genesis + height.to_bytes(8,
    /// "little"))…'`.
    #[test]
    fn ids_as_another_program_computes_them() {
        let cases = [
            (0, 0, "4d0fa9a1d50cc4a04bc2d18e8c95a59e", "e1e7a56ebc6388ef"),
            (0, 1, "f4cd462a0d691c42fb8427905def1e17", "4aa3a4bde9905f84"),
            (171, 1, "d9cb1c2eb17597456132f442cf58173a", "63fdf2f725b2b152"),
            (171, 12345, "f9fc6fb43f33de22af1e40b427b5ceef", "040ab55a2812ae24"),
            (255, u64::MAX, "c15f8bf33b9e56dde09d4947d1dbe76e", "15074f18f77eb542"),
        ];
        for (genesis, height, trace_id, root_span_id) in cases {
            let trace = HeightTrace::of(&Hash([genesis; 32]), Height(height));
            assert_eq!(trace.to_string(), trace_id, "{genesis} {height}");
            assert_eq!(hex::encode(trace.root_span_id), root_span_id, "{genesis} {height}");
        }
    }
}
