//! Ed25519 keys and signatures, verified by the rules of ZIP-215 so that single and batch
//! verification agree on every input.

use std::convert::Infallible;
use std::fmt;

use borsh::{BorshDeserialize, BorshSerialize};
use ed25519_zebra::batch;
use ed25519_zebra::{SigningKey, VerificationKey, VerificationKeyBytes};
use zeroize::Zeroizing;

use crate::{Hash, Hasher, HexError, hash};

/// What a signature is for. Every purpose has its own tag, so that a signature made for one can
/// never be shown as another.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Tag {
    /// A producer signs the hash of its block's header.
    Block,
    /// A sender signs the canonical bytes of its transaction.
    Transaction,
    /// A peer signs its head status and handshake.
    Status,
    /// A node key vouches for the key its chain service uses towards peers.
    PeerKey,
    /// A producer key proves that its owner asked for its registration.
    Register,
    /// A peer signs what it reports about itself.
    Report,
    /// A voter signs the canonical bytes of a vote.
    Vote,
}

impl Tag {
    /// The ASCII tag, without terminator.
    #[must_use]
    pub const fn as_bytes(self) -> &'static [u8] {
        match self {
            Self::Block => b"vision/block/v1",
            Self::Transaction => b"vision/tx/v1",
            Self::Status => b"vision/status/v1",
            Self::PeerKey => b"vision/peer-key/v1",
            Self::Register => b"vision/register/v1",
            Self::Report => b"vision/report/v1",
            Self::Vote => b"vision/vote/v1",
        }
    }
}

/// The bytes a signature covers: `tag || genesis_hash || payload`.
#[must_use]
pub fn signed_message(tag: Tag, genesis_hash: &Hash, payload: &[u8]) -> Vec<u8> {
    [tag.as_bytes(), genesis_hash.as_bytes(), payload].concat()
}

/// A 32-byte Ed25519 public key as it appears in canonical bytes; not checked to be a curve point.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize)]
pub struct PublicKey(pub [u8; 32]);

impl PublicKey {
    /// The node id or account address of this key: `H(public key)`.
    #[must_use]
    pub fn id(&self) -> Hash {
        hash(&[&self.0])
    }

    /// Whether the bytes are a point of the curve, as every key that can sign is.
    #[must_use]
    pub fn is_valid(&self) -> bool {
        VerificationKey::try_from(self.0).is_ok()
    }

    /// Verifies one signature over `tag || genesis_hash || payload`.
    ///
    /// # Errors
    /// [`SignatureError`] when the key is no curve point or the signature does not fit.
    pub fn verify(
        &self,
        tag: Tag,
        genesis_hash: &Hash,
        payload: &[u8],
        signature: &Signature,
    ) -> Result<(), SignatureError> {
        let key = VerificationKey::try_from(self.0).map_err(|_| SignatureError)?;
        key.verify(&signature.to_zebra(), &signed_message(tag, genesis_hash, payload))
            .map_err(|_| SignatureError)
    }

    /// Verifies one signature by strict RFC 8032 rules as well: canonical encodings, no point of small order,
    /// the equation without cofactor. What passes here passes in every library; what other people verify is
    /// accepted by these rules only.
    ///
    /// # Errors
    /// [`SignatureError`] when the key or the signature does not fit.
    pub fn verify_strict(
        &self,
        tag: Tag,
        genesis_hash: &Hash,
        payload: &[u8],
        signature: &Signature,
    ) -> Result<(), SignatureError> {
        let key = ed25519_dalek::VerifyingKey::from_bytes(&self.0).map_err(|_| SignatureError)?;
        // A key of another encoding than its point's own is another message to whoever re-encodes it.
        if key.to_edwards().compress().0 != self.0 {
            return Err(SignatureError);
        }
        let signature = ed25519_dalek::Signature::from_bytes(&signature.0);
        key.verify_strict(&signed_message(tag, genesis_hash, payload), &signature).map_err(|_| SignatureError)
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::str::FromStr for PublicKey {
    type Err = HexError;

    fn from_str(text: &str) -> Result<Self, HexError> {
        Ok(Self(text.parse::<Hash>()?.0))
    }
}

impl serde::Serialize for PublicKey {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for PublicKey {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        Ok(Self(<Hash as serde::Deserialize>::deserialize(d)?.0))
    }
}

/// A 64-byte Ed25519 signature.
#[derive(Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Signature(pub [u8; 64]);

impl Signature {
    /// Length in bytes.
    pub const BYTES: usize = 64;

    /// 64 zero bytes: the signature of block 0, which nobody signs.
    pub const ZERO: Self = Self([0; 64]);

    fn to_zebra(self) -> ed25519_zebra::Signature {
        ed25519_zebra::Signature::from_bytes(&self.0)
    }

    /// Reads a signature from exactly 64 bytes.
    #[must_use]
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }
}

impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A signature that does not verify.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the signature does not verify")]
pub struct SignatureError;

/// Text or bytes that are no secret key. Never says what it was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected a secret key of 64 lowercase hex digits")]
pub struct KeyError;

/// An Ed25519 secret key. Wiped from memory when dropped; never shown.
#[derive(Clone)]
pub struct SecretKey(SigningKey);

impl SecretKey {
    /// The key made from a 32-byte seed.
    #[must_use]
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        Self(SigningKey::from(*seed))
    }

    /// Reads the text form of a key file: 64 hex digits, surrounding white space allowed.
    ///
    /// # Errors
    /// [`KeyError`], which does not repeat the text.
    pub fn from_hex(text: &str) -> Result<Self, KeyError> {
        let mut seed = Zeroizing::new([0; 32]);
        hex::decode_to_slice(text.trim(), seed.as_mut_slice()).map_err(|_| KeyError)?;
        Ok(Self::from_seed(&seed))
    }

