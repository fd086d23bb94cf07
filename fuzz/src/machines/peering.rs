//! Peers that send anything at any time, ways without room, calls and tasks that end in any order, a clock
//! that jumps: every bound holds, only who is connected is sent anything, whatever is begun can end, and the
//! machine is woken later than now.

mod inputs;
mod world;

use arbitrary::Arbitrary;

use crate::{All, Few, input};
use world::World;

const MAX_STEPS: usize = 160;

#[derive(Arbitrary, Debug)]
pub(crate) enum Step<'a> {
    Connect {
        peer: u8,
        inbound: bool,
        host: u8,
    },
    End {
        which: u8,
        stood_ms: u16,
    },
    Status {
        peer: u8,
        sent_at: Time,
        echo_sent_at: Time,
        echo_received_at: Time,
    },
    Has {
        peer: u8,
        block: u8,
    },
    /// A part of an answer, to a question that was asked or to any number.
    Part {
        asked: u8,
        block: u8,
        any: Option<u8>,
    },
    /// The right next blocks to a question.
    RightParts {
        asked: u8,
        count: u8,
    },
    AnswerEnds {
        asked: u8,
        reason: &'a str,
    },
    Addresses {
        peer: u8,
        addresses: Few<Address<'a>>,
    },
    Faulty {
        peer: u8,
        which: u8,
    },
    Claim {
        peer: u8,
        block: u8,
        weight: u64,
        verified: bool,
    },
    Known {
        peer: u8,
        block: u8,
    },
    Excused(u8),
    Charged {
        peer: u8,
        points: u8,
    },
    Head {
        height: u64,
        weight: u64,
        producer: u8,
    },
    Stored {
        block: u8,
        from: Option<u8>,
    },
    Gossip {
        block: u8,
        whole: bool,
    },
    GossipTransactions(Option<u8>),
    Wanted {
        peer: u8,
        block: u8,
    },
    Finish {
        which: u8,
        how: u8,
        more: u8,
    },
    Room(u8),
    Missed(u8),
    PendingSent(u8),
    OwnTwin(&'a str),
    Due(u8),
    Pass(u16),
    Silence,
    JumpWall(i64),
}

#[derive(Arbitrary, Debug, Clone, Copy)]
pub(crate) enum Time {
    Zero,
    Near(i16),
    Any(u64),
}

#[derive(Arbitrary, Debug)]
pub(crate) enum Address<'a> {
    Of(u8),
    Any(&'a str),
}

pub(crate) fn run(bytes: &[u8]) {
    let Some(All(steps)) = input::<All<Step<'_>>>(bytes) else { return };
    let mut world = World::new();
    for step in steps.into_iter().take(MAX_STEPS) {
        world.step(step);
        world.check();
    }
    world.settle();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_that_answers_rightly_brings_its_blocks() {
        // A property that holds because nothing ever happens would prove nothing.
        let mut world = World::new();
        world.step(Step::Connect { peer: 0, inbound: true, host: 1 });
        world.step(Step::Claim { peer: 0, block: 8, weight: 9, verified: true });
        for _ in 0..6 {
            world.step(Step::Finish { which: 0, how: 0, more: 255 });
            world.step(Step::RightParts { asked: 0, count: 255 });
            world.step(Step::AnswerEnds { asked: 0, reason: "" });
        }
        assert!(world.imported() >= 8, "{} blocks", world.imported());
        world.settle();
    }
}
