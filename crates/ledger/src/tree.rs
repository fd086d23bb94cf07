//! A persistent compact sparse Merkle tree over 256-bit keys.
//!
//! A subtree without leaves hashes to 32 zero bytes; one with exactly one leaf to
//! `H(0x00 || key || value hash)`, at whatever depth it stands alone; any other to
//! `H(0x01 || left || right)`, split by the key's bit at that depth, most significant bit first.
//! The shape is a function of the keys alone, whatever order they came in.
//!
//! Nodes are immutable and shared: an update makes new nodes only along the touched paths, and
//! hashes a node that several changed leaves stand under once.

mod iter;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use vision_primitives::{Hash, hash};

use crate::proof::{TreeProof, TreeProofEnd};
pub(crate) use iter::Iter;

/// What a leaf holds.
pub(crate) trait Value: Clone {
    /// What a fork knows about all leaves under it, besides their hash.
    type Summary: Summary;
    /// What the tree commits to.
    fn value_hash(&self) -> Hash;
    /// This leaf's share of the summary.
    fn summary(&self) -> Self::Summary;
}

/// Something known of a subtree that can be joined from its two halves.
pub(crate) trait Summary: Copy + Default {
    fn join(self, other: Self) -> Self;
}

impl Summary for () {
    fn join(self, (): ()) {}
}

pub(crate) enum Node<V: Value> {
    Leaf { key: Hash, value: V, hash: Hash },
    Fork { left: Link<V>, right: Link<V>, hash: Hash, summary: V::Summary },
}

pub(crate) type Link<V> = Option<Arc<Node<V>>>;

/// The tree. Cloning it is O(1).
#[derive(Clone)]
pub(crate) struct Tree<V: Value> {
    root: Link<V>,
}

/// One change of a batch: a new value, or `None` to remove the leaf.
pub(crate) type Change<V> = (Hash, Option<V>);

pub(crate) fn leaf_hash(key: &Hash, value_hash: &Hash) -> Hash {
    hash(&[&[0], key.as_bytes(), value_hash.as_bytes()])
}

pub(crate) fn fork_hash(left: &Hash, right: &Hash) -> Hash {
    hash(&[&[1], left.as_bytes(), right.as_bytes()])
}

/// The key's bit at a depth below 256, most significant first.
pub(crate) fn bit(key: &Hash, depth: usize) -> bool {
    key.0[depth / 8] >> (7 - depth % 8) & 1 == 1
}

fn link_hash<V: Value>(link: &Link<V>) -> Hash {
    match link.as_deref() {
        None => Hash::ZERO,
        Some(Node::Leaf { hash, .. } | Node::Fork { hash, .. }) => *hash,
    }
}

fn link_summary<V: Value>(link: &Link<V>) -> V::Summary {
    match link.as_deref() {
        None => V::Summary::default(),
        Some(Node::Leaf { value, .. }) => value.summary(),
        Some(Node::Fork { summary, .. }) => *summary,
    }
}

fn same<V: Value>(a: &Link<V>, b: &Link<V>) -> bool {
    match (a, b) {
        (None, None) => true,
        (Some(a), Some(b)) => Arc::ptr_eq(a, b),
        _ => false,
    }
}

fn leaf<V: Value>(key: Hash, value: &V) -> Link<V> {
    let hash = leaf_hash(&key, &value.value_hash());
    Some(Arc::new(Node::Leaf { key, value: value.clone(), hash }))
}

/// Joins two halves; a leaf that stands alone moves up.
fn join<V: Value>(left: Link<V>, right: Link<V>) -> Link<V> {
    match (left.as_deref(), right.as_deref()) {
        (None, None) => None,
        (Some(Node::Leaf { .. }), None) => left,
        (None, Some(Node::Leaf { .. })) => right,
        _ => {
            let hash = fork_hash(&link_hash(&left), &link_hash(&right));
            let summary = link_summary(&left).join(link_summary(&right));
            Some(Arc::new(Node::Fork { left, right, hash, summary }))
        }
    }
}

fn update<V: Value>(link: &Link<V>, depth: usize, batch: &[Change<V>]) -> Link<V> {
    let none = None;
    let (left, right) = match (link.as_deref(), batch) {
        (_, []) => return link.clone(),
        (None, [(key, value)]) => return value.as_ref().and_then(|value| leaf(*key, value)),
        (Some(Node::Leaf { key: old, .. }), [(key, value)]) if old == key => {
            return value.as_ref().and_then(|value| leaf(*key, value));
        }
        (None, _) => (&none, &none),
        (Some(Node::Leaf { key, .. }), _) if bit(key, depth) => (&none, link),
        (Some(Node::Leaf { .. }), _) => (link, &none),
        (Some(Node::Fork { left, right, .. }), _) => (left, right),
    };
    let (to_left, to_right) = batch.split_at(batch.partition_point(|(key, _)| !bit(key, depth)));
    let new_left = update(left, depth + 1, to_left);
    let new_right = update(right, depth + 1, to_right);
    if matches!(link.as_deref(), Some(Node::Fork { .. })) && same(left, &new_left) && same(right, &new_right)
    {
        return link.clone();
    }
    join(new_left, new_right)
}

impl<V: Value> Tree<V> {
    /// The tree without leaves.
    pub(crate) const fn new() -> Self {
        Self { root: None }
    }

    /// The commitment to all leaves.
    pub(crate) fn root(&self) -> Hash {
        link_hash(&self.root)
    }

    /// What is known of all leaves together.
    pub(crate) fn summary(&self) -> V::Summary {
        link_summary(&self.root)
    }

    /// The value at a key.
    pub(crate) fn get(&self, key: &Hash) -> Option<&V> {
        let mut link = &self.root;
        for depth in 0..=256 {
            match link.as_deref()? {
                Node::Leaf { key: found, value, .. } => return (found == key).then_some(value),
                Node::Fork { left, right, .. } => link = if bit(key, depth) { right } else { left },
            }
        }
        None
    }

    /// The tree after a batch of changes. Of several changes of one key the last counts.
    pub(crate) fn updated(&self, mut batch: Vec<Change<V>>) -> Self {
        batch.sort_by_key(|(key, _)| *key);
        if batch.windows(2).any(|pair| pair[0].0 == pair[1].0) {
            batch.reverse();
            batch.dedup_by_key(|(key, _)| *key);
            batch.reverse();
        }
        Self { root: update(&self.root, 0, &batch) }
    }

    /// All leaves, keys ascending.
    pub(crate) fn iter(&self) -> Iter<'_, V> {
        self.iter_where(|_| true)
    }

    /// The leaves whose summary is wanted, keys ascending, skipping every subtree whose summary is not.
    pub(crate) fn iter_where<'a>(&'a self, wanted: impl Fn(&V::Summary) -> bool + 'a) -> Iter<'a, V> {
        Iter::new(self.root.as_deref(), Box::new(wanted))
    }

    /// The path to a key, which shows the value there or that there is none.
    pub(crate) fn prove(&self, key: &Hash) -> TreeProof {
        let (mut link, mut siblings) = (&self.root, Vec::new());
        loop {
            match link.as_deref() {
                None => return TreeProof { siblings, end: TreeProofEnd::Empty },
                Some(Node::Leaf { key, value, .. }) => {
                    let end = TreeProofEnd::Leaf { key: *key, value_hash: value.value_hash() };
                    return TreeProof { siblings, end };
                }
                Some(Node::Fork { left, right, .. }) => {
                    let (next, other) = if bit(key, siblings.len()) { (right, left) } else { (left, right) };
                    siblings.push(link_hash(other));
                    link = next;
                }
            }
        }
    }
}
