//! Blocks that cannot be checked yet, and what peers are charged.

mod support;

use std::sync::Arc;

use support::{Machine, Net, id};
use vision_importer::{Input, Output, PeerClock};
use vision_primitives::{Block, NodeId};

const MAX_CLOCK_DRIFT_MS: u64 = 500;

fn makers() -> [NodeId; 3] {
    [id(1), id(2), id(3)]
}

fn announce(block: &Arc<Block>, clock: PeerClock) -> Input {
    Input::Announced { peer: id(101), clock, block: block.clone() }
}

fn stored(said: &[Output]) -> usize {
    said.iter().filter(|output| matches!(output, Output::Stored { .. })).count()
}

fn charges(said: &[Output]) -> Vec<u32> {
    let charge = |output: &Output| match output {
        Output::Charge { points, .. } => Some(*points),
        _ => None,
    };
    said.iter().filter_map(charge).collect()
}

#[test]
fn a_block_ahead_of_the_clock_is_taken_held_or_charged() {
    let net = Net::of(3);
    let block = Machine::new(&net).next_block(&makers());
    let stamp = block.header().timestamp_ms.get();
    let (unknown, measured) = (PeerClock::default(), PeerClock { ahead_ms: 0, measured: true });
    let ahead = PeerClock { ahead_ms: 60_000, measured: true };
    // How far it is ahead, what is known of the peer's clock; whether it is taken, how long it is held, what
    // is charged.
    type Case = (&'static str, u64, PeerClock, usize, Option<u64>, &'static [u32]);
    let cases: [Case; 7] = [
        ("on time", 0, unknown, 1, None, &[]),
        ("as far as clocks may drift", MAX_CLOCK_DRIFT_MS, unknown, 1, None, &[]),
        ("a little more", MAX_CLOCK_DRIFT_MS + 1, unknown, 0, Some(1), &[]),
        ("as far as is waited for", 10_000, unknown, 0, Some(9_500), &[]),
        ("further, by a clock that is not known", 10_001, unknown, 0, None, &[1]),
        ("further, by a clock like ours", 10_001, measured, 0, None, &[20]),
        ("further, by a clock that is ahead itself", 10_001, ahead, 0, None, &[]),
    ];
    for (desc, ahead_ms, clock, taken, held_ms, charged) in cases {
        let mut machine = Machine::new(&net);
        machine.now_ms = stamp - ahead_ms;
        let said = machine.step(announce(&block, clock));
        assert_eq!((stored(&said), charges(&said)), (taken, charged.to_vec()), "{desc}");
        let due_in = machine.importer.due_in_ms(machine.now());
        assert_eq!(due_in, held_ms, "{desc}");
        if let Some(held_ms) = held_ms {
            machine.now_ms += held_ms - 1;
            assert_eq!(stored(&machine.close()), 0, "{desc}: not before its time");
            machine.now_ms += 1;
            assert_eq!(stored(&machine.close()), 1, "{desc}: when its time has come");
            assert_eq!(machine.head(), block.hash());
        }
    }
}

#[test]
fn orphans_wait_for_their_parent_whatever_their_order() {
    let net = Net::of(3);
    let mut maker = Machine::new(&net);
    let mut blocks = Vec::new();
    for _ in 0..4 {
        let block = maker.next_block(&makers());
        maker.step(announce(&block, PeerClock::default()));
        blocks.push(block);
    }
    let orders: [[usize; 4]; 4] = [[0, 1, 2, 3], [3, 2, 1, 0], [1, 3, 0, 2], [2, 0, 3, 1]];
    for order in orders {
        let mut machine = Machine::new(&net);
        machine.now_ms = maker.now_ms;
        let mut claimed = 0;
        for at in order {
            let said = machine.step(announce(&blocks[at], PeerClock::default()));
            claimed += said.iter().filter(|output| matches!(output, Output::TipClaimed { .. })).count();
            assert_eq!(charges(&said), [0; 0], "{order:?}");
            let again = machine.step(announce(&blocks[at], PeerClock::default()));
            assert_eq!(stored(&again), 0, "{order:?}: the same again");
        }
        assert_eq!(machine.head(), maker.head(), "{order:?}");
        assert_eq!(machine.memory.blocks.len(), 4, "{order:?}");
        let without_parent = order.iter().enumerate().filter(|(seen, at)| {
            let known: Vec<usize> = order[..*seen].to_vec();
            !(0..**at).all(|below| known.contains(&below))
        });
        assert_eq!(claimed, without_parent.count(), "{order:?}: each is a claim of what is missing");
    }
}

#[test]
fn a_bad_block_is_charged_once_checked_and_less_when_it_comes_again() {
    let net = Net::of(3);
    let mut machine = Machine::new(&net);
    let good = machine.next_block(&makers());
    let mut header = good.header().clone();
    header.weight += 1;
    let bad = Block::from_parts(header.to_bytes(), &good.signature().0, vec![], &net.rules.genesis_hash);
    let bad = Arc::new(bad.expect("it decodes"));
    let said = machine.step(announce(&bad, PeerClock::default()));
    assert_eq!((stored(&said), charges(&said)), (0, vec![50]));
    let said = machine.step(announce(&bad, PeerClock::default()));
    assert_eq!((stored(&said), charges(&said).len()), (0, 1));
    let said = machine.step(announce(&good, PeerClock::default()));
    assert_eq!((stored(&said), charges(&said)), (1, vec![]), "the good one is taken all the same");
}
