//! Machines that talk to each other, in memory and in virtual time.

mod support;

use std::collections::BTreeSet;

use support::{Manner, Net, block, id, large_block};
use vision_peering::{ConnectionId, Log, Query, Refusal};
use vision_primitives::{Hash, Height};

const MINUTE_MS: u64 = 60_000;

/// Each knows only the next one.
fn ring() -> Net {
    Net::new(&[&[1], &[2], &[3], &[4], &[0]])
}

fn all_connected(net: &Net) -> bool {
    (0..net.nodes.len()).all(|at| net.peers(at).len() == net.nodes.len() - 1)
}

#[test]
fn five_nodes_that_each_know_one_find_each_other() {
    let mut net = ring();
    net.run_until("everybody is connected with everybody", MINUTE_MS, all_connected);
    let charged = |log: &Log| matches!(log, Log::Charged { .. });
    assert!(net.nodes.iter().all(|node| !node.logs.iter().any(charged)));
}

#[test]
fn the_same_seeds_and_inputs_give_the_same_outputs() {
    let run = || {
        let mut net = ring();
        net.run_for(MINUTE_MS);
        net.audit
    };
    let (first, second) = (run(), run());
    assert!(first.len() > 1_000, "{}", first.len());
    assert_eq!(first, second);
}

#[test]
fn both_sides_of_a_pair_keep_the_same_connection_whoever_called_first() {
    for (desc, seeds) in [
        ("both call", [&[1][..], &[0][..]]),
        ("the lower one calls", [&[1][..], &[][..]]),
        ("the higher one calls", [&[][..], &[0][..]]),
    ] {
        let mut net = Net::new(&seeds);
        net.run_for(5_000);
        let ends: BTreeSet<Option<ConnectionId>> =
            BTreeSet::from([net.connection(0, 1), net.connection(1, 0)]);
        assert!(ends.len() == 1 && !ends.contains(&None), "{desc}: {ends:?}");
        // It is the one that the lower id called, if need be after it has learned the address from its
        // caller.
        assert_eq!((net.peers(0)[0].inbound, net.peers(1)[0].inbound), (false, true), "{desc}");
    }
}

#[test]
fn a_liar_is_charged_each_time_and_banned() {
    let mut net = Net::new(&[&[], &[0]]);
    net.nodes[1].manner = Manner::Lies(50);
    let charges = |net: &Net| {
        let charged = |log: &Log| match log {
            Log::Charged { peer, points, .. } if *peer == id(1) => Some(*points),
            _ => None,
        };
        net.nodes[0].logs.iter().filter_map(charged).collect::<Vec<_>>()
    };
    net.run_until("it claims blocks but has none when asked", 5_000, |net| charges(net) == [40]);
    assert!(!net.peers(0)[0].delivers, "its claim counts no longer");
    net.part(0, 1);
    let banned = |net: &Net| {
        let misbehaved = |(peer, why): &(Hash, Option<Refusal>)| {
            *peer == id(1) && matches!(why, Some(Refusal::Misbehaved { .. }))
        };
        net.nodes[0].closes.iter().any(misbehaved)
    };
    net.run_until("the second time costs more than it may", 15_000, banned);
    let turned_away =
        |net: &Net| net.nodes[0].refusals.iter().any(|why| matches!(why, Refusal::Banned { .. }));
    net.run_until("it calls again and is turned away", 30_000, turned_away);
    assert!(net.peers(0).is_empty());
}

#[test]
fn who_stalls_does_not_keep_a_node_from_catching_up_with_another() {
    let mut net = Net::new(&[&[1, 2], &[], &[]]);
    // More than fits into one answer, so ranges are asked for as well.
    net.fill(1, 300);
    net.fill(2, 300);
    // A stranger's claim stands behind a producer's.
    net.register(&[1]);
    net.nodes[1].manner = Manner::Stalls;
    let asked_of =
        |net: &Net, other: usize| net.nodes[0].asked.iter().filter(|(peer, _)| *peer == id(other)).count();
    net.run_until("the producer is asked first", 1_000, |net| asked_of(net, 1) == 1);
    assert_eq!(asked_of(&net, 2), 0);
    // It is stuck after three seconds; nobody waits the ten that it has to deliver.
    let caught_up = |net: &Net| net.nodes[0].chain.height() == Height(300);
    net.run_until("the other one delivers", 5_000, caught_up);
    let stretches =
        net.nodes[0].asked.iter().filter(|(_, query)| matches!(query, Query::Stretch { .. })).count();
    assert!(stretches >= 2, "{stretches}");
    assert!(net.nodes[0].closes.is_empty());
}

#[test]
fn ranges_are_asked_for_from_all_that_can_help() {
    let mut net = Net::new(&[&[1, 2, 3], &[], &[], &[]]);
    for at in 1..4 {
        net.fill(at, 1_000);
        net.nodes[at].manner = Manner::Stalls;
    }
    // A round begins with those that are known then. The first one has a single source, and is stuck.
    net.run_for(1_500);
    let [(stuck, _)] = net.nodes[0].asked[..] else { panic!("{:?}", net.nodes[0].asked) };
    let helpers: Vec<usize> = (1..4).filter(|at| id(*at) != stuck).collect();
    helpers.iter().for_each(|at| net.nodes[*at].manner = Manner::Honest);
    net.run_until("it has all", 5_000, |net| net.nodes[0].chain.height() == Height(1_000));
    for at in helpers {
        let stretch =
            |(peer, query): &(Hash, Query)| *peer == id(at) && matches!(query, Query::Stretch { .. });
        assert!(net.nodes[0].asked.iter().filter(|asked| stretch(asked)).count() >= 3, "{at}");
    }
    net.run_for(2_000);
    assert!(net.peers(0).iter().all(|peer| peer.height == Height(1_000) && peer.charge == 0));
}

#[test]
fn a_block_comes_to_everybody_and_goes_back_to_nobody() {
    for (desc, make) in [("whole", block as fn(u64, Hash) -> _), ("by its header", large_block)] {
        let mut net = ring();
        net.run_until("all are connected", MINUTE_MS, all_connected);
        let new = make(1, Hash::ZERO);
        net.produce(2, &new);
        let have_it = |net: &Net| net.nodes.iter().all(|node| node.chain.has(&new.hash()));
        net.run_until(desc, 1_000, have_it);
        net.run_for(1_000);
        assert!(net.nodes[2].came.is_empty(), "{desc}: {:?}", net.nodes[2].came);
        // Several may send it before they hear that somebody else has.
        assert!(net.nodes.iter().all(|node| node.came.values().all(|times| *times <= 4)), "{desc}");
        let asked: usize = net.nodes.iter().map(|node| node.asked.len()).sum();
        assert_eq!(asked > 0, desc == "by its header", "{desc}: {asked}");
    }
}

#[test]
fn an_echo_measures_round_trip_and_clock() {
    let mut net = Net::new(&[&[1], &[]]);
    net.run_for(3_000);
    for at in [0, 1] {
        let peer = &net.peers(at)[0];
        assert_eq!((peer.rtt_ms, peer.clock_offset_ms), (Some(4.0), Some(0.0)), "{at}");
        assert!(peer.fresh && peer.delivers);
    }
}
