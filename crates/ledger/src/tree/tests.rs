use proptest::collection::{btree_map, vec};
use proptest::prelude::*;

use super::*;

#[derive(Clone, Copy, PartialEq, Debug)]
struct Number(u64);

impl Value for Number {
    type Summary = Sum;

    fn value_hash(&self) -> Hash {
        hash(&[&self.0.to_le_bytes()])
    }

    fn summary(&self) -> Sum {
        Sum(self.0)
    }
}

#[derive(Clone, Copy, Default, PartialEq, Debug)]
struct Sum(u64);

impl Summary for Sum {
    fn join(self, other: Self) -> Self {
        Self(self.0 + other.0)
    }
}

/// The definition, word by word.
fn naive(leaves: &[(Hash, u64)], depth: usize) -> Hash {
    match leaves {
        [] => Hash::ZERO,
        [(key, number)] => hash(&[&[0], key.as_bytes(), hash(&[&number.to_le_bytes()]).as_bytes()]),
        _ => {
            let is_right = |key: &Hash| key.0[depth / 8] & (0x80 >> (depth % 8)) != 0;
            let (right, left): (Vec<_>, Vec<_>) = leaves.iter().partition(|(key, _)| is_right(key));
            hash(&[&[1], naive(&left, depth + 1).as_bytes(), naive(&right, depth + 1).as_bytes()])
        }
    }
}

/// Keys that crowd together: few values in the first and the last byte, zero between.
fn key(crowded: u8) -> Hash {
    let mut bytes = [0; 32];
    bytes[0] = crowded >> 4 << 5;
    bytes[31] = crowded & 15;
    Hash(bytes)
}

fn tree_of(leaves: &[(Hash, u64)]) -> Tree<Number> {
    Tree::new().updated(leaves.iter().map(|(key, number)| (*key, Some(Number(*number)))).collect())
}

#[test]
fn roots_by_hand() {
    let value = |n: u64| hash(&[&n.to_le_bytes()]);
    let (a, b) = (Hash::ZERO, Hash([0x80; 32]));
    let c = Hash([0x40; 32]);
    let (leaf_a, leaf_b, leaf_c) =
        (leaf_hash(&a, &value(1)), leaf_hash(&b, &value(2)), leaf_hash(&c, &value(3)));
    type Leaves<'a> = &'a [(Hash, u64)];
    let cases: [(&str, Leaves, Hash); 4] = [
        ("empty", &[], Hash::ZERO),
        ("a lone leaf stands at the root", &[(a, 1)], leaf_a),
        ("two leaves split by the first bit", &[(a, 1), (b, 2)], fork_hash(&leaf_a, &leaf_b)),
        (
            "two leaves share the first bit: one side is empty",
            &[(a, 1), (c, 3)],
            fork_hash(&fork_hash(&leaf_a, &leaf_c), &Hash::ZERO),
        ),
    ];
    for (desc, leaves, expect) in cases {
        assert_eq!(tree_of(leaves).root(), expect, "{desc}");
    }
}

#[test]
fn an_update_that_changes_nothing_shares_everything() {
    let tree = tree_of(&[(key(1), 1), (key(2), 2), (key(200), 3)]);
    let same_tree = tree.updated(vec![(key(77), None)]);
    assert!(same(&tree.root, &same_tree.root));
    let changed = tree.updated(vec![(key(1), Some(Number(9)))]);
    let (Some(Node::Fork { right: before, .. }), Some(Node::Fork { right: after, .. })) =
        (tree.root.as_deref(), changed.root.as_deref())
    else {
        panic!("both roots are forks");
    };
    assert!(same(before, after), "the untouched half is shared");
}

#[test]
fn of_several_changes_of_one_key_the_last_counts() {
    let tree =
        Tree::new().updated(vec![(key(1), Some(Number(1))), (key(1), None), (key(1), Some(Number(3)))]);
    assert_eq!(tree.get(&key(1)), Some(&Number(3)));
    assert_eq!(tree.root(), tree_of(&[(key(1), 3)]).root());
}

proptest! {
    #[test]
    fn any_history_gives_the_defined_root(
        batches in vec(btree_map(any::<u8>(), proptest::option::of(0..5_u64), 0..12), 1..8),
    ) {
        let mut tree = Tree::new();
        let mut model = std::collections::BTreeMap::new();
        for batch in batches {
            for (crowded, number) in &batch {
                match number {
                    Some(number) => model.insert(key(*crowded), *number),
                    None => model.remove(&key(*crowded)),
                };
            }
            tree = tree.updated(batch.into_iter().map(|(k, n)| (key(k), n.map(Number))).collect());
            let leaves: Vec<_> = model.iter().map(|(key, number)| (*key, *number)).collect();
            prop_assert_eq!(tree.root(), naive(&leaves, 0));
            prop_assert_eq!(tree.summary(), Sum(leaves.iter().map(|(_, number)| number).sum()));
            let walked: Vec<_> = tree.iter().map(|(key, number)| (*key, number.0)).collect();
            prop_assert_eq!(walked, leaves);
            let positive: Vec<_> = tree.iter_where(|sum| sum.0 > 0).map(|(key, _)| *key).collect();
            let expect: Vec<_> = model.iter().filter(|(_, n)| **n > 0).map(|(key, _)| *key).collect();
            prop_assert_eq!(positive, expect);
        }
    }

    #[test]
    fn proofs_show_what_is_there_and_nothing_else(
        leaves in btree_map(any::<u8>(), 0..5_u64, 0..20), asked: u8, bent in 0..8_usize,
    ) {
        let pairs: Vec<_> = leaves.iter().map(|(k, n)| (key(*k), *n)).collect();
        let (tree, key) = (tree_of(&pairs), key(asked));
        let proof = tree.prove(&key);
        let value = tree.get(&key).map(Value::value_hash);
        prop_assert!(proof.verify(&tree.root(), &key, value.as_ref()));
        let other = hash(&[b"another value"]);
        prop_assert!(!proof.verify(&tree.root(), &key, Some(&other)));
        prop_assert!(value.is_none() || !proof.verify(&tree.root(), &key, None));
        prop_assert!(!proof.verify(&other, &key, value.as_ref()));
        let mut forged = proof.clone();
        if let Some(sibling) = forged.siblings.get_mut(bent) {
            sibling.0[3] ^= 1;
            prop_assert!(!forged.verify(&tree.root(), &key, value.as_ref()));
        }
        if let Some(shorter) = proof.siblings.len().checked_sub(1) {
            let cut = TreeProof { siblings: proof.siblings[..shorter].to_vec(), ..proof };
            prop_assert!(!cut.verify(&tree.root(), &key, value.as_ref()));
        }
    }
}

#[test]
fn a_proof_longer_than_a_key_is_no_proof() {
    let proof = TreeProof { siblings: vec![Hash::ZERO; 257], end: TreeProofEnd::Empty };
    assert_eq!(proof.resolve(&Hash::ZERO), None);
    let astray = TreeProof {
        siblings: vec![Hash::ZERO],
        end: TreeProofEnd::Leaf { key: Hash([0x80; 32]), value_hash: Hash::ZERO },
    };
    assert_eq!(astray.resolve(&Hash::ZERO), None, "the leaf at the end does not share the path's bits");
}
