//! What a voter's memory allows: tables, and that no order of votes it allows contains an offence.

use proptest::prelude::*;
use vision_finality::{Lock, LockFault, Offence, offence};
use vision_primitives::{
    Certificate, Checkpoint, Hash, Height, SecretKey, Signature, SignedVote, Vote, VoteKind, VoterSet,
};
use vision_primitives::{Finality, Voter};

use VoteKind::{Precommit, Prevote};

fn vote(kind: VoteKind, source: u64, target: u64, name: u8) -> Vote {
    let hash = Hash([name; 32]);
    let target = Checkpoint { hash, cell: target };
    let source = if kind == Precommit { target } else { Checkpoint { hash: Hash::ZERO, cell: source } };
    Vote { kind, epoch: 0, voters: Hash::ZERO, source, target, height: Height(1) }
}

const fn signed(vote: Vote) -> SignedVote {
    SignedVote { vote, voter: Hash::ZERO, signature: Signature::ZERO }
}

#[test]
fn what_may_follow_a_vote() {
    let not_above = |level, signed| Err(LockFault::NotAbove { level, signed });
    let below = |source_level, locked| Err(LockFault::BelowLock { source_level, locked });
    // signed before; then one more
    let cases = [
        ("the first", vec![], vote(Prevote, 0, 1, 1), Ok(())),
        ("the next", vec![vote(Prevote, 0, 1, 1)], vote(Prevote, 1, 2, 2), Ok(())),
        ("from the same source", vec![vote(Prevote, 0, 1, 1)], vote(Prevote, 0, 2, 2), Ok(())),
        ("another at the same cell", vec![vote(Prevote, 0, 1, 1)], vote(Prevote, 0, 1, 2), not_above(2, 2)),
        ("a lower one", vec![vote(Prevote, 0, 5, 1)], vote(Prevote, 0, 4, 2), not_above(8, 10)),
        ("commit to what was voted for", vec![vote(Prevote, 0, 1, 1)], vote(Precommit, 1, 1, 1), Ok(())),
        ("commit to another of the cell", vec![vote(Prevote, 0, 1, 1)], vote(Precommit, 1, 1, 2), Ok(())),
        ("commit below a vote", vec![vote(Prevote, 0, 2, 1)], vote(Precommit, 1, 1, 2), not_above(3, 4)),
        ("leave a commit behind", vec![vote(Precommit, 1, 1, 1)], vote(Prevote, 0, 2, 2), below(0, 2)),
        ("go on above a commit", vec![vote(Precommit, 1, 1, 1)], vote(Prevote, 1, 2, 2), Ok(())),
        (
            "an old source",
            vec![vote(Prevote, 0, 1, 1), vote(Prevote, 3, 4, 2)],
            vote(Prevote, 2, 6, 3),
            below(4, 6),
        ),
    ];
    for (desc, before, next, expect) in cases {
        let mut lock = Lock::new();
        for vote in before {
            lock.cast(signed(vote)).expect(desc);
        }
        let unchanged = lock.clone();
        assert_eq!(lock.check(&next), expect, "{desc}");
        assert_eq!(lock.cast(signed(next)), expect, "{desc}");
        match expect {
            Ok(()) => assert_eq!(lock.signed().map(|last| last.vote), Some(next), "{desc}"),
            Err(_) => assert_eq!(lock, unchanged, "{desc}"),
        }
        assert_eq!(Lock::from_bytes(&lock.to_bytes()).unwrap(), lock, "{desc}");
    }
}

#[test]
fn offences() {
    let cases = [
        ("the same vote", vote(Prevote, 0, 1, 1), vote(Prevote, 0, 1, 1), None),
        ("one target by two links", vote(Prevote, 0, 2, 1), vote(Prevote, 1, 2, 1), None),
        ("two targets", vote(Prevote, 0, 2, 1), vote(Prevote, 1, 2, 2), Some(Offence::DoubleVote)),
        ("two commits", vote(Precommit, 2, 2, 1), vote(Precommit, 2, 2, 2), Some(Offence::DoubleVote)),
        ("vote and commit of one cell", vote(Prevote, 0, 2, 1), vote(Precommit, 2, 2, 2), None),
        ("over a commit", vote(Precommit, 2, 2, 1), vote(Prevote, 1, 3, 2), Some(Offence::Surround)),
        ("from a commit on", vote(Precommit, 2, 2, 1), vote(Prevote, 2, 3, 2), None),
        ("over a vote", vote(Prevote, 1, 2, 1), vote(Prevote, 0, 3, 2), Some(Offence::Surround)),
        ("interleaved", vote(Prevote, 0, 2, 1), vote(Prevote, 1, 3, 2), None),
    ];
    for (desc, a, b, expect) in cases {
        assert_eq!((offence(&a, &b), offence(&b, &a)), (expect, expect), "{desc}");
    }
}

