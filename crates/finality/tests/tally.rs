//! Counting votes that bear real signatures.

use std::sync::Arc;

use vision_finality::{Counted, MAX_VOTES_OF_VOTER, Offence, Tally, VoteRefusal};
use vision_primitives::{
    Certificate, CertificateError, Checkpoint, Finality, Hash, Height, SecretKey, Signature, SignedVote,
    Vote, VoteKind, Voter, VoterSet, hash,
};

use VoteKind::{Precommit, Prevote};

const GENESIS: Hash = Hash([7; 32]);

/// Keys in the order of their ids, and the set of the first `n`.
fn voters(n: u8) -> (Vec<SecretKey>, Arc<VoterSet>) {
    let mut keys: Vec<SecretKey> = (0..n).map(|seed| SecretKey::from_seed(&[seed; 32])).collect();
    keys.sort_by_key(|key| key.public_key().id());
    let all = keys.iter().map(|key| Voter { id: key.public_key().id(), key: key.public_key() });
    let set = Arc::new(VoterSet::new(0, all, Finality::Cft));
    (keys, set)
}

fn vote(set: &VoterSet, kind: VoteKind, source: u64, target: u64) -> Vote {
    let block = |cell: u64| Checkpoint { hash: hash(&[&cell.to_le_bytes()]), cell };
    let source = if kind == Precommit { block(target) } else { block(source) };
    Vote {
        kind,
        epoch: set.epoch(),
        voters: set.root(),
        source,
        target: block(target),
        height: Height(target),
    }
}

#[test]
fn a_quorum_makes_a_certificate_once() {
    let (keys, set) = voters(5);
    let mut tally = Tally::new(set.clone(), GENESIS);
    let wanted = vote(&set, Prevote, 0, 1);
    let sign = |at: usize| wanted.sign(&keys[at], &GENESIS);
    assert_eq!(tally.add(sign(4)), Ok(Counted::New));
    assert_eq!(tally.add(sign(4)), Ok(Counted::Known));
    assert_eq!(tally.add(vote(&set, Prevote, 0, 2).sign(&keys[1], &GENESIS)), Ok(Counted::New), "of another");
    assert_eq!(tally.add(sign(0)), Ok(Counted::New));
    let Ok(Counted::Certified(certificate)) = tally.add(sign(2)) else {
        panic!("three of five are a quorum")
    };
    assert_eq!(tally.add(sign(3)), Ok(Counted::New), "the certificate is reported once");
    assert_eq!(certificate.voters().collect::<Vec<_>>(), [0, 2, 4]);
    assert_eq!(certificate.verify(&set, &GENESIS), Ok(()));
    assert_eq!(Certificate::from_bytes(&certificate.to_bytes()).unwrap(), certificate);
}

#[test]
fn what_does_not_count() {
    let (keys, set) = voters(3);
    let stranger = SecretKey::from_seed(&[99; 32]);
    let other_epoch = VoterSet::new(1, set.voters().iter().copied(), Finality::Cft);
    let other_voters = VoterSet::new(0, set.voters().iter().copied().take(2), Finality::Cft);
    let good = vote(&set, Prevote, 0, 4);
    let bent = SignedVote { signature: Signature([1; 64]), ..good.sign(&keys[0], &GENESIS) };
    let taken = SignedVote { voter: set.voters()[1].id, ..good.sign(&keys[0], &GENESIS) };
    let backwards = vote(&set, Prevote, 4, 4);
    let split = Vote { kind: Precommit, ..vote(&set, Prevote, 3, 4) };
    let expected = 0;
    let cases = [
        (
            "of another epoch",
            vote(&other_epoch, Prevote, 0, 1).sign(&keys[0], &GENESIS),
            VoteRefusal::OtherEpoch { named: 1, expected },
        ),
        (
            "of other voters",
            vote(&other_voters, Prevote, 0, 1).sign(&keys[0], &GENESIS),
            VoteRefusal::OtherEpoch { named: 0, expected },
        ),
        ("by a stranger", good.sign(&stranger, &GENESIS), VoteRefusal::NoVoter(stranger.public_key().id())),
        ("with another signature", bent, VoteRefusal::Signature),
        ("in another's name", taken, VoteRefusal::Signature),
        ("for another chain", good.sign(&keys[0], &Hash::ZERO), VoteRefusal::Signature),
        ("for its own source", backwards.sign(&keys[0], &GENESIS), VoteRefusal::Source),
        ("a commit from elsewhere", split.sign(&keys[0], &GENESIS), VoteRefusal::Source),
        ("of what is final", vote(&set, Prevote, 0, 2).sign(&keys[0], &GENESIS), VoteRefusal::Stale),
    ];
    let mut tally = Tally::new(set, GENESIS);
    tally.forget_to(5);
    for (desc, signed, expect) in cases {
        assert_eq!(tally.add(signed), Err(expect), "{desc}");
    }
    assert!(tally.is_empty());
}

