//! Counting the votes of one epoch.

use std::collections::BTreeMap;
use std::sync::Arc;

use vision_primitives::{Certificate, Hash, NodeId, Signature, SignedVote, Vote, VoterSet};

use crate::offence::{Offence, offence};

/// Votes remembered of one voter, the highest ones: memory is bounded whatever it signs.
pub const MAX_VOTES_OF_VOTER: usize = 64;

/// Why a vote does not count.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VoteRefusal {
    /// It is one of another epoch, or names other voters. Not a fault: nodes hand over at different times.
    #[error("it is a vote of epoch {named}; epoch {expected} is counted")]
    OtherEpoch {
        /// Of the vote.
        named: u64,
        /// Of this tally.
        expected: u64,
    },
    /// Its signer is no voter.
    #[error("{0} does not vote in this epoch")]
    NoVoter(NodeId),
    /// A precommit whose source is not its target, or a prevote whose source is not below its target.
    #[error("its source does not fit its target")]
    Source,
    /// Its signature does not verify.
    #[error("the signature does not verify")]
    Signature,
    /// It stands at or below what is final, or below all that is remembered of its voter. Not a fault.
    #[error("it is older than what is counted")]
    Stale,
    /// It contradicts another vote of the same voter.
    #[error("it contradicts another vote of {}: {kind:?}", .votes.0.voter)]
    Offence {
        /// How.
        kind: Offence,
        /// The vote that came first, and this one: the proof.
        votes: Box<(SignedVote, SignedVote)>,
    },
}

impl VoteRefusal {
    /// The refusal's stable name.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::OtherEpoch { .. } => "OTHER_EPOCH",
            Self::NoVoter(_) => "NOT_A_VOTER",
            Self::Source => "BAD_SOURCE",
            Self::Signature => "BAD_VOTE_SIGNATURE",
            Self::Stale => "STALE_VOTE",
            Self::Offence { .. } => "CONFLICTING_VOTES",
        }
    }

    /// Whether whoever sent it must have known better: it never passed on what it should have checked.
    #[must_use]
    pub const fn is_fault_of_sender(&self) -> bool {
        matches!(self, Self::NoVoter(_) | Self::Source | Self::Signature)
    }
}

/// What a vote did.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Counted {
    /// It was counted before.
    Known,
    /// It is new.
    New,
    /// With it there is a quorum: the certificate. Reported once.
    Certified(Certificate),
}

/// The votes of one epoch.
#[derive(Clone, Debug)]
pub struct Tally {
    set: Arc<VoterSet>,
    genesis_hash: Hash,
    /// Of each voter by target level; one at each level.
    of_voter: BTreeMap<NodeId, BTreeMap<u64, SignedVote>>,
    /// Who voted for what.
    counts: BTreeMap<Vote, BTreeMap<NodeId, Signature>>,
    /// At and below this level nothing is counted.
    floor: u64,
}

impl Tally {
    /// No votes yet.
    #[must_use]
    pub const fn new(set: Arc<VoterSet>, genesis_hash: Hash) -> Self {
        Self { set, genesis_hash, of_voter: BTreeMap::new(), counts: BTreeMap::new(), floor: 0 }
    }

    /// The voters.
    #[must_use]
    pub const fn set(&self) -> &Arc<VoterSet> {
        &self.set
    }

    /// Counts a vote, whoever sent it. Its signature is verified here, after all that costs less.
    ///
    /// # Errors
    /// [`VoteRefusal`]; nothing is counted then.
    pub fn add(&mut self, signed: SignedVote) -> Result<Counted, VoteRefusal> {
        let vote = signed.vote;
        if !self.set.is_named_by(&vote) {
            return Err(VoteRefusal::OtherEpoch { named: vote.epoch, expected: self.set.epoch() });
        }
        let key = self.set.key_of(&signed.voter).ok_or(VoteRefusal::NoVoter(signed.voter))?;
        if !vote.has_fitting_source() {
            return Err(VoteRefusal::Source);
        }
        let level = vote.target_level();
        let own = self.of_voter.get(&signed.voter);
        if own.and_then(|own| own.get(&level)).is_some_and(|known| known.vote == vote) {
            return Ok(Counted::Known);
        }
        let lowest = own.filter(|own| own.len() >= MAX_VOTES_OF_VOTER).and_then(|own| own.keys().next());
        if level <= self.floor || lowest.is_some_and(|lowest| level < *lowest) {
            return Err(VoteRefusal::Stale);
        }
        vote.verify(&key, &self.genesis_hash, &signed.signature).map_err(|_| VoteRefusal::Signature)?;
        self.refuse_offence(&signed)?;
        Ok(self.count(signed))
    }

    fn refuse_offence(&self, signed: &SignedVote) -> Result<(), VoteRefusal> {
        let Some(own) = self.of_voter.get(&signed.voter) else { return Ok(()) };
        for before in own.values() {
            if let Some(kind) = offence(&before.vote, &signed.vote) {
                return Err(VoteRefusal::Offence { kind, votes: Box::new((*before, *signed)) });
            }
        }
        // One target by two links: no offence, but a voter signs one of them at most.
        if own.contains_key(&signed.vote.target_level()) { Err(VoteRefusal::Stale) } else { Ok(()) }
    }

    fn count(&mut self, signed: SignedVote) -> Counted {
        let SignedVote { vote, voter, signature } = signed;
        let own = self.of_voter.entry(voter).or_default();
        own.insert(vote.target_level(), signed);
        if own.len() > MAX_VOTES_OF_VOTER
            && let Some((_, dropped)) = own.pop_first()
        {
            self.discount(&dropped);
        }
        let voters = self.counts.entry(vote).or_default();
        voters.insert(voter, signature);
        if voters.len() != self.set.quorum() {
            return Counted::New;
        }
        let votes = voters.iter().map(|(voter, signature)| (*voter, *signature));
        Counted::Certified(Certificate::of_votes(vote, &self.set, votes))
    }

    fn discount(&mut self, dropped: &SignedVote) {
        if let Some(voters) = self.counts.get_mut(&dropped.vote) {
            voters.remove(&dropped.voter);
            if voters.is_empty() {
                self.counts.remove(&dropped.vote);
            }
        }
    }

    /// Forgets the votes at and below a level, such as that of the last final block.
    pub fn forget_to(&mut self, level: u64) {
        self.floor = self.floor.max(level);
        for own in self.of_voter.values_mut() {
            *own = own.split_off(&level.saturating_add(1));
        }
        self.counts.retain(|vote, _| vote.target_level() > level);
    }

    /// The highest vote of each voter, by id: what is sent again and again, so that what was lost heals.
    pub fn latest(&self) -> impl Iterator<Item = &SignedVote> {
        self.of_voter.values().filter_map(|own| own.values().next_back())
    }

    /// Those who have voted at or above a level.
    pub fn present(&self, level: u64) -> impl Iterator<Item = NodeId> {
        let votes = self.of_voter.iter().filter(move |(_, own)| own.keys().next_back() >= Some(&level));
        votes.map(|(voter, _)| *voter)
    }

    /// How many votes are remembered.
    #[must_use]
    pub fn len(&self) -> usize {
        self.of_voter.values().map(BTreeMap::len).sum()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