/// A certificate of precommits for a block of this cell by the voters at some places, of three.
fn final_at(cell: u64, voted: &[usize]) -> Certificate {
    let keys = (0..3).map(|seed| SecretKey::from_seed(&[seed; 32]).public_key());
    let set = VoterSet::new(0, keys.map(|key| Voter { id: key.id(), key }), Finality::Cft);
    let votes = voted.iter().map(|at| (set.voters()[*at].id, Signature::ZERO));
    Certificate::of_votes(vote(Precommit, cell, cell, 9), &set, votes)
}

#[test]
fn a_lost_memory_waits_for_what_others_make_final() {
    let lost = || Lock::lost(5);
    let next = vote(Prevote, 7, 8, 3);
    assert_eq!(lost().check(&next), Err(LockFault::Lost { cell: 5 }));
    let mut prevotes = final_at(7, &[0, 1]);
    prevotes.vote.kind = Prevote;
    let cases = [
        ("made without this voter", final_at(6, &[0, 1]), Some(2), true),
        ("made when this one was no voter", final_at(6, &[0, 1]), None, true),
        ("made with this voter", final_at(6, &[1, 2]), Some(2), false),
        ("of the cell of the loss", final_at(5, &[0, 1]), Some(2), false),
        ("certified only", prevotes, Some(2), false),
    ];
    for (desc, certificate, own, lifted) in cases {
        let mut lock = lost();
        lock.finalized(&certificate, own);
        assert_eq!(lock.is_lost(), !lifted, "{desc}");
        if lifted {
            let below = vote(Prevote, 5, 9, 3);
            assert!(lock.check(&next).is_ok(), "{desc}");
            assert_eq!(
                lock.check(&below),
                Err(LockFault::BelowLock { source_level: 10, locked: 12 }),
                "{desc}"
            );
        }
    }
    let mut known = Lock::new();
    known.cast(signed(vote(Prevote, 1, 2, 1))).unwrap();
    let before = known.clone();
    known.finalized(&final_at(9, &[0, 1]), Some(2));
    assert_eq!(known, before, "a memory that is whole needs nobody");
}

#[test]
fn of_two_memories_all_is_forbidden_that_either_forbids() {
    let mut a = Lock::new();
    a.cast(signed(vote(Precommit, 4, 4, 1))).unwrap();
    let mut b = Lock::new();
    b.cast(signed(vote(Prevote, 1, 9, 2))).unwrap();
    for merged in [a.clone().merge(&b), b.clone().merge(&a)] {
        assert_eq!((merged.source_level(), merged.target_level()), (8, 18));
        assert_eq!(merged.target(), Some(Hash([2; 32])));
    }
    assert!(a.clone().merge(&Lock::lost(3)).is_lost());
    a.found(&signed(vote(Prevote, 1, 9, 2)));
    assert_eq!((a.source_level(), a.target_level()), (8, 18));
}

fn any_vote() -> impl Strategy<Value = Vote> {
    (any::<bool>(), 0_u64..8, 1_u64..8, 0_u8..3).prop_map(|(commit, source, above, name)| {
        let kind = if commit { Precommit } else { Prevote };
        vote(kind, source, source + above, name)
    })
}

proptest! {
    #[test]
    fn no_order_of_votes_is_an_offence(
        votes in prop::collection::vec(any_vote(), 0..60),
        restart in 0_usize..60,
    ) {
        let (mut lock, mut cast) = (Lock::new(), Vec::new());
        for (i, vote) in votes.into_iter().enumerate() {
            if i == restart {
                lock = Lock::from_bytes(&lock.to_bytes()).unwrap();
            }
            if lock.cast(signed(vote)).is_ok() {
                cast.push(vote);
            }
        }
        for (i, a) in cast.iter().enumerate() {
            for b in &cast[i + 1..] {
                prop_assert_eq!(offence(a, b), None, "{:?} {:?}", a, b);
            }
        }
    }

    #[test]
    fn a_restored_copy_and_what_it_missed_are_no_offence_either(
        votes in prop::collection::vec(any_vote(), 0..40),
        copied in 0_usize..40,
        more in prop::collection::vec(any_vote(), 0..40),
    ) {
        // An old copy, merged with the votes of this key that others have seen.
        let (mut lock, mut copy, mut cast) = (Lock::new(), Lock::new(), Vec::new());
        for (i, vote) in votes.into_iter().enumerate() {
            if i == copied {
                copy = lock.clone();
            }
            if lock.cast(signed(vote)).is_ok() {
                cast.push(vote);
            }
        }
        for vote in &cast {
            copy.found(&signed(*vote));
        }
        for vote in more {
            if copy.cast(signed(vote)).is_ok() {
                for before in &cast {
                    prop_assert_eq!(offence(before, &vote), None);
                }
            }
        }
    }
}