#[test]
fn a_voter_that_contradicts_itself_is_proven_to() {
    let (keys, set) = voters(3);
    let mut tally = Tally::new(set.clone(), GENESIS);
    let first = vote(&set, Prevote, 1, 3).sign(&keys[0], &GENESIS);
    assert_eq!(tally.add(first), Ok(Counted::New));
    let other = Checkpoint { hash: Hash([9; 32]), cell: 3 };
    let cases = [
        ("two targets", Vote { target: other, ..first.vote }, Some(Offence::DoubleVote)),
        ("reaching over", vote(&set, Prevote, 0, 5), Some(Offence::Surround)),
        ("one target by two links", vote(&set, Prevote, 2, 3), None),
    ];
    for (desc, second, kind) in cases {
        let second = second.sign(&keys[0], &GENESIS);
        let expect = match kind {
            Some(kind) => VoteRefusal::Offence { kind, votes: Box::new((first, second)) },
            None => VoteRefusal::Stale,
        };
        assert_eq!(tally.add(second), Err(expect), "{desc}");
    }
    // It counts for nothing else: two of three are a quorum, and one of them is missing.
    assert_eq!(tally.add(vote(&set, Prevote, 0, 5).sign(&keys[1], &GENESIS)), Ok(Counted::New));
    assert_eq!(tally.latest().count(), 2);
    assert_eq!(tally.present(7).collect::<Vec<_>>(), [keys[1].public_key().id()]);
}

#[test]
fn memory_is_bounded_whatever_a_voter_signs() {
    let (keys, set) = voters(3);
    let mut tally = Tally::new(set.clone(), GENESIS);
    let all = MAX_VOTES_OF_VOTER as u64 + 10;
    for cell in 1..=all {
        let signed = vote(&set, Prevote, cell - 1, cell).sign(&keys[0], &GENESIS);
        assert_eq!(tally.add(signed), Ok(Counted::New));
        assert!(tally.len() <= MAX_VOTES_OF_VOTER);
    }
    let old = vote(&set, Prevote, 0, 1).sign(&keys[0], &GENESIS);
    assert_eq!(tally.add(old), Err(VoteRefusal::Stale));
    // What was dropped is not counted any more.
    assert_eq!(tally.add(vote(&set, Prevote, 0, 1).sign(&keys[1], &GENESIS)), Ok(Counted::New));
    tally.forget_to(2 * all);
    assert!(tally.is_empty());
    assert_eq!(tally.add(vote(&set, Precommit, all, all).sign(&keys[0], &GENESIS)), Ok(Counted::New));
}

#[test]
fn certificates_that_prove_nothing() {
    let (keys, set) = voters(9);
    let wanted = vote(&set, Precommit, 3, 3);
    let of = |voted: &[usize]| {
        let votes =
            voted.iter().map(|at| (set.voters()[*at].id, wanted.sign(&keys[*at], &GENESIS).signature));
        Certificate::of_votes(wanted, &set, votes)
    };
    let good = || of(&[0, 2, 4, 6, 8]);
    assert_eq!(good().verify(&set, &GENESIS), Ok(()));
    let bitmap = |got| CertificateError::Bitmap { needed: 2, got, voters: 9 };
    type Bend = fn(&mut Certificate);
    let cases: [(&str, Bend, CertificateError); 8] = [
        ("other voters", |c| c.vote.voters = Hash::ZERO, CertificateError::Voters { named: 0, expected: 0 }),
        ("another epoch", |c| c.vote.epoch = 4, CertificateError::Voters { named: 4, expected: 0 }),
        ("a prevote for its source", |c| c.vote.kind = Prevote, CertificateError::Source),
        ("a byte too many", |c| c.voted.push(0), bitmap(3)),
        ("a bit too many", |c| c.voted[1] |= 2, bitmap(2)),
        (
            "a signature too many",
            |c| c.signatures.push(Signature::ZERO),
            CertificateError::Count { voted: 5, signatures: 6 },
        ),
        (
            "one fewer",
            |c| {
                c.voted[0] &= !1;
                c.signatures.remove(0);
            },
            CertificateError::TooFew { quorum: 5, got: 4 },
        ),
        (
            "a signature of another",
            |c| c.signatures.swap(0, 1),
            CertificateError::Signature(set.voters()[0].id),
        ),
    ];
    for (desc, bend, expect) in cases {
        let mut certificate = good();
        bend(&mut certificate);
        assert_eq!(certificate.verify(&set, &GENESIS), Err(expect), "{desc}");
    }
    assert_eq!(of(&[1, 3, 5]).verify(&set, &GENESIS), Err(CertificateError::TooFew { quorum: 5, got: 3 }));
}

#[test]
fn keys_and_signatures_that_only_some_libraries_accept_do_not_vote() {
    // The neutral point as key: with it and R the neutral point, s = 0, ZIP-215 accepts every message.
    let mut neutral = [0; 32];
    neutral[0] = 1;
    let key = vision_primitives::PublicKey(neutral);
    let mut signature = [0; 64];
    signature[0] = 1;
    let signature = Signature(signature);
    let set = VoterSet::new(0, [Voter { id: key.id(), key }], Finality::Cft);
    let vote = vote(&set, Prevote, 0, 1);
    let lax =
        key.verify(vision_primitives::Tag::Vote, &GENESIS, &vision_primitives::encode(&vote), &signature);
    assert!(lax.is_ok(), "else this proves nothing");
    let mut tally = Tally::new(Arc::new(set), GENESIS);
    assert_eq!(tally.add(SignedVote { vote, voter: key.id(), signature }), Err(VoteRefusal::Signature));
}
