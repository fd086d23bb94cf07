//! Finality by depth (`docs/protocol.md`, section 8, until section 9 is built) and what it prunes.

use std::collections::BTreeSet;

use vision_primitives::{Hash, Invariant as _};

use crate::BlockTree;
use crate::insert::{BlockRef, ChainChange};

/// How many blocks must stand above a block before it can be final.
pub const FINAL_DEPTH_BLOCKS: usize = 64;

impl BlockTree {
    /// Makes final what is deep enough and built upon by enough distinct producers.
    pub(crate) fn advance_final(&mut self, change: &mut ChainChange) {
        if let Some(index) = self.final_index() {
            self.finalize_to(index, change);
        }
    }

    /// Index in `canonical` of the highest block that is final by now; `None` if none above the last is.
    fn final_index(&self) -> Option<usize> {
        let deepest = self.canonical.len().checked_sub(1 + FINAL_DEPTH_BLOCKS)?;
        let quorum = self.head.state().registered().len() / 2 + 1;
        if deepest == 0 || quorum >= self.canonical.len() {
            return None;
        }
        let mut makers = BTreeSet::new();
        for (index, hash) in self.canonical.iter().enumerate().skip(1).rev() {
            makers.extend(self.known(hash).producer());
            if makers.len() >= quorum {
                return Some(deepest.min(index - 1)).filter(|index| *index > 0);
            }
        }
        None
    }

    /// Makes the canonical blocks up to an index final and forgets every block that does not descend
    /// from the last of them.
    pub(crate) fn finalize_to(&mut self, index: usize, change: &mut ChainChange) {
        for _ in 0..index {
            let lowest = self.canonical.front().copied().zip(self.canonical.get(1).copied());
            let (old, next) = lowest.invariant("only blocks of the head's chain become final");
            let entry = self.known(&next).clone();
            self.canonical.pop_front();
            for child in self.children(&old).to_vec() {
                if child != next {
                    self.forget_branch(child, &mut change.pruned);
                }
            }
            self.forget(&old);
            self.trail.push_front(old);
            change.newly_final.push(BlockRef::of(&entry));
            self.last_final = entry;
        }
        let reach = usize::try_from(self.rules.params().max_desync_blocks).unwrap_or(usize::MAX);
        self.trail.truncate(reach);
    }

    pub(crate) fn forget_branch(&mut self, root: Hash, forgotten: &mut Vec<Hash>) {
        let mut waiting = vec![root];
        while let Some(hash) = waiting.pop() {
            waiting.extend_from_slice(self.children(&hash));
            self.forget(&hash);
            forgotten.push(hash);
        }
    }

    pub(crate) fn forget(&mut self, hash: &Hash) {
        let node = self.nodes.remove(hash).invariant("only known blocks are forgotten, and each once");
        let rank = node.entry.rank();
        self.ranked.remove(&rank);
        self.tips.remove(&rank);
        self.fetched = self.fetched.filter(|fetched| fetched != hash);
    }
}
