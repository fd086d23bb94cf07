//! The Merkle tree over a block's transaction hashes: leaf `H(0x00 || x)`, node `H(0x01 || l || r)`,
//! an odd node is carried up unchanged, the empty tree is 32 zero bytes.

use crate::{Hash, Invariant as _, hash};

fn leaf(item: &Hash) -> Hash {
    hash(&[&[0], item.as_bytes()])
}

fn node(left: &Hash, right: &Hash) -> Hash {
    hash(&[&[1], left.as_bytes(), right.as_bytes()])
}

fn parents(row: &[Hash]) -> Vec<Hash> {
    row.chunks(2)
        .map(|pair| match pair {
            [left, right] => node(left, right),
            rest => *rest.first().invariant("chunks are never empty"),
        })
        .collect()
}

/// Root over the items in their order.
#[must_use]
pub fn merkle_root(items: &[Hash]) -> Hash {
    let mut row: Vec<Hash> = items.iter().map(leaf).collect();
    while row.len() > 1 {
        row = parents(&row);
    }
    row.first().copied().unwrap_or(Hash::ZERO)
}

/// A neighbour met on the way from a leaf to the root.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MerkleStep {
    /// The neighbour stands left of the path.
    Left(Hash),
    /// The neighbour stands right of the path.
    Right(Hash),
}

/// Neighbours from the leaf upward; levels at which the path was carried up have none.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MerkleProof(pub Vec<MerkleStep>);

impl MerkleProof {
    /// Whether `item` under this path gives `root`.
    #[must_use]
    pub fn verify(&self, item: &Hash, root: &Hash) -> bool {
        let top = self.0.iter().fold(leaf(item), |below, step| match step {
            MerkleStep::Left(left) => node(left, &below),
            MerkleStep::Right(right) => node(&below, right),
        });
        top == *root
    }
}

/// Proof that `items[index]` is in the tree; `None` past the end.
#[must_use]
pub fn merkle_proof(items: &[Hash], index: usize) -> Option<MerkleProof> {
    items.get(index)?;
    let mut row: Vec<Hash> = items.iter().map(leaf).collect();
    let (mut at, mut steps) = (index, Vec::new());
    while row.len() > 1 {
        if at % 2 == 1 {
            steps.push(MerkleStep::Left(row[at - 1]));
        } else if let Some(right) = row.get(at + 1) {
            steps.push(MerkleStep::Right(*right));
        }
        row = parents(&row);
        at /= 2;
    }
    Some(MerkleProof(steps))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn items(n: u8) -> Vec<Hash> {
        (0..n).map(|i| hash(&[&[i]])).collect()
    }

    #[test]
    fn roots_of_small_trees_by_hand() {
        let [a, b, c] = [0_u8, 1, 2].map(|i| leaf(&hash(&[&[i]])));
        let cases = [(0, Hash::ZERO), (1, a), (2, node(&a, &b)), (3, node(&node(&a, &b), &c))];
        for (n, expect) in cases {
            assert_eq!(merkle_root(&items(n)), expect, "{n} items");
        }
    }

    #[test]
    fn every_item_has_a_proof_and_no_other_item_fits_it() {
        for n in 1..=17 {
            let all = items(n);
            let root = merkle_root(&all);
            for (i, item) in all.iter().enumerate() {
                let proof = merkle_proof(&all, i).expect("in range");
                assert!(proof.verify(item, &root), "{i} of {n}");
                assert!(!proof.verify(&hash(&[b"else"]), &root), "{i} of {n}");
            }
            assert_eq!(merkle_proof(&all, usize::from(n)), None);
        }
    }
}
