//! Which of the known blocks is the head (`docs/protocol.md`, section 8; LATE of section 5).

use std::cmp::Reverse;

use vision_primitives::{Hash, Height, Slot};

use crate::BlockTree;
use crate::tree::Node;

/// A block's place among all: the lesser, the better. A total order.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Rank {
    weight: Reverse<u64>,
    height: Height,
    slot: Slot,
    pub(crate) hash: Hash,
}

impl Rank {
    pub(crate) const fn new(weight: u64, height: Height, slot: Slot, hash: Hash) -> Self {
        Self { weight: Reverse(weight), height, slot, hash }
    }
}

/// How the canonical chain moved, step by step.
pub(crate) struct HeadMove {
    /// The highest block that never left the chain.
    pub(crate) ancestor: (Hash, Height),
    /// Blocks that left, highest first.
    pub(crate) left: Vec<Hash>,
    /// Blocks that joined, ascending.
    pub(crate) joined: Vec<Hash>,
}

impl HeadMove {
    pub(crate) const fn from(head: Hash, height: Height) -> Self {
        Self { ancestor: (head, height), left: Vec::new(), joined: Vec::new() }
    }

    fn pop(&mut self, hash: Hash, below: (Hash, Height)) {
        if self.joined.pop().is_none() {
            self.left.push(hash);
            self.ancestor = below;
        }
    }

    fn push(&mut self, hash: Hash, height: Height) {
        if self.joined.is_empty() && self.left.last() == Some(&hash) {
            self.left.pop();
            self.ancestor = (hash, height);
        } else {
            self.joined.push(hash);
        }
    }
}

impl BlockTree {
    /// Whether a LATE block must not be head itself: a sibling that was imported earlier exists.
    pub(crate) fn is_barred(&self, node: &Node) -> bool {
        let first_sibling =
            || self.nodes.get(&node.entry.parent()).and_then(|parent| parent.children.first());
        node.entry.late && first_sibling() != Some(&node.entry.hash())
    }

    /// Makes the best block that is not barred the head. Its children can only be worse if they are
    /// all barred, and the first of siblings never is, so the head has no children.
    pub(crate) fn choose_head(&mut self, moved: &mut HeadMove) {
        let Some(node) = self.ranked.first().and_then(|best| self.nodes.get(&best.hash)) else { return };
        let best = node.entry.clone();
        let mut path = Vec::new();
        let mut at = best.clone();
        while !self.is_canonical(&at) {
            path.push((at.hash(), at.height()));
            match self.nodes.get(&at.parent()) {
                Some(parent) => at = parent.entry.clone(),
                None => return,
            }
        }
        while self.canonical_height() > at.height() {
            let Some(hash) = self.canonical.pop_back() else { return };
            let height = self.canonical_height();
            let below = self.canonical.back().copied().unwrap_or(self.last_final.hash());
            moved.pop(hash, (below, height));
        }
        for (hash, height) in path.into_iter().rev() {
            self.canonical.push_back(hash);
            moved.push(hash, height);
        }
        self.head = best;
    }
}
