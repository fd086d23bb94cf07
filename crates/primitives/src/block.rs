//! A whole block as it travels and as it is stored.

use crate::{DecodeError, Hash, Header, Signature, SignedTransaction, merkle_root};

/// Most bytes of a header; today's headers are shorter.
pub const MAX_HEADER_BYTES: usize = 512;

/// A decoded block that keeps the bytes it came in. Decoding proves form only, not validity.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Block {
    header: Header,
    header_bytes: Vec<u8>,
    hash: Hash,
    signature: Signature,
    transactions: Vec<SignedTransaction>,
}

/// Why bytes are no block.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BlockError {
    /// Header or transaction bytes that do not decode.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// A signature of another length.
    #[error("a block signature has 64 bytes, got {0}")]
    SignatureLength(usize),
    /// Header bytes past the limit.
    #[error("a header has at most {MAX_HEADER_BYTES} bytes, got {0}")]
    HeaderLength(usize),
}

impl Block {
    /// Puts together a block that this node made itself.
    #[must_use]
    pub fn assemble(
        header: Header,
        signature: Signature,
        transactions: Vec<SignedTransaction>,
        genesis_hash: &Hash,
    ) -> Self {
        let header_bytes = header.to_bytes();
        let hash = Header::hash_bytes(genesis_hash, &header_bytes);
        Self { header, header_bytes, hash, signature, transactions }
    }

    /// Decodes the parts of a block strictly. Their total size is the caller's to bound.
    ///
    /// # Errors
    /// [`BlockError`] naming the part that is wrong.
    pub fn from_parts(
        header_bytes: Vec<u8>,
        signature: &[u8],
        transactions: Vec<Vec<u8>>,
        genesis_hash: &Hash,
    ) -> Result<Self, BlockError> {
        if header_bytes.len() > MAX_HEADER_BYTES {
            return Err(BlockError::HeaderLength(header_bytes.len()));
        }
        let header = Header::from_bytes(&header_bytes)?;
        let signature =
            Signature::from_slice(signature).ok_or(BlockError::SignatureLength(signature.len()))?;
        let transactions = transactions
            .into_iter()
            .map(|bytes| SignedTransaction::from_bytes(bytes, genesis_hash))
            .collect::<Result<_, _>>()?;
        let hash = Header::hash_bytes(genesis_hash, &header_bytes);
        Ok(Self { header, header_bytes, hash, signature, transactions })
    }

    /// The decoded header.
    #[must_use]
    pub const fn header(&self) -> &Header {
        &self.header
    }

    /// The header's canonical bytes as received.
    #[must_use]
    pub fn header_bytes(&self) -> &[u8] {
        &self.header_bytes
    }

    /// The block hash.
    #[must_use]
    pub const fn hash(&self) -> Hash {
        self.hash
    }

    /// The producer's signature over the block hash.
    #[must_use]
    pub const fn signature(&self) -> &Signature {
        &self.signature
    }

    /// The transactions in order.
    #[must_use]
    pub fn transactions(&self) -> &[SignedTransaction] {
        &self.transactions
    }

    /// Size that `max_block_bytes` bounds: header, signature and all transaction bytes.
    #[must_use]
    pub fn size_bytes(&self) -> u64 {
        let transactions: usize = self.transactions.iter().map(|tx| tx.bytes().len()).sum();
        (self.header_bytes.len() + Signature::BYTES + transactions) as u64
    }

    /// Merkle root of the transactions it carries, to be compared with the header's.
    #[must_use]
    pub fn computed_tx_root(&self) -> Hash {
        let hashes: Vec<Hash> = self.transactions.iter().map(SignedTransaction::hash).collect();
        merkle_root(&hashes)
    }
}
