//! Blocks that one producer has signed for one parent (`docs/protocol.md`, section 8): it should be one, and
//! the tree keeps two, or whoever signs any number could fill it.

use vision_primitives::{Hash, Header};

use crate::fork_choice::Rank;
use crate::{BlockTree, Refusal};

/// Most blocks of one producer on one parent.
pub const MAX_SIBLINGS: usize = 2;

impl BlockTree {
    /// Refuses a header whose producer has [`MAX_SIBLINGS`] other blocks on the parent. Whoever sent it may
    /// be honest: which ones come first differs from node to node.
    ///
    /// # Errors
    /// [`Refusal::TooManySiblings`].
    pub fn check_siblings(&self, header: &Header) -> Result<(), Refusal> {
        if self.siblings(Some(header)).len() < MAX_SIBLINGS {
            return Ok(());
        }
        Err(Refusal::TooManySiblings { producer: header.producer, parent: header.parent })
    }

    /// The known blocks of the header's producer on its parent.
    pub(crate) fn siblings(&self, header: Option<&Header>) -> Vec<Hash> {
        let Some(header) = header else { return Vec::new() };
        let children = self.children(&header.parent).iter();
        let of_producer =
            |hash: &&Hash| self.get(hash).is_some_and(|entry| entry.producer() == Some(header.producer));
        children.filter(of_producer).copied().collect()
    }

    /// Of [`MAX_SIBLINGS`] or more the one to give way: that on whose branch the worst of the best tips is.
    /// Never one of the head's chain.
    pub(crate) fn worst_sibling(&self, header: Option<&Header>) -> Option<Hash> {
        let siblings = self.siblings(header);
        if siblings.len() < MAX_SIBLINGS {
            return None;
        }
        let aside = siblings.into_iter().filter(|hash| self.get(hash).is_some_and(|e| !self.is_canonical(e)));
        aside.max_by_key(|hash| self.best_above(hash))
    }

    /// The best block of a branch.
    fn best_above(&self, root: &Hash) -> Option<Rank> {
        let (mut best, mut waiting) = (None, vec![*root]);
        while let Some(hash) = waiting.pop() {
            waiting.extend_from_slice(self.children(&hash));
            let rank = self.known(&hash).rank();
            best = Some(best.map_or(rank, |best: Rank| best.min(rank)));
        }
        best
    }
}
