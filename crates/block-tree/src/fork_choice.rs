//! Which of the known blocks is the head (`docs/protocol.md`, section 8; LATE of section 5).

use std::cmp::Reverse;

use vision_primitives::{Hash, Height, Invariant as _, Slot};

use crate::BlockTree;
use crate::insert::BlockRef;
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
    pub(crate) common: BlockRef,
    /// Blocks that left, highest first.
    pub(crate) left: Vec<BlockRef>,
    /// Blocks that joined, ascending.
    pub(crate) joined: Vec<BlockRef>,
}

impl HeadMove {
    pub(crate) const fn from(head: BlockRef) -> Self {
        Self { common: head, left: Vec::new(), joined: Vec::new() }
    }

    fn pop(&mut self, block: BlockRef, below: BlockRef) {
        if self.joined.pop().is_none() {
            self.left.push(block);
            self.common = below;
        }
    }

    fn push(&mut self, block: BlockRef) {
        if self.joined.is_empty() && self.left.last() == Some(&block) {
            self.left.pop();
            self.common = block;
        } else {
            self.joined.push(block);
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
        let best = self.ranked.first().invariant("the head is ranked, and never forgotten");
        let best = self.known(&best.hash).clone();
        let mut path = Vec::new();
        let mut at = best.clone();
        while !self.is_canonical(&at) {
            path.push(BlockRef::of(&at));
            at = self.known(&at.parent()).clone();
        }
        while self.canonical_height() > at.height() {
            let height = self.canonical_height();
            let hash = self.canonical.pop_back().invariant("the chain reaches up to its height");
            let below = self.canonical.back().copied();
            let below = below.invariant("no block leaves the chain at or below the last final one");
            moved.pop(BlockRef { height, hash }, BlockRef { height: self.canonical_height(), hash: below });
        }
        for block in path.into_iter().rev() {
            self.canonical.push_back(block.hash);
            moved.push(block);
        }
        self.head = best;
    }
}