    /// The text form for a key file of mode 0600.
    #[must_use]
    pub fn to_secret_hex(&self) -> Zeroizing<String> {
        Zeroizing::new(hex::encode(self.0.as_ref()))
    }

    /// The public half.
    #[must_use]
    pub fn public_key(&self) -> PublicKey {
        PublicKey(self.0.verification_key().into())
    }

    /// Signs `tag || genesis_hash || payload`.
    #[must_use]
    pub fn sign(&self, tag: Tag, genesis_hash: &Hash, payload: &[u8]) -> Signature {
        Signature(self.0.sign(&signed_message(tag, genesis_hash, payload)).to_bytes())
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretKey of {}", self.public_key())
    }
}

/// Verifies many signatures at about half the cost of one by one.
///
/// The random coefficients of the batch equation are drawn from a hash over every key, signature
/// and message of the batch, so that the result is a function of the batch alone and no one can
/// choose a batch that cancels out.
#[derive(Default)]
pub struct BatchVerifier {
    verifier: batch::Verifier,
    transcript: Hasher,
    queued: usize,
}

impl BatchVerifier {
    /// An empty batch, which verifies.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds one signature over `tag || genesis_hash || payload`.
    pub fn queue(
        &mut self,
        key: &PublicKey,
        tag: Tag,
        genesis_hash: &Hash,
        payload: &[u8],
        signature: &Signature,
    ) {
        let message = signed_message(tag, genesis_hash, payload);
        self.transcript.update(&key.0);
        self.transcript.update(&signature.0);
        self.transcript.update(&(message.len() as u64).to_le_bytes());
        self.transcript.update(&message);
        self.verifier.queue((VerificationKeyBytes::from(key.0), signature.to_zebra(), &message));
        self.queued += 1;
    }

    /// How many signatures wait.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.queued
    }

    /// Whether nothing waits.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.queued == 0
    }

    /// Whether all queued signatures verify; says nothing about which one does not.
    ///
    /// # Errors
    /// [`SignatureError`] if any does not.
    pub fn verify(self) -> Result<(), SignatureError> {
        let rng = TranscriptRng { seed: self.transcript.finish(), counter: 0, block: Hash::ZERO, used: 32 };
        self.verifier.verify(rng).map_err(|_| SignatureError)
    }
}

/// SHA3-256 in counter mode over the batch's transcript.
struct TranscriptRng {
    seed: Hash,
    counter: u64,
    block: Hash,
    used: usize,
}

impl rand_core::TryRng for TranscriptRng {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let mut bytes = [0; 4];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u32::from_le_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let mut bytes = [0; 8];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Infallible> {
        for byte in out {
            if self.used == 32 {
                self.block = hash(&[self.seed.as_bytes(), &self.counter.to_le_bytes()]);
                self.counter = self.counter.wrapping_add(1);
                self.used = 0;
            }
            *byte = self.block.0[self.used];
            self.used += 1;
        }
        Ok(())
    }
}

impl rand_core::TryCryptoRng for TranscriptRng {}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(seed: u8) -> SecretKey {
        SecretKey::from_seed(&[seed; 32])
    }

    #[test]
    fn a_signature_binds_key_tag_chain_and_payload() {
        let (genesis, other) = (hash(&[b"a"]), hash(&[b"b"]));
        let signature = key(1).sign(Tag::Block, &genesis, b"payload");
        let public = key(1).public_key();
        let mut bent = signature;
        bent.0[0] ^= 1;
        let cases = [
            ("as signed", public, Tag::Block, genesis, &b"payload"[..], signature, true),
            ("other key", key(2).public_key(), Tag::Block, genesis, b"payload", signature, false),
            ("other tag", public, Tag::Transaction, genesis, b"payload", signature, false),
            ("other chain", public, Tag::Block, other, b"payload", signature, false),
            ("other payload", public, Tag::Block, genesis, b"payloae", signature, false),
            ("other signature", public, Tag::Block, genesis, b"payload", bent, false),
        ];
        for (desc, public, tag, genesis, payload, signature, expect) in cases {
            assert_eq!(public.verify(tag, &genesis, payload, &signature).is_ok(), expect, "{desc}");
            let mut batch = BatchVerifier::new();
            batch.queue(&public, tag, &genesis, payload, &signature);
            assert_eq!(batch.verify().is_ok(), expect, "batch: {desc}");
        }
    }

    #[test]
    fn one_bad_signature_spoils_its_batch() {
        let genesis = hash(&[b"a"]);
        for bad in [None, Some(0), Some(7), Some(31)] {
            let mut batch = BatchVerifier::new();
            for i in 0..32_u8 {
                let signature = key(i).sign(Tag::Transaction, &genesis, &[i]);
                let payload = if bad == Some(i) { [255] } else { [i] };
                batch.queue(&key(i).public_key(), Tag::Transaction, &genesis, &payload, &signature);
            }
            assert_eq!(batch.len(), 32);
            assert_eq!(batch.verify().is_ok(), bad.is_none(), "bad: {bad:?}");
        }
    }

    #[test]
    fn secret_keys_survive_their_text_form_and_are_never_shown() {
        let text = key(3).to_secret_hex();
        let back = SecretKey::from_hex(&format!("{}\n", *text)).expect("own text form");
        assert_eq!(back.public_key(), key(3).public_key());
        assert!(!format!("{:?}", key(3)).contains(text.as_str()));
        assert_eq!(SecretKey::from_hex("nonsense").err(), Some(KeyError));
    }
}
