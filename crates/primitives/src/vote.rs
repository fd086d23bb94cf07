//! Votes and certificates (`docs/protocol.md`, section 9): their canonical bytes, and what makes them valid
//! by themselves. Who may vote, and for what, is decided elsewhere.

use borsh::{BorshDeserialize, BorshSerialize};

use crate::{
    DecodeError, Finality, Hash, Height, NodeId, PublicKey, SecretKey, Signature, SignatureError, Tag,
    decode_strict, encode, hash,
};

/// What a vote says of its target.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, BorshSerialize, BorshDeserialize)]
pub enum VoteKind {
    /// "I have it, and build on it": a quorum of these certifies the target.
    Prevote,
    /// "I know that it is certified": a quorum of these makes the target final.
    Precommit,
}

/// A block on the time grid, as a vote names it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, BorshSerialize, BorshDeserialize)]
pub struct Checkpoint {
    /// Its block hash.
    pub hash: Hash,
    /// Its cell on the time grid.
    pub cell: u64,
}

/// What is voted for. Its canonical bytes, these fields in this order, are what a voter signs.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, BorshSerialize, BorshDeserialize)]
pub struct Vote {
    /// Which of the two steps.
    pub kind: VoteKind,
    /// Number of the voters' epoch.
    pub epoch: u64,
    /// [`VoterSet::root`] of the voters.
    pub voters: Hash,
    /// Prevote: the highest checkpoint that the target's chain shows to be certified. Precommit: the target.
    pub source: Checkpoint,
    /// The checkpoint voted for.
    pub target: Checkpoint,
    /// Height of the target.
    pub height: Height,
}

impl Vote {
    /// Where its source stands: an instant of the grid in half cells, a prevote before a precommit.
    #[must_use]
    pub const fn source_level(&self) -> u64 {
        self.source.cell.saturating_mul(2)
    }

    /// Where its target stands.
    #[must_use]
    pub const fn target_level(&self) -> u64 {
        let step = match self.kind {
            VoteKind::Prevote => 0,
            VoteKind::Precommit => 1,
        };
        self.target.cell.saturating_mul(2).saturating_add(step)
    }

    /// Whether its source can be one: the target itself for a precommit, a checkpoint in an earlier cell for
    /// a prevote.
    #[must_use]
    pub fn has_fitting_source(&self) -> bool {
        match self.kind {
            VoteKind::Prevote => self.source.cell < self.target.cell,
            VoteKind::Precommit => self.source == self.target,
        }
    }

    /// Signs it.
    #[must_use]
    pub fn sign(&self, key: &SecretKey, genesis_hash: &Hash) -> SignedVote {
        let signature = key.sign(Tag::Vote, genesis_hash, &encode(self));
        SignedVote { vote: *self, voter: key.public_key().id(), signature }
    }

    /// Whether a voter's signature fits, by strict RFC 8032 rules, so that every library agrees.
    ///
    /// # Errors
    /// [`SignatureError`] if it does not.
    pub fn verify(
        &self,
        key: &PublicKey,
        genesis_hash: &Hash,
        signature: &Signature,
    ) -> Result<(), SignatureError> {
        key.verify_strict(Tag::Vote, genesis_hash, &encode(self), signature)
    }
}

/// A vote with its signature. Its canonical bytes are these fields in this order.
#[derive(Clone, Copy, PartialEq, Eq, Debug, BorshSerialize, BorshDeserialize)]
pub struct SignedVote {
    /// What is voted for.
    pub vote: Vote,
    /// Id of the voter.
    pub voter: NodeId,
    /// Its signature over the vote.
    pub signature: Signature,
}

impl SignedVote {
    /// Length of the canonical bytes.
    pub const BYTES: usize = 1 + 8 + 32 + 40 + 40 + 8 + 32 + Signature::BYTES;

    /// The canonical bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        encode(self)
    }

    /// Decodes canonical bytes strictly. Proves form only.
    ///
    /// # Errors
    /// [`DecodeError`] when they are not exactly one signed vote.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, DecodeError> {
        decode_strict("vote", bytes)
    }
}

