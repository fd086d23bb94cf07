//! What a voter remembers for ever, and what it may sign.

use borsh::{BorshDeserialize, BorshSerialize};
use vision_primitives::{Certificate, DecodeError, Hash, SignedVote, Vote, VoteKind, decode_strict, encode};

/// Why a vote may not be signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LockFault {
    /// A vote at this level, or above it, is signed already.
    #[error("level {level} is not above {signed}, up to which votes are signed")]
    NotAbove {
        /// Of the vote refused.
        level: u64,
        /// Highest level signed.
        signed: u64,
    },
    /// Its source is below that of a vote signed before: together they would reach over what this voter
    /// helped to make final.
    #[error("its source is at level {source_level}, below {locked}, where this voter is locked")]
    BelowLock {
        /// Of the vote refused.
        source_level: u64,
        /// Lowest level allowed.
        locked: u64,
    },
    /// Votes may have been signed that nobody remembers.
    #[error("no vote is signed before a certificate above cell {cell} is final: earlier ones are lost")]
    Lost {
        /// The last cell in which this key may have voted.
        cell: u64,
    },
}

impl LockFault {
    /// The fault's stable name.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::NotAbove { .. } => "VOTED_ALREADY",
            Self::BelowLock { .. } => "VOTE_LOCKED",
            Self::Lost { .. } => "VOTES_LOST",
        }
    }
}

/// A voter's memory: the levels of its last vote, and the vote itself with its signature. It is durable
/// before the vote leaves the node. Neither level ever goes down, so whatever it allows, no two votes
/// together are an [`crate::offence`].
#[derive(Clone, PartialEq, Eq, Debug, Default, BorshSerialize, BorshDeserialize)]
pub struct Lock {
    source_level: u64,
    target_level: u64,
    last: Option<SignedVote>,
    /// The last cell in which votes may have been signed that are forgotten.
    lost_cell: Option<u64>,
}

impl Lock {
    /// The memory of a key that has never voted.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The memory of a key whose votes up to this cell are forgotten, or may be: that of the present, with
    /// room for clocks that differ. It allows no vote before [`Lock::finalized`] has lifted that.
    #[must_use]
    pub fn lost(cell: u64) -> Self {
        Self { lost_cell: Some(cell), ..Self::default() }
    }

    /// Whether a vote may be signed. The last vote again is not asked here: [`Lock::signed`] has it.
    ///
    /// # Errors
    /// [`LockFault`] saying what forbids it.
    pub fn check(&self, vote: &Vote) -> Result<(), LockFault> {
        if let Some(cell) = self.lost_cell {
            return Err(LockFault::Lost { cell });
        }
        let (level, source_level) = (vote.target_level(), vote.source_level());
        if level <= self.target_level {
            return Err(LockFault::NotAbove { level, signed: self.target_level });
        }
        if source_level < self.source_level {
            return Err(LockFault::BelowLock { source_level, locked: self.source_level });
        }
        Ok(())
    }

    /// Takes a vote that is about to be sent. To be durable before it is.
    ///
    /// # Errors
    /// [`LockFault`] as [`Lock::check`]; nothing changes then.
    pub fn cast(&mut self, signed: SignedVote) -> Result<(), LockFault> {
        self.check(&signed.vote)?;
        self.source_level = signed.vote.source_level();
        self.target_level = signed.vote.target_level();
        self.last = Some(signed);
        Ok(())
    }

    /// The last vote, to be sent again as often as asked.
    #[must_use]
    pub const fn signed(&self) -> Option<&SignedVote> {
        self.last.as_ref()
    }

    /// Takes a verified certificate of precommits. It lifts what a loss forbids, if the loss was in an
    /// earlier cell and the certificate was made without this voter (`own` is its place among the voters):
    /// nothing that was forgotten can stand above it.
    pub fn finalized(&mut self, certificate: &Certificate, own: Option<usize>) {
        let vote = &certificate.vote;
        let Some(lost) = self.lost_cell else { return };
        let without_me = own.is_none_or(|own| certificate.voters().all(|voter| voter != own));
        if vote.kind == VoteKind::Precommit && vote.target.cell > lost && without_me {
            let (source_level, target_level) = (vote.source_level(), vote.target_level());
            *self = Self { source_level, target_level, last: None, lost_cell: None };
        }
    }

    /// Takes over a vote of this key that was found elsewhere: it counts as signed. Levels only rise.
    pub fn found(&mut self, signed: &SignedVote) {
        self.source_level = self.source_level.max(signed.vote.source_level());
        if signed.vote.target_level() > self.target_level {
            self.target_level = signed.vote.target_level();
            self.last = Some(*signed);
        }
    }

    /// The union of two memories of one key: what either forbids is forbidden.
    #[must_use]
    pub fn merge(mut self, other: &Self) -> Self {
        self.source_level = self.source_level.max(other.source_level);
        self.lost_cell = self.lost_cell.max(other.lost_cell);
        if other.target_level > self.target_level {
            self.target_level = other.target_level;
            self.last = other.last;
        }
        self
    }

    /// Level of the last vote's source, below which no later source may be.
    #[must_use]
    pub const fn source_level(&self) -> u64 {
        self.source_level
    }

    /// Level of the last vote's target, above which every later one is.
    #[must_use]
    pub const fn target_level(&self) -> u64 {
        self.target_level
    }

    /// Whether votes may be forgotten.
    #[must_use]
    pub const fn is_lost(&self) -> bool {
        self.lost_cell.is_some()
    }

    /// Hash of the last target; none before the first vote.
    #[must_use]
    pub fn target(&self) -> Option<Hash> {
        self.last.map(|last| last.vote.target.hash)
    }

    /// The canonical bytes: `source_level u64, target_level u64, option of the signed vote, option of u64`.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        encode(self)
    }

    /// Decodes canonical bytes strictly.
    ///
    /// # Errors
    /// [`DecodeError`] when they are not exactly one memory.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, DecodeError> {
        decode_strict("lock of a voter", bytes)
    }
}
