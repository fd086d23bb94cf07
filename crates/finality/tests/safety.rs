//! No two conflicting blocks become final, whatever is produced, delivered and withheld: every order of
//! events is tried on small trees of blocks, random ones on larger trees. The voters' memory and the quorum
//! are the real ones; blocks are bare.
//!
//! Whoever schedules knows no limits. A block may carry any certificate of its own chain that exists; a
//! voter may meet any block at any time, as if its fork choice preferred it; voters that misbehave vote for
//! everything. What protects is the lock and the quorum alone. Each rule is also taken away, and the search
//! must then find two conflicting final blocks.

mod model;

use model::{Model, Rule, Shape};
use proptest::prelude::*;
use vision_primitives::Finality::{Bft, Cft};

/// Trees of checkpoints on block 0: the parent of each, and its cell.
fn shapes() -> Vec<Shape> {
    [
        // two branches of one
        vec![(0, 1), (0, 1)],
        vec![(0, 1), (0, 2)],
        // two of two, their cells interleaved
        vec![(0, 1), (1, 4), (0, 2), (3, 3)],
        vec![(0, 1), (1, 5), (0, 3), (3, 6)],
        vec![(0, 1), (1, 2), (0, 1), (3, 2)],
        // a common block, then a fork
        vec![(0, 1), (1, 2), (1, 3)],
        vec![(0, 2), (1, 4), (1, 3), (0, 3)],
        // three branches
        vec![(0, 1), (0, 2), (0, 3)],
    ]
    .into_iter()
    .map(Shape::new)
    .collect()
}

#[test]
fn every_order_of_events_on_small_trees() {
    let mut states = 0;
    for (rule, n, misbehaving) in [(Cft, 3, 0), (Bft, 4, 1)] {
        for shape in shapes() {
            let model = Model::new(shape, rule, n, misbehaving, Rule::All);
            let searched = model.search();
            assert_eq!(searched.conflict, None, "{n} voters, {misbehaving} misbehave: {model:?}");
            states += searched.states;
        }
    }
    for (rule, n, misbehaving) in [(Cft, 4, 0), (Cft, 5, 0), (Bft, 5, 1)] {
        for shape in shapes().into_iter().filter(|shape| shape.len() <= 2) {
            let model = Model::new(shape, rule, n, misbehaving, Rule::All);
            let searched = model.search();
            assert_eq!(searched.conflict, None, "{n} voters, {misbehaving} misbehave: {model:?}");
            states += searched.states;
        }
    }
    // A search that goes nowhere proves nothing.
    assert!(states > 100_000, "{states}");
}

#[test]
fn without_a_rule_the_search_finds_two_final_blocks() {
    let cases = [
        (Rule::NoSurroundBan, Cft, 3, 0),
        (Rule::OnePhase, Cft, 3, 0),
        (Rule::TwoConsecutive, Cft, 3, 0),
        (Rule::SmallQuorum, Cft, 4, 0),
        (Rule::SmallQuorum, Bft, 4, 1),
        (Rule::NoSurroundBan, Bft, 4, 1),
        (Rule::OnePhase, Bft, 4, 1),
        (Rule::TwoConsecutive, Bft, 4, 1),
        (Rule::NoMemory, Cft, 3, 0),
        // One more than the quorum is made for.
        (Rule::All, Bft, 4, 2),
        (Rule::All, Cft, 3, 1),
    ];
    for (rule, finality, n, misbehaving) in cases {
        let found = shapes()
            .into_iter()
            .find_map(|shape| Model::new(shape, finality, n, misbehaving, rule).search().conflict);
        assert!(
            found.is_some(),
            "{rule:?} of {n} voters, of which {misbehaving} misbehave, is missed by nobody"
        );
    }
}

/// Two branches with a handover each, at the same or at different cells, to voters of which the branches
/// have few in common.
fn handovers() -> Vec<Shape> {
    let sets = [
        [vec![0, 1, 2], vec![0, 1, 3], vec![2, 4, 5]],
        [vec![0, 1, 2], vec![3, 4, 5], vec![0, 1, 2]],
        [vec![0, 1, 2], vec![0, 1, 2], vec![0, 1, 2, 3, 4]],
    ];
    let trees = [
        // F1 (1), its child; F2 (3), its child.
        (vec![(0, 1), (1, 2), (0, 1), (3, 2)], [1, 3]),
        (vec![(0, 1), (1, 4), (0, 2), (3, 3)], [1, 3]),
    ];
    let shapes = sets.iter().flat_map(|[first, a, b]| {
        trees.iter().map(|(tree, [f1, f2])| {
            let handovers = [(*f1, a.clone()), (*f2, b.clone())];
            Shape::new(tree.clone()).with_handovers(first.clone(), handovers)
        })
    });
    shapes.collect()
}

#[test]
fn handovers_to_other_voters() {
    for shape in handovers() {
        let model = Model::new(shape, Cft, 3, 0, Rule::All);
        assert_eq!(model.search().conflict, None, "{model:?}");
    }
    let found = handovers()
        .into_iter()
        .find_map(|shape| Model::new(shape, Cft, 3, 0, Rule::HandoverWithoutCertificate).search().conflict);
    assert!(found.is_some(), "voters who do not wait for the handover to be final are missed by nobody");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn random_orders_on_larger_trees(
        links in prop::collection::vec((any::<prop::sample::Index>(), 1_u64..4), 4..10),
        case in 0_usize..6,
        choices in prop::collection::vec(any::<prop::sample::Index>(), 200),
    ) {
        let (rule, n, misbehaving) =
            [(Cft, 3, 0), (Bft, 4, 1), (Cft, 4, 0), (Cft, 5, 0), (Bft, 5, 1), (Bft, 7, 2)][case];
        let model = Model::new(Shape::random(&links), rule, n, misbehaving, Rule::All);
        prop_assert_eq!(model.walk(&choices), None);
    }
}

#[test]
fn random_orders_find_a_missing_rule_too() {
    // Else they would prove nothing on trees that are too large to be searched.
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;
    for broken in [Rule::NoSurroundBan, Rule::OnePhase, Rule::SmallQuorum] {
        let mut runner = TestRunner::deterministic();
        let links = prop::collection::vec((any::<prop::sample::Index>(), 1_u64..4), 4..10);
        let inputs = (links, prop::collection::vec(any::<prop::sample::Index>(), 200));
        let found = (0..5_000).any(|_| {
            let (links, choices) = inputs.new_tree(&mut runner).unwrap().current();
            Model::new(Shape::random(&links), Cft, 4, 0, broken).walk(&choices).is_some()
        });
        assert!(found, "{broken:?}");
    }
}
