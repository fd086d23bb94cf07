//! When blocks were left by the head's chain.

use std::collections::BTreeMap;

use vision_block_tree::ChainChange;
use vision_primitives::{Hash, TimestampMs};

/// When blocks were left by the head's chain, as long as they are in the tree. In memory only.
#[derive(Default)]
pub(crate) struct Replaced(BTreeMap<Hash, TimestampMs>);

impl Replaced {
    /// Notes what an insertion did.
    pub(crate) fn note(&mut self, change: &ChainChange, now: TimestampMs) {
        if let Some(moved) = &change.head {
            self.0.extend(moved.left.iter().map(|left| (left.hash, now)));
            for joined in &moved.joined {
                self.0.remove(&joined.hash);
            }
        }
        for pruned in &change.pruned {
            self.0.remove(pruned);
        }
    }

    /// When one was left.
    pub(crate) fn at(&self, hash: &Hash) -> Option<TimestampMs> {
        self.0.get(hash).copied()
    }
}
