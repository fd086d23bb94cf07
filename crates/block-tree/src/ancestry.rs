//! Who descends from whom.

use std::sync::Arc;

use vision_primitives::{Hash, Height, Invariant as _};

use crate::{BlockTree, Entry, FINAL_DEPTH_BLOCKS};

/// Most hashes of a locator.
pub const MAX_LOCATOR_HASHES: usize = 64;
/// So many hashes of a locator follow each other without gap; after them the gaps double.
const DENSE_LOCATOR_HASHES: usize = 10;

impl BlockTree {
    /// Hash of a known block's ancestor (or of itself) at a height; also below the last final block, as
    /// far down as a sync proof in a child of the last final block may point.
    #[must_use]
    pub fn ancestor_at(&self, block: &Hash, height: Height) -> Option<Hash> {
        let mut at = self.get(block)?;
        if height > at.height() {
            return None;
        }
        while at.height() > height && !self.is_canonical(at) {
            at = self.known(&at.parent());
        }
        if !self.is_canonical(at) {
            return Some(at.hash());
        }
        self.canonical_hash(height).copied().or_else(|| self.trail_hash(height))
    }

    /// Hash of the final block of a height below the last final one, as far as it is remembered.
    pub(crate) fn trail_hash(&self, height: Height) -> Option<Hash> {
        let index = self.last_final.height().above(height).checked_sub(1)?;
        self.trail.get(usize::try_from(index).ok()?).copied()
    }

    /// Whether the hash is that of a final block not far below the last.
    pub(crate) fn is_recently_final(&self, hash: &Hash) -> bool {
        self.trail.iter().take(FINAL_DEPTH_BLOCKS).any(|remembered| remembered == hash)
    }

    /// Whether a known block is the other or one of its ancestors.
    #[must_use]
    pub fn is_ancestor(&self, ancestor: &Hash, descendant: &Hash) -> bool {
        self.get(ancestor)
            .and_then(|entry| self.ancestor_at(descendant, entry.height()))
            .is_some_and(|found| found == *ancestor)
    }

    /// The highest block that two known blocks both descend from; one of them if it is on the other's
    /// chain.
    #[must_use]
    pub fn common_ancestor(&self, a: &Hash, b: &Hash) -> Option<&Arc<Entry>> {
        let (mut a, mut b) = (self.get(a)?, self.get(b)?);
        while a.hash() != b.hash() {
            let higher = if a.height() >= b.height() { &mut a } else { &mut b };
            *higher = self.known(&higher.parent());
        }
        Some(a)
    }

    /// Canonical hashes from the head down to the last final block, thinning out exponentially.
    #[must_use]
    pub fn locator(&self) -> Vec<Hash> {
        let (mut hashes, mut index, mut step) = (Vec::new(), self.canonical.len().saturating_sub(1), 1_usize);
        while index > 0 && hashes.len() + 1 < MAX_LOCATOR_HASHES {
            hashes.push(*self.canonical.get(index).invariant("the index is within the chain"));
            if hashes.len() >= DENSE_LOCATOR_HASHES {
                step = step.saturating_mul(2);
            }
            index = index.saturating_sub(step);
        }
        hashes.push(self.last_final.hash());
        hashes
    }

    /// The parent's ancestor that a sync proof in a child may name.
    pub(crate) fn recent<'a>(&'a self, parent: &'a Entry) -> impl Fn(Height) -> Option<Hash> + 'a {
        |height| self.ancestor_at(&parent.hash(), height)
    }
}
