//! Real processes far from each other: every connection between nodes has a length, and faults.
//!
//! The short form runs with all tests. The long one is ignored by default, takes about a quarter of an hour,
//! and prints what docs/benchmarks.md has under "At a distance":
//! `cargo test -p vision --test system distance:: -- --ignored --nocapture`.

mod field;
mod figures;
mod line;
mod payments;
mod wires;
mod witness;

use std::time::Duration;

use field::{ALL, Face, Field, NODES, has_ip6};
use line::Distance;
use wires::Passage;

use crate::harness::{Dice, Plan};

/// Heights that must be final where nothing hinders it: then a block is 64 below the head.
const FINAL: u64 = 5;
const SECOND: Duration = Duration::from_secs(1);

/// The parameters as they come.
fn default_pace() -> Plan {
    Plan { nodes: 5, params: Vec::new(), cables: false }
}

/// Called by name, by IPv4 and by IPv6.
const MIXED: [Face; NODES] = [Face::Name, Face::Ip6, Face::Ip4, Face::Ip6, Face::Name];

/// Kills of the long form; `KILLS=20` asks for another number.
fn kills() -> u64 {
    std::env::var("KILLS").ok().and_then(|text| text.parse().ok()).unwrap_or(100)
}

/// The first two nodes on one side, the others on the other.
fn halves(field: &Field, passage: Passage) {
    for one in [0, 1] {
        for other in [2, 3, 4] {
            field.wires.set_both(one, other, passage);
        }
    }
}

/// Everything that one node sends to others.
fn mute(field: &Field, node: usize, passage: Passage) {
    ALL.iter().filter(|other| **other != node).for_each(|other| field.wires.set(node, *other, passage));
}

/// How many other nodes a node is connected to.
fn connected(field: &Field, node: usize) -> usize {
    let peers = field.net[node].json("/api/peers")["peers"].clone();
    peers.as_array().expect("a list").iter().filter(|peer| peer["state"] == "connected").count()
}

/// One wire breaks again and again; on another, what is sent waits again and again.
fn flap(field: &mut Field, times: u32) {
    for _ in 0..times {
        field.wires.set_both(0, 1, Passage::Refused);
        field.wires.set(2, 3, Passage::Held);
        field.live(SECOND / 2);
        field.wires.heal();
        field.live(SECOND / 2);
    }
}

/// Kills random nodes, each gone for a moment.
fn kill(field: &mut Field, times: u64) {
    let mut dice = Dice(19);
    for _ in 0..times {
        field.live(Duration::from_millis(dice.below(1000)));
        let victim = usize::try_from(dice.below(5)).expect("small");
        field.kill(victim, Duration::from_millis(dice.below(1500)));
    }
}

#[test]
fn in_short_all_faults_one_after_the_other() {
    let faces = if has_ip6("nodes at a distance") { MIXED } else { [Face::Name; NODES] };
    let near = Distance::of(60).jitter(20).stalls(1);
    let mut field = Field::with_faces("all faults in short", &Plan::fast(5), near, faces);
    field.live(3 * SECOND);
    halves(&field, Passage::Lost);
    field.live(6 * SECOND);
    field.heal();
    mute(&field, 2, Passage::Lost);
    field.live(6 * SECOND);
    field.heal();
    flap(&mut field, 5);
    kill(&mut field, 3);
    field.live_until_final(FINAL, 90);
    field.finish();
}

#[test]
#[ignore = "minutes"]
fn a_hundred_milliseconds_with_stalls_at_the_default_pace() {
    let far = Distance::of(100).stalls(1);
    let mut field = Field::new("100 ms, 1 % stalls, default pace", &default_pace(), far);
    field.live_until_final(FINAL, 360);
    field.finish();
}

#[test]
#[ignore = "minutes"]
fn four_hundred_milliseconds_and_backups_that_do_not_wait_for_them() {
    let plan = default_pace().param("claim_timeout_ms", 300).param("jitter_max_ms", 150);
    let far = Distance::of(400).jitter(150).stalls(5);
    let mut field = Field::new("400 ms ± 150, 5 % stalls, claim_timeout_ms 300", &plan, far);
    field.live_until_final(FINAL, 600);
    assert!(field.reorganisations().count() > 0, "no fork, so none has healed");
    field.finish();
}