/// One who may vote.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, BorshSerialize, BorshDeserialize)]
pub struct Voter {
    /// Its id.
    pub id: NodeId,
    /// The key that verifies its votes.
    pub key: PublicKey,
}

/// Who votes in an epoch.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct VoterSet {
    epoch: u64,
    voters: Vec<Voter>,
    rule: Finality,
    root: Hash,
}

impl VoterSet {
    /// The voters of an epoch, in any order; of two with one id the first counts.
    #[must_use]
    pub fn new(epoch: u64, voters: impl IntoIterator<Item = Voter>, rule: Finality) -> Self {
        let mut voters: Vec<Voter> = voters.into_iter().collect();
        voters.sort_by_key(|voter| voter.id);
        voters.dedup_by_key(|voter| voter.id);
        let root = hash(&[b"vision/voters/v1", &encode(&voters)]);
        Self { epoch, voters, rule, root }
    }

    /// Number of its epoch.
    #[must_use]
    pub const fn epoch(&self) -> u64 {
        self.epoch
    }

    /// The voters, ascending by id.
    #[must_use]
    pub fn voters(&self) -> &[Voter] {
        &self.voters
    }

    /// `H("vision/voters/v1" || borsh list of {id [32], key [32]}, ascending by id)`.
    #[must_use]
    pub const fn root(&self) -> Hash {
        self.root
    }

    /// How many votes make a certificate.
    #[must_use]
    pub fn quorum(&self) -> usize {
        self.rule.quorum(self.voters.len())
    }

    /// A voter's place among all.
    #[must_use]
    pub fn position(&self, id: &NodeId) -> Option<usize> {
        self.voters.binary_search_by_key(id, |voter| voter.id).ok()
    }

    /// The key of a voter.
    #[must_use]
    pub fn key_of(&self, id: &NodeId) -> Option<PublicKey> {
        Some(self.voters.get(self.position(id)?)?.key)
    }

    /// Whether a vote names this epoch and these voters.
    #[must_use]
    pub fn is_named_by(&self, vote: &Vote) -> bool {
        vote.epoch == self.epoch && vote.voters == self.root
    }
}

/// A quorum's votes for one and the same. Its canonical bytes are these fields in this order.
#[derive(Clone, PartialEq, Eq, Debug, BorshSerialize, BorshDeserialize)]
pub struct Certificate {
    /// What was voted for.
    pub vote: Vote,
    /// Who voted: bit `i % 8`, the lowest first, of byte `i / 8` stands for voter `i` of the epoch, ascending
    /// by id. As many bytes as the epoch's voters need.
    pub voted: Vec<u8>,
    /// The signatures, in the order of the voters.
    pub signatures: Vec<Signature>,
}

/// Why a certificate proves nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    /// Its votes are those of another epoch, or of other voters.
    #[error("its votes name epoch {named} and other voters than those of epoch {expected}")]
    Voters {
        /// The epoch that it names.
        named: u64,
        /// The epoch at hand.
        expected: u64,
    },
    /// The bitmap has a wrong length, or a bit that stands for nobody.
    #[error("its bitmap has {got} bytes or a bit too many; {voters} voters need {needed} bytes")]
    Bitmap {
        /// Bytes needed.
        needed: usize,
        /// Bytes found.
        got: usize,
        /// How many voters there are.
        voters: usize,
    },
    /// Not one signature for each bit.
    #[error("{signatures} signatures for {voted} voters")]
    Count {
        /// Bits set.
        voted: usize,
        /// Signatures.
        signatures: usize,
    },
    /// Too few votes.
    #[error("{got} votes; {quorum} are needed")]
    TooFew {
        /// Needed.
        quorum: usize,
        /// Found.
        got: usize,
    },
    /// A signature that does not verify.
    #[error("the signature of voter {0} does not verify")]
    Signature(NodeId),
    /// A precommit whose source is not its target, or a prevote whose source is not below its target.
    #[error("its source does not fit its target")]
    Source,
}

