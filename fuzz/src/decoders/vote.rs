//! Votes, certificates and the memory of a voter that decode encode to the same bytes, and a certificate
//! holds only with a quorum of right signatures.

use std::sync::LazyLock;

use vision_finality::Lock;
use vision_primitives::{
    Certificate, Checkpoint, Finality, Hash, Height, SignedVote, Vote, VoteKind, Voter, VoterSet,
};

use crate::values::{GENESIS_HASH, id, key};

const VOTERS: u8 = 4;

static SET: LazyLock<VoterSet> = LazyLock::new(|| {
    let voters = (1..=VOTERS).map(|seed| Voter { id: id(seed), key: key(seed).public_key() });
    VoterSet::new(3, voters, Finality::Bft)
});

fn check_certificate(certificate: &Certificate) {
    if certificate.verify(&SET, &GENESIS_HASH).is_ok() {
        assert!(certificate.voters().count() >= SET.quorum());
        for (at, signature) in certificate.voters().zip(&certificate.signatures) {
            let voter = SET.voters()[at];
            assert_eq!(certificate.vote.verify(&voter.key, &GENESIS_HASH, signature), Ok(()));
        }
    }
}

pub(crate) fn run(bytes: &[u8]) {
    if let Ok(vote) = SignedVote::from_bytes(bytes) {
        assert_eq!((vote.to_bytes(), bytes.len()), (bytes.to_vec(), SignedVote::BYTES));
        assert!(vote.vote.target_level() >= vote.vote.target.cell);
    }
    if let Ok(certificate) = Certificate::from_bytes(bytes) {
        assert_eq!(certificate.to_bytes(), bytes);
        check_certificate(&certificate);
    }
    if let Ok(lock) = Lock::from_bytes(bytes) {
        assert_eq!(lock.to_bytes(), bytes);
        if let Some(last) = lock.signed().filter(|last| last.vote.target_level() <= lock.target_level()) {
            assert!(lock.check(&last.vote).is_err(), "no level twice");
        }
    }
}

pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let checkpoint = |cell| Checkpoint { hash: Hash([5; 32]), cell };
    let vote = |kind, source| Vote {
        kind,
        epoch: 3,
        voters: SET.root(),
        source: checkpoint(source),
        target: checkpoint(9),
        height: Height(40),
    };
    let prevote = vote(VoteKind::Prevote, 8);
    let votes: Vec<SignedVote> = (1..=VOTERS).map(|seed| prevote.sign(&key(seed), &GENESIS_HASH)).collect();
    let signatures = votes.iter().map(|signed| (signed.voter, signed.signature));
    let certificate = Certificate::of_votes(prevote, &SET, signatures);
    let mut lock = Lock::new();
    lock.cast(votes[0]).expect("the first vote");
    vec![
        votes[0].to_bytes(),
        vote(VoteKind::Precommit, 9).sign(&key(1), &GENESIS_HASH).to_bytes(),
        certificate.to_bytes(),
        lock.to_bytes(),
        Lock::lost(7).to_bytes(),
    ]
}