#[test]
#[ignore = "minutes"]
fn as_fast_as_they_can_at_a_hundred_milliseconds() {
    let plan =
        Plan::fast(5).param("block_interval_ms", 0).param("jitter_max_ms", 1).param("claim_timeout_ms", 1200);
    let mut field = Field::new("100 ms, interval 0", &plan, Distance::of(100));
    field.live_until_final(200, 300);
    field.finish();
}

#[test]
#[ignore = "minutes"]
fn two_and_three_apart_for_twenty_seconds() {
    let mut field = Field::new("100 ms, two and three apart for 20 s", &Plan::fast(5), Distance::of(100));
    field.live(5 * SECOND);
    let before = field.heights();
    halves(&field, Passage::Lost);
    field.live(20 * SECOND);
    let apart = field.heights();
    assert!(ALL.iter().all(|node| apart[*node] > before[*node] + 3), "both go on: {before:?}, {apart:?}");
    let common = apart.into_iter().min().unwrap_or(0);
    assert_ne!(field.net[0].hash_at(common), field.net[2].hash_at(common), "they went apart");
    field.heal();
    field.live_until_final(apart.into_iter().max().unwrap_or(0), 180);
    field.finish();
}

#[test]
#[ignore = "minutes"]
fn one_that_hears_and_is_not_heard() {
    for (name, passage) in [
        ("100 ms, what one node sends is held for 15 s", Passage::Held),
        ("100 ms, what one node sends is lost for 15 s", Passage::Lost),
    ] {
        let mut field = Field::new(name, &Plan::fast(5), Distance::of(100));
        field.live(5 * SECOND);
        mute(&field, 0, passage);
        let before = field.heights();
        field.live(15 * SECOND);
        let after = field.heights();
        assert!(after[1..].iter().zip(&before[1..]).all(|(now, then)| now > then), "{before:?}, {after:?}");
        field.heal();
        let id = field.net[0].id.clone();
        field.live_until("it takes part again", 120, |field| {
            field.net[0].eligible() && field.net[1].is_active(&id)
        });
        field.live_until_final(FINAL, 120);
        field.finish();
    }
}

#[test]
#[ignore = "minutes"]
fn a_wire_that_comes_and_goes() {
    let mut field = Field::new("100 ms, wires that come and go for 30 s", &Plan::fast(5), Distance::of(100));
    flap(&mut field, 30);
    field.heal();
    field.live_until_final(FINAL, 120);
    field.finish();
}

#[test]
#[ignore = "minutes"]
fn a_node_catches_up_over_a_narrow_wire() {
    let narrow = Distance::of(100).jitter(50).rate(16 << 10);
    let mut field = Field::new("100 ms ± 50, 16 KiB/s, one node gone for 20 s", &Plan::fast(5), narrow);
    field.live(5 * SECOND);
    field.kill(4, 20 * SECOND);
    field.heal();
    let id = field.net[4].id.clone();
    field.live_until("it takes part again", 120, |field| {
        field.net[4].eligible() && field.net[0].is_active(&id)
    });
    field.live_until_final(FINAL, 120);
    field.finish();
}

#[test]
#[ignore = "minutes"]
fn seeds_by_name_and_by_ip6_and_mixed() {
    assert!(has_ip6("seeds by IPv6"), "the long form needs IPv6");
    for (name, faces) in [
        ("100 ms, seeds by name", [Face::Name; NODES]),
        ("100 ms, seeds by IPv6", [Face::Ip6; NODES]),
        ("100 ms, seeds mixed", MIXED),
    ] {
        let mut field = Field::with_faces(name, &Plan::fast(5), Distance::of(100), faces);
        field.live_until("every node is connected to every other one", 60, |field| {
            ALL.iter().all(|node| connected(field, *node) == NODES - 1)
        });
        field.live(10 * SECOND);
        field.finish();
    }
}

#[test]
#[ignore = "minutes"]
fn a_hundred_kills_under_load() {
    let far = Distance::of(50).jitter(10).stalls(1);
    let mut field = Field::new("50 ms ± 10, 1 % stalls, kill -9", &Plan::fast(5), far);
    kill(&mut field, kills());
    field.live_until_final(FINAL, 120);
    field.finish();
}