impl CertificateError {
    /// The error's stable name.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Voters { .. } => "OTHER_VOTERS",
            Self::Bitmap { .. } => "BAD_BITMAP",
            Self::Count { .. } => "BAD_SIGNATURE_COUNT",
            Self::TooFew { .. } => "NO_QUORUM",
            Self::Signature(_) => "BAD_VOTE_SIGNATURE",
            Self::Source => "BAD_SOURCE",
        }
    }
}

impl Certificate {
    /// Puts together the votes of some voters for one and the same; the first of two by one voter counts, and
    /// whoever is no voter of the set does not.
    #[must_use]
    pub fn of_votes(
        vote: Vote,
        set: &VoterSet,
        votes: impl IntoIterator<Item = (NodeId, Signature)>,
    ) -> Self {
        let mut signatures = std::collections::BTreeMap::new();
        for (voter, signature) in votes {
            if let Some(at) = set.position(&voter) {
                signatures.entry(at).or_insert(signature);
            }
        }
        let mut voted = vec![0_u8; bitmap_bytes(set.voters.len())];
        for at in signatures.keys() {
            if let Some(byte) = voted.get_mut(at / 8) {
                *byte |= 1 << (at % 8);
            }
        }
        Self { vote, voted, signatures: signatures.into_values().collect() }
    }

    /// The canonical bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        encode(self)
    }

    /// Decodes canonical bytes strictly. Proves form only. Their length is the caller's to bound.
    ///
    /// # Errors
    /// [`DecodeError`] when they are not exactly one certificate.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, DecodeError> {
        decode_strict("certificate", bytes)
    }

    /// `H("vision/certificate/v1" || genesis_hash || bytes)`, over the bytes as received: what a header
    /// commits to.
    #[must_use]
    pub fn hash_bytes(genesis_hash: &Hash, bytes: &[u8]) -> Hash {
        hash(&[b"vision/certificate/v1", genesis_hash.as_bytes(), bytes])
    }

    /// Places of those who voted, ascending.
    pub fn voters(&self) -> impl Iterator<Item = usize> {
        let bits = |(at, byte): (usize, &u8)| {
            let byte = *byte;
            (0..8).filter(move |bit| byte & (1 << bit) != 0).map(move |bit| at * 8 + bit)
        };
        self.voted.iter().enumerate().flat_map(bits)
    }

    /// Whether a quorum of these voters voted for it. Says nothing about the blocks it names.
    ///
    /// # Errors
    /// [`CertificateError`] with the first thing that is wrong.
    pub fn verify(&self, set: &VoterSet, genesis_hash: &Hash) -> Result<(), CertificateError> {
        let vote = &self.vote;
        if !set.is_named_by(vote) {
            return Err(CertificateError::Voters { named: vote.epoch, expected: set.epoch });
        }
        if !vote.has_fitting_source() {
            return Err(CertificateError::Source);
        }
        let (needed, voters) = (bitmap_bytes(set.voters.len()), set.voters.len());
        if self.voted.len() != needed || self.voters().any(|at| at >= voters) {
            return Err(CertificateError::Bitmap { needed, got: self.voted.len(), voters });
        }
        let (voted, signatures) = (self.voters().count(), self.signatures.len());
        if voted != signatures {
            return Err(CertificateError::Count { voted, signatures });
        }
        if voted < set.quorum() {
            return Err(CertificateError::TooFew { quorum: set.quorum(), got: voted });
        }
        for (voter, signature) in self.voters().filter_map(|at| set.voters.get(at)).zip(&self.signatures) {
            vote.verify(&voter.key, genesis_hash, signature)
                .map_err(|_| CertificateError::Signature(voter.id))?;
        }
        Ok(())
    }
}

const fn bitmap_bytes(voters: usize) -> usize {
    voters.div_ceil(8)
}
