//! Transactions (`docs/protocol.md`, section 11).

use borsh::{BorshDeserialize, BorshSerialize};

use crate::{
    Address, DecodeError, Hash, Height, PublicKey, SecretKey, Signature, SignatureError, Tag, decode_strict,
    encode, hash,
};

/// Most bytes that a `Data` action may carry.
pub const MAX_DATA_BYTES: usize = 64 * 1024;

/// Bytes of the smallest signed transaction, an exit: key, nonce, fee, the action's index and the signature.
pub const MIN_TRANSACTION_BYTES: usize = 32 + 8 + 8 + 1 + 64;

/// What a transaction does.
#[derive(Clone, PartialEq, Eq, Debug, BorshSerialize, BorshDeserialize)]
pub enum Action {
    /// Moves an amount from the sender to `to`.
    Transfer {
        /// Receiving account.
        to: Address,
        /// Amount in the smallest unit.
        amount: u64,
    },
    /// Puts bytes on the chain, at most [`MAX_DATA_BYTES`].
    Data {
        /// The bytes; nobody interprets them.
        bytes: Vec<u8>,
    },
    /// Asks for a producer's registration; anybody may pay for it.
    RegisterProducer {
        /// The producer's key.
        public_key: PublicKey,
        /// The account that gets its rewards and fees.
        payout: Address,
        /// Signature by `public_key` with tag `vision/register/v1` over [`registration_payload`].
        proof_of_possession: Signature,
    },
    /// The sender's own producer leaves for good.
    ExitProducer,
    /// The sender's own suspended producer shows that it follows the chain.
    SyncProof(SyncProof),
}

impl Action {
    /// The registration of a producer's key, with the proof that its owner wants it.
    #[must_use]
    pub fn registration(producer: &SecretKey, payout: Address, genesis_hash: &Hash) -> Self {
        let public_key = producer.public_key();
        let payload = registration_payload(&public_key, &payout);
        let proof_of_possession = producer.sign(Tag::Register, genesis_hash, &payload);
        Self::RegisterProducer { public_key, payout, proof_of_possession }
    }
}

/// Names a recent block of the including block's own chain.
#[derive(Clone, PartialEq, Eq, Debug, BorshSerialize, BorshDeserialize)]
pub struct SyncProof {
    /// Height of the block.
    pub height: Height,
    /// Its hash.
    pub hash: Hash,
}

/// What a producer's key signs to prove that its owner wants the registration.
#[must_use]
pub fn registration_payload(public_key: &PublicKey, payout: &Address) -> Vec<u8> {
    [&public_key.0[..], payout.as_bytes()].concat()
}

/// A transaction before it is signed. Its canonical bytes are what the sender signs.
#[derive(Clone, PartialEq, Eq, Debug, BorshSerialize, BorshDeserialize)]
pub struct Transaction {
    /// Key of the sending account.
    pub sender: PublicKey,
    /// 0, 1, 2, … per sender; 0 for a sync proof.
    pub nonce: u64,
    /// Paid to the block's producer; 0 for a sync proof.
    pub fee: u64,
    /// What it does.
    pub action: Action,
}

impl Transaction {
    /// Signs with the sender's key.
    #[must_use]
    pub fn sign(self, key: &SecretKey, genesis_hash: &Hash) -> SignedTransaction {
        let payload = encode(&self);
        let signature = key.sign(Tag::Transaction, genesis_hash, &payload);
        let bytes = [&payload[..], &signature.0].concat();
        SignedTransaction::assemble(self, signature, bytes, genesis_hash)
    }
}

/// A signed transaction with the bytes it came in: `borsh(transaction) || signature`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SignedTransaction {
    transaction: Transaction,
    signature: Signature,
    bytes: Vec<u8>,
    hash: Hash,
    sender: Address,
}

impl SignedTransaction {
    fn assemble(transaction: Transaction, signature: Signature, bytes: Vec<u8>, genesis_hash: &Hash) -> Self {
        let hash = Self::hash_bytes(genesis_hash, &bytes);
        let sender = transaction.sender.id();
        Self { transaction, signature, bytes, hash, sender }
    }

    /// Hash of a transaction's signed bytes: `H("vision/tx-hash/v1" || genesis_hash || bytes)`.
    #[must_use]
    pub fn hash_bytes(genesis_hash: &Hash, bytes: &[u8]) -> Hash {
        hash(&[b"vision/tx-hash/v1", genesis_hash.as_bytes(), bytes])
    }

    /// Decodes strictly; does not verify the signature.
    ///
    /// # Errors
    /// [`DecodeError`] when the bytes are not exactly one signed transaction.
    pub fn from_bytes(bytes: Vec<u8>, genesis_hash: &Hash) -> Result<Self, DecodeError> {
        let short = || DecodeError { what: "transaction", why: "shorter than a signature".into() };
        let at = bytes.len().checked_sub(Signature::BYTES).ok_or_else(short)?;
        let (payload, tail) = bytes.split_at(at);
        let signature = Signature::from_slice(tail).ok_or_else(short)?;
        let transaction = decode_strict("transaction", payload)?;
        Ok(Self::assemble(transaction, signature, bytes, genesis_hash))
    }

    /// What was signed.
    #[must_use]
    pub const fn transaction(&self) -> &Transaction {
        &self.transaction
    }

    /// The sender's signature.
    #[must_use]
    pub const fn signature(&self) -> &Signature {
        &self.signature
    }

    /// All bytes as received: payload and signature.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The bytes that the signature covers.
    #[must_use]
    pub fn payload(&self) -> &[u8] {
        &self.bytes[..self.bytes.len() - Signature::BYTES]
    }

    /// Its hash, see [`hash_bytes`](Self::hash_bytes).
    #[must_use]
    pub const fn hash(&self) -> Hash {
        self.hash
    }

    /// Address of the sending account.
    #[must_use]
    pub const fn sender_address(&self) -> Address {
        self.sender
    }

    /// Verifies the sender's signature.
    ///
    /// # Errors
    /// [`SignatureError`] if it does not fit.
    pub fn verify(&self, genesis_hash: &Hash) -> Result<(), SignatureError> {
        self.transaction.sender.verify(Tag::Transaction, genesis_hash, self.payload(), &self.signature)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signed_bytes_round_trip_and_nothing_else_decodes() {
        let (key, genesis) = (SecretKey::from_seed(&[1; 32]), hash(&[b"g"]));
        let actions = [
            Action::Transfer { to: Hash::ZERO, amount: 5 },
            Action::Data { bytes: vec![1, 2, 3] },
            Action::ExitProducer,
            Action::SyncProof(SyncProof { height: Height(3), hash: Hash::ZERO }),
        ];
        for action in actions {
            let tx = Transaction { sender: key.public_key(), nonce: 1, fee: 2, action };
            let signed = tx.sign(&key, &genesis);
            assert_eq!(signed.verify(&genesis), Ok(()));
            assert_eq!(signed.verify(&Hash::ZERO), Err(SignatureError));
            let back = SignedTransaction::from_bytes(signed.bytes().to_vec(), &genesis);
            assert_eq!(back.as_ref(), Ok(&signed));
            for cut in 0..signed.bytes().len() {
                assert!(SignedTransaction::from_bytes(signed.bytes()[..cut].to_vec(), &genesis).is_err());
            }
            let longer = [signed.bytes(), &[0]].concat();
            assert!(SignedTransaction::from_bytes(longer, &genesis).is_err());
        }
    }
}
