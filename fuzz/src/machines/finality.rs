//! Voters that keep to their lock, across losses and copies of it, and voters that sign anything: no two
//! votes of an honest one contradict each other, the tally counts each vote once and within its bound, and
//! what it puts together is a certificate.

use std::collections::BTreeSet;
use std::sync::{Arc, LazyLock};

use arbitrary::Arbitrary;
use vision_finality::{Counted, Lock, MAX_VOTES_OF_VOTER, Tally, VoteRefusal, offence};
use vision_primitives::{
    Certificate, Checkpoint, Finality, Hash, Height, NodeId, SecretKey, SignedVote, Vote, VoteKind, Voter,
    VoterSet, hash,
};
use vision_test_blocks::{id, key};

use crate::{All, input};

const GENESIS: Hash = Hash([9; 32]);
const VOTERS: u8 = 4;
/// Voters from this one on sign anything.
const HOSTILE: u8 = 3;
const MAX_STEPS: usize = 96;

static KEYS: LazyLock<Vec<SecretKey>> = LazyLock::new(|| (1..=VOTERS + 1).map(key).collect());
static SET: LazyLock<Arc<VoterSet>> = LazyLock::new(|| {
    let voters = (1..=VOTERS).map(|seed| Voter { id: id(seed), key: key(seed).public_key() });
    Arc::new(VoterSet::new(3, voters, Finality::Bft))
});

#[derive(Arbitrary, Debug)]
enum Step {
    /// Everybody votes for one target.
    All(Choice),
    One {
        voter: u8,
        choice: Choice,
    },
    /// A vote again, perhaps with another voter's name or a wrong signature.
    Again {
        which: u8,
        voter: Option<u8>,
        bent: bool,
    },
    /// The process ends, and starts with the bytes on disk.
    Restart(u8),
    /// The memory is lost; `cell` is that of the present.
    Lose {
        voter: u8,
        ahead: u8,
    },
    /// An own vote is found elsewhere.
    Found {
        voter: u8,
        which: u8,
    },
    Merge {
        voter: u8,
    },
    Final(u8),
    Forget(u8),
}

#[derive(Arbitrary, Debug, Clone, Copy)]
struct Choice {
    precommit: bool,
    source: u8,
    above: u8,
    branch: bool,
    other_epoch: u8,
}

struct World {
    locks: Vec<Lock>,
    /// A copy of each, as old as the last restart.
    copies: Vec<Lock>,
    votes: Vec<SignedVote>,
    /// Those whose memory was lost may contradict what they signed before.
    lost: BTreeSet<u8>,
    tally: Tally,
    certificates: Vec<Certificate>,
}

fn checkpoint(cell: u8, branch: bool) -> Checkpoint {
    Checkpoint { hash: hash(&[&[cell % 40, u8::from(branch)]]), cell: u64::from(cell % 40) }
}

fn vote(choice: Choice) -> Vote {
    let Choice { precommit, source, above, branch, other_epoch } = choice;
    let target = checkpoint(source.saturating_add(above % 4), branch);
    Vote {
        kind: if precommit { VoteKind::Precommit } else { VoteKind::Prevote },
        epoch: if other_epoch == 255 { 4 } else { 3 },
        voters: SET.root(),
        source: if precommit { target } else { checkpoint(source, branch) },
        target,
        height: Height(target.cell),
    }
}

impl World {
    fn cast(&mut self, voter: u8, vote: Vote) {
        let signed = vote.sign(&KEYS[usize::from(voter)], &GENESIS);
        if voter < HOSTILE {
            let lock = &mut self.locks[usize::from(voter)];
            let before = (lock.source_level(), lock.target_level());
            let allowed = lock.check(&vote);
            assert_eq!(lock.cast(signed), allowed);
            assert!(lock.source_level() >= before.0 && lock.target_level() >= before.1);
            if allowed.is_err() {
                return;
            }
            let own = self.votes.iter().filter(|earlier| earlier.voter == signed.voter);
            let is_lost = self.lost.contains(&voter);
            for earlier in own {
                assert!(is_lost || offence(&earlier.vote, &vote).is_none(), "{earlier:?} and {signed:?}");
            }
        }
        self.votes.push(signed);
        self.count(signed);
    }

