use super::*;

/// Looks at nodes, in order: which node, and its chain.
type Looks = &'static [(&'static str, &'static str)];

/// A chain from its heights' names: `chain(3, "abc")` are the blocks a3, b4, c5. Every block names its
/// parent.
fn chain(from: u64, parent: char, names: &str) -> Vec<Block> {
    let mut below = parent;
    let mut blocks = Vec::new();
    for (height, name) in (from..).zip(names.chars()) {
        blocks.push(Block {
            height,
            hash: format!("{name}{height}"),
            parent: format!("{below}{}", height.saturating_sub(1)),
            timestamp_ms: height,
            slot: 0,
            producer: "p".into(),
        });
        below = name;
    }
    blocks
}

/// An observer after some looks at whole chains.
fn after(looks: &[(&str, &str)]) -> Observer {
    let mut observer = Observer::default();
    for (node, names) in looks {
        assert_eq!(observer.look(node, &chain(0, ' ', names)), Look::Taken);
    }
    observer
}

#[test]
fn agreed_is_what_two_nodes_have_with_two_blocks_above() {
    let cases: [(&str, Looks, usize); 6] = [
        ("one node only", &[("n1", "aaaaa")], 0),
        ("two nodes", &[("n1", "aaaaa"), ("n2", "aaaaa")], 3),
        ("the second one is behind", &[("n1", "aaaaaaa"), ("n2", "aaaa")], 2),
        ("another branch", &[("n1", "aaaaa"), ("n2", "aabbb")], 2),
        ("two of three", &[("n1", "aaaaa"), ("n2", "aabbb"), ("n3", "aabbb")], 3),
        ("too low", &[("n1", "aa"), ("n2", "aa")], 0),
    ];
    for (desc, looks, expect) in cases {
        assert_eq!(after(looks).agreed(), expect, "{desc}");
    }
}

#[test]
fn what_was_agreed_must_stay() {
    let cases: [(&str, Looks, &str, &str); 5] = [
        ("kept", &[("n1", "aaaaa"), ("n2", "aaaaa")], "aaaaaaa", ""),
        ("the last two may change", &[("n1", "aaaaa"), ("n2", "aaaaa")], "aaabbbb", ""),
        ("lost", &[("n1", "aaaaa"), ("n2", "aaaaa")], "aabbbbb", "height 2: a2 was agreed and is lost"),
        ("cut off", &[("n1", "aaaaa"), ("n2", "aaaaa")], "aa", "height 2: a2 was agreed and is lost"),
        ("a block of one node only may be lost", &[("n1", "aaaaa"), ("n2", "bbbbb")], "bbbbbbb", ""),
    ];
    for (desc, looks, end, expect) in cases {
        let faults = after(looks).faults(&[("n1".into(), chain(0, ' ', end))]).join("; ");
        assert!(faults.contains(expect) && faults.is_empty() == expect.is_empty(), "{desc}: {faults}");
    }
}

#[test]
fn two_agreed_blocks_of_one_height_are_a_fault_even_if_the_end_looks_well() {
    let observer =
        after(&[("n1", "aaaaa"), ("n2", "aaaaa"), ("n1", "abbbbb"), ("n2", "abbbbb"), ("n3", "abbbbb")]);
    let faults = observer.faults(&[("n1".into(), chain(0, ' ', "aaaaaaa"))]);
    assert!(faults.iter().any(|fault| fault.contains("a1 was agreed, and then b1")), "{faults:?}");
}

#[test]
fn chains_that_end_apart_are_a_fault() {
    let ends = |second: &str| [("n1".into(), chain(0, ' ', "aaaa")), ("n2".into(), chain(0, ' ', second))];
    for (desc, second, expect) in [
        ("the same", "aaaa", ""),
        ("shorter", "aaa", ""),
        ("longer", "aaaaa", ""),
        ("apart", "aabb", "n1 and n2 differ from height 2 on"),
    ] {
        assert_eq!(Observer::default().faults(&ends(second)).join("; "), expect, "{desc}");
    }
}

#[test]
fn looks_join_or_ask_for_more_and_reorganisations_are_measured() {
    let mut observer = after(&[("n1", "aaaaaaaaaa")]);
    assert_eq!((observer.look_from("n1"), observer.look_from("n2")), (Some(5), None));
    // Only the top is looked at, and joins.
    assert_eq!(observer.look("n1", &chain(8, 'a', "aaaa")), Look::Taken);
    assert_eq!(observer.deepest_reorg(), 0);
    // A branch that left below what was looked at.
    assert_eq!(observer.look("n1", &chain(10, 'b', "bbb")), Look::DeeperFrom(2));
    assert_eq!(observer.look("n1", &chain(2, 'a', "aaaaaabbbbb")), Look::Taken);
    assert_eq!(observer.deepest_reorg(), 4);
    // A gap.
    assert_eq!(observer.look("n1", &chain(30, 'b', "bb")), Look::DeeperFrom(12));
    // A chain that grew shorter, which a better branch may be.
    assert_eq!(observer.look("n1", &chain(11, 'b', "b")), Look::Taken);
    assert_eq!(observer.deepest_reorg(), 4);
    observer.reported_reorg(9);
    assert_eq!(observer.deepest_reorg(), 9);
    assert_eq!(observer.look("n1", &[]), Look::Taken);
}
