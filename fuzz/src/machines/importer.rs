//! Blocks, transactions and claims of honest and of hostile peers, an own producer, a disk that fails and a
//! clock that jumps, in any order: everything asked is answered once, nothing is said before it is stored,
//! what is stored is the tree's chain, and whoever is honest is not charged.

#[path = "../../../crates/importer/tests/support/mod.rs"]
mod support;
mod world;

use arbitrary::Arbitrary;

use crate::{All, Few, input};
use world::World;

const MAX_STEPS: usize = 64;

#[derive(Arbitrary, Debug)]
pub(crate) enum Step {
    /// A peer sends what it has, which is good.
    Honest {
        block: u8,
        how: How,
    },
    /// A peer sends a bent block.
    Hostile {
        block: u8,
        bends: Vec<Bend>,
        signed: bool,
        how: How,
        ahead_ms: u16,
    },
    /// Any bytes as a header or a tip.
    Bytes {
        header: Vec<u8>,
        signature: Vec<u8>,
        height: u64,
        as_tip: bool,
    },
    /// Blocks in any order as an answer.
    Fetched(Few<u8>),
    Prepare {
        producer: Option<u8>,
        slot: u8,
        delay_ms: u8,
        on: Option<u8>,
    },
    Submit {
        which: u8,
        signed: bool,
        with_body: bool,
    },
    Send {
        from: u8,
        nonce: u8,
        fee: u8,
        amount: u16,
        peer: Option<bool>,
    },
    Admit,
    InSync(Option<u16>),
    Pass(u16),
    Jump(i16),
    Tick,
    Close,
    Disk(bool),
}

#[derive(Arbitrary, Debug, Clone, Copy)]
pub(crate) enum How {
    Whole,
    Header,
    Tip,
    /// Everything from the last known block to this one.
    Fetched,
}

#[derive(Arbitrary, Debug)]
pub(crate) enum Bend {
    Byte { at: u16, by: u8 },
    Height(i8),
    Slot(u8),
    Stamp(i16),
    Weight(i8),
    Producer(u8),
    Parent(u8),
    Without(u8),
    Twice(u8),
    Signature(u8),
}

pub(crate) fn run(bytes: &[u8]) {
    let Some(All(steps)) = input::<All<Step>>(bytes) else { return };
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
    fn an_honest_peer_brings_a_chain() {
        // A property that holds because nothing ever happens would prove nothing.
        let mut world = World::new();
        for block in 0..8 {
            world.step(Step::Pass(8_000));
            world.step(Step::Honest { block, how: How::Whole });
            world.step(Step::Send { from: block, nonce: 0, fee: 1, amount: 5, peer: Some(true) });
            world.step(Step::Admit);
            world.step(Step::Close);
            world.step(Step::Disk(true));
            world.step(Step::Prepare { producer: None, slot: 0, delay_ms: 0, on: None });
            world.step(Step::Submit { which: 0, signed: true, with_body: false });
        }
        world.settle();
        assert!(world.height() >= 8, "height {}", world.height());
    }
}
