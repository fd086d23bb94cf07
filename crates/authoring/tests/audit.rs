//! Blocks of this key that the guard does not know of.

mod support;

use support::{T0, World, block, head, prepare};
use vision_authoring::{Guard, Input, Output, OwnBlock};
use vision_primitives::{Height, hash};

/// A block of this key that some other node made.
fn twin(height: u64, name: &str) -> OwnBlock {
    let hash = |part: &str| hash(&[part.as_bytes(), name.as_bytes(), &height.to_le_bytes()]);
    OwnBlock { height: Height(height), parent: hash("parent"), hash: hash("block") }
}

#[test]
fn the_chain_is_looked_through_for_blocks_the_guard_does_not_know() {
    let first = head(500, "x", T0);
    let (known, other) = (twin(300, "known"), twin(300, "other"));
    let mut remembers = Guard::new(Height(200));
    remembers.promise(known.height, known.parent, known.hash).expect("above the floor");
    remembers
        .promise(Height(400), twin(400, "high").parent, twin(400, "high").hash)
        .expect("above the floor");
    let second = OwnBlock { hash: other.hash, ..known };
    // What the guard is, what is found, whether that is refused, and the floor after it.
    let cases = [
        ("never used", Guard::default(), vec![], false, 0),
        ("at the floor", Guard::new(Height(400)), vec![twin(400, "a"), twin(3, "b")], false, 400),
        ("older than the key's use", Guard::new(Height(400)), vec![twin(401, "a")], true, 400),
        ("the highest counts", Guard::new(Height(400)), vec![twin(450, "a"), twin(401, "b")], true, 400),
        ("no claims at all", Guard::default(), vec![twin(1, "a")], true, 0),
        ("remembered", remembers.clone(), vec![known, twin(400, "high")], false, 200),
        ("a gap below what is remembered", remembers.clone(), vec![twin(350, "a"), known], false, 350),
        ("another block for a parent remembered", remembers.clone(), vec![second], false, 300),
    ];
    for (desc, guard, own, refused, floor) in cases {
        let mut world = World::with(1, guard.clone(), None);
        world.own = own.clone();
        let out = world.take(Input::Head(first));
        let highest_own = own.iter().map(|block| block.height).max().unwrap_or_default();
        let refusal = Output::Refuse { highest_own, highest_claimed: guard.highest() };
        assert_eq!(out.contains(&refusal), refused, "{desc}");
        assert_eq!(world.machine.guard().floor(), Height(floor), "{desc}");
        let raised = Height(floor) > guard.floor();
        assert_eq!(out.contains(&Output::SaveFloor { floor: Height(floor) }), raised, "{desc}: on disk");
        assert_eq!(world.log.iter().any(|line| line.starts_with("elsewhere")), raised, "{desc}: said");
        world.pass(2_300);
        assert_eq!(prepare(&world.tick()).is_some(), !refused, "{desc}");
        assert_eq!(world.machine.blocked(world.now()).is_some(), refused, "{desc}");
    }

    let mut world = World::new(1);
    world.take(Input::Head(head(0, "genesis", T0)));
    world.take(Input::Snapshot { eligible: false, age_ms: 0 });
    world.take(Input::Head(first));
    world.own = vec![twin(501, "a"), twin(500, "b")];
    world.pass(2_300);
    assert_eq!(prepare(&world.tick()), None, "found while catching up: barred up to there");
    assert_eq!(world.machine.guard().floor(), Height(501));
    assert_eq!(world.log.last().map(String::as_str), Some("elsewhere 501 (2)"));
    assert!(prepare(&world.take(Input::Head(head(501, "y", T0)))).is_some(), "and free above");
}

#[test]
fn every_block_of_a_twin_is_said_and_bars_its_height() {
    let mut world = World::new(1);
    world.follow(head(10, "x", T0));
    world.pass(2_300);
    let (op, ask) = prepare(&world.tick()).expect("its slot");
    let own = block(&ask, 0);
    world.take(Input::Prepared { op, proposal: own.clone() });
    let mine = OwnBlock { height: own.height, parent: own.parent, hash: own.hash };
    assert_eq!(world.take(Input::OwnBlock(mine)), [], "its own");
    assert!(world.log.iter().all(|line| !line.starts_with("elsewhere")));

    // For the same parent, twice on another branch, low, and one reported again.
    let sibling = OwnBlock { hash: twin(11, "a").hash, ..mine };
    let cases = [
        (sibling, 11, true),
        (twin(13, "a"), 13, true),
        (twin(13, "b"), 13, true),
        (twin(9, "a"), 13, true),
        (twin(13, "a"), 13, false),
    ];
    for (found, floor, said) in cases {
        let (lines, before) = (world.log.len(), world.machine.guard().floor());
        let saves = world.take(Input::OwnBlock(found));
        let raised = Height(floor) > before;
        assert_eq!(saves.contains(&Output::SaveFloor { floor: Height(floor) }), raised, "{found:?}");
        assert_eq!(
            world.log[lines..].contains(&format!("elsewhere {} (1)", found.height)),
            said,
            "{found:?}"
        );
        assert_eq!(world.machine.guard().floor(), Height(floor));
    }
    assert_eq!(world.machine.used_elsewhere(), Some(Height(13)));
    world.follow(head(12, "y", T0));
    world.pass(2_300);
    assert_eq!(prepare(&world.tick()), None, "height 13 is barred");
    assert_eq!(world.machine.barred(), Some(Height(13)));
}

#[test]
fn after_a_gap_in_the_reported_blocks_the_chain_is_looked_through_again() {
    let mut world = World::new(1);
    world.follow(head(10, "x", T0));
    let asked = world.asked;
    world.own = vec![twin(11, "a")];
    world.take(Input::BlocksMissed);
    assert!(world.asked > asked);
    world.pass(2_300);
    assert_eq!(prepare(&world.tick()), None, "what happened in the gap is known");
    assert_eq!(world.machine.guard().floor(), Height(11));
}
