//! Values as they lie in the store: canonical bytes and a check sum, so that a flipped bit is found
//! before anything is published.

use borsh::{BorshDeserialize, BorshSerialize};
use vision_primitives::{Block, decode_strict, encode, hash};

use super::StoreError;

/// Bytes of the check sum behind every value.
const CHECKSUM_BYTES: usize = 8;

/// A block's parts as received.
#[derive(Clone, PartialEq, Eq, Debug, BorshSerialize, BorshDeserialize)]
pub(crate) struct BlockRecord {
    /// Canonical header bytes.
    pub header: Vec<u8>,
    /// The producer's signature.
    pub signature: Vec<u8>,
    /// Signed bytes of each transaction.
    pub transactions: Vec<Vec<u8>>,
}

impl BlockRecord {
    /// The parts of a decoded block.
    pub(crate) fn of(block: &Block) -> Self {
        Self {
            header: block.header_bytes().to_vec(),
            signature: block.signature().0.to_vec(),
            transactions: block.transactions().iter().map(|tx| tx.bytes().to_vec()).collect(),
        }
    }

    /// Bytes this block takes on the wire, roughly.
    pub(crate) fn size_bytes(&self) -> usize {
        self.header.len() + self.signature.len() + self.transactions.iter().map(Vec::len).sum::<usize>()
    }
}

/// What lists show of a block: everything but its transactions. Kept apart from the block, so that a page of
/// headers does not read the bodies.
#[derive(Clone, PartialEq, Eq, Debug, BorshSerialize, BorshDeserialize)]
pub(crate) struct HeaderRecord {
    /// Canonical header bytes.
    pub header: Vec<u8>,
    /// The producer's signature.
    pub signature: Vec<u8>,
    /// Number of its transactions.
    pub tx_count: u32,
    /// Bytes of the whole block, as [`BlockRecord::size_bytes`] counts them.
    pub size_bytes: u64,
}

impl HeaderRecord {
    /// The header of a block.
    pub(crate) fn of(block: &BlockRecord) -> Self {
        Self {
            header: block.header.clone(),
            signature: block.signature.clone(),
            tx_count: u32::try_from(block.transactions.len()).unwrap_or(u32::MAX),
            size_bytes: block.size_bytes() as u64,
        }
    }
}

fn checksum(key: &[u8], payload: &[u8]) -> [u8; CHECKSUM_BYTES] {
    hash(&[b"vision/store/v1", key, payload]).first_u64().to_le_bytes()
}

/// Canonical bytes of a value and the check sum over its key and them.
pub(super) fn seal<T: BorshSerialize>(key: &[u8], value: &T) -> Vec<u8> {
    let mut bytes = encode(value);
    let sum = checksum(key, &bytes);
    bytes.extend_from_slice(&sum);
    bytes
}

/// Undoes [`seal`]; anything altered since is an error.
pub(super) fn open<T: BorshDeserialize>(
    what: &'static str,
    key: &[u8],
    bytes: &[u8],
) -> Result<T, StoreError> {
    let corrupt = |why: &str| StoreError::Corrupt(format!("{what} {}: {why}", hex::encode(key)));
    let at = bytes.len().checked_sub(CHECKSUM_BYTES).ok_or_else(|| corrupt("too short"))?;
    let (payload, sum) = bytes.split_at(at);
    if sum != checksum(key, payload) {
        return Err(corrupt("the checksum does not match"));
    }
    decode_strict(what, payload).map_err(|error| corrupt(&error.why))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_flipped_bit_is_found() {
        let record =
            BlockRecord { header: vec![1, 2], signature: vec![3; 64], transactions: vec![vec![4], vec![]] };
        let sealed = seal(b"key", &record);
        assert_eq!(open::<BlockRecord>("block", b"key", &sealed).ok(), Some(record));
        assert!(open::<BlockRecord>("block", b"other", &sealed).is_err());
        for bit in 0..sealed.len() * 8 {
            let mut bent = sealed.clone();
            bent[bit / 8] ^= 1 << (bit % 8);
            assert!(open::<BlockRecord>("block", b"key", &bent).is_err(), "bit {bit}");
        }
        for cut in 0..sealed.len() {
            assert!(open::<BlockRecord>("block", b"key", &sealed[..cut]).is_err(), "cut {cut}");
        }
    }
}