    fn count(&mut self, signed: SignedVote) {
        let before = self.tally.len();
        match self.tally.add(signed) {
            Ok(Counted::Known) => assert_eq!(self.tally.len(), before),
            Ok(Counted::New) => assert!(self.tally.len() >= before),
            Ok(Counted::Certified(certificate)) => {
                assert_eq!(certificate.verify(&SET, &GENESIS), Ok(()));
                assert_eq!(certificate.vote, signed.vote);
                let again = self.certificates.iter().any(|known| known.vote == signed.vote);
                assert!(!again, "a certificate is reported once");
                self.certificates.push(certificate);
            }
            Err(refusal) => {
                assert_eq!(self.tally.len(), before);
                if let VoteRefusal::Offence { votes, .. } = &refusal {
                    assert!(offence(&votes.0.vote, &votes.1.vote).is_some());
                    let honest = (0..HOSTILE).find(|voter| voter_id(*voter) == votes.0.voter);
                    assert!(honest.is_none_or(|voter| self.lost.contains(&voter)), "{refusal}");
                }
            }
        }
        assert!(self.tally.len() <= usize::from(VOTERS) * MAX_VOTES_OF_VOTER);
    }

    fn step(&mut self, step: &Step) {
        match *step {
            Step::All(choice) => (0..VOTERS).for_each(|voter| self.cast(voter, vote(choice))),
            Step::One { voter, choice } => self.cast(voter % (VOTERS + 1), vote(choice)),
            Step::Again { which, voter, bent } => {
                let Some(at) = usize::from(which).checked_rem(self.votes.len()) else { return };
                let mut signed = self.votes[at];
                if let Some(voter) = voter {
                    signed.voter = voter_id(voter % (VOTERS + 1));
                }
                signed.signature.0[0] ^= u8::from(bent);
                self.count(signed);
            }
            Step::Restart(voter) => {
                let at = usize::from(voter % HOSTILE);
                let bytes = self.locks[at].to_bytes();
                self.copies[at] = self.locks[at].clone();
                self.locks[at] = Lock::from_bytes(&bytes).expect("its own bytes");
            }
            Step::Lose { voter, ahead } => {
                let at = voter % HOSTILE;
                let highest = self.votes.iter().map(|signed| signed.vote.target.cell).max().unwrap_or(0);
                self.locks[usize::from(at)] = Lock::lost(highest + u64::from(ahead % 4));
                self.lost.insert(at);
            }
            Step::Found { voter, which } => {
                let at = voter % HOSTILE;
                let own = self.votes.iter().filter(|signed| signed.voter == voter_id(at));
                let own: Vec<SignedVote> = own.copied().collect();
                if let Some(which) = usize::from(which).checked_rem(own.len()) {
                    let lock = &mut self.locks[usize::from(at)];
                    lock.found(&own[which]);
                    assert!(lock.check(&own[which].vote).is_err(), "it counts as signed");
                }
            }
            Step::Merge { voter } => {
                let at = usize::from(voter % HOSTILE);
                let merged = self.locks[at].clone().merge(&self.copies[at]);
                assert!(merged.target_level() >= self.locks[at].target_level());
                assert!(merged.is_lost() || !self.locks[at].is_lost());
                self.locks[at] = merged;
            }
            Step::Final(which) => {
                let Some(at) = usize::from(which).checked_rem(self.certificates.len()) else { return };
                for (voter, lock) in (0..).zip(&mut self.locks) {
                    lock.finalized(&self.certificates[at], SET.position(&voter_id(voter)));
                }
            }
            Step::Forget(level) => {
                self.tally.forget_to(u64::from(level % 80));
                let lowest = self.tally.latest().map(|signed| signed.vote.target_level()).min();
                assert!(lowest.is_none_or(|lowest| lowest > u64::from(level % 80)));
            }
        }
    }
}

fn voter_id(voter: u8) -> NodeId {
    id(voter + 1)
}

pub(crate) fn run(bytes: &[u8]) {
    let Some(All(steps)) = input::<All<Step>>(bytes) else { return };
    let locks = vec![Lock::new(); usize::from(HOSTILE)];
    let mut world = World {
        copies: locks.clone(),
        locks,
        votes: Vec::new(),
        lost: BTreeSet::new(),
        tally: Tally::new(SET.clone(), GENESIS),
        certificates: Vec::new(),
    };
    steps.iter().take(MAX_STEPS).for_each(|step| world.step(step));
}
