//! A pool of producers: the sorted ids that slots are dealt over.

use std::sync::Arc;

use crate::{Hash, Hasher, NodeId};

/// Ids, strictly ascending, with the commitment to them. Cheap to clone.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Pool {
    ids: Arc<[NodeId]>,
    root: Hash,
}

impl Pool {
    /// A pool of these ids, in any order and with any duplicates.
    #[must_use]
    pub fn new(ids: impl IntoIterator<Item = NodeId>) -> Self {
        let mut ids: Vec<NodeId> = ids.into_iter().collect();
        ids.sort_unstable();
        ids.dedup();
        let mut hasher = Hasher::new();
        for id in &ids {
            hasher.update(id.as_bytes());
        }
        Self { ids: ids.into(), root: hasher.finish() }
    }

    /// The ids, ascending.
    #[must_use]
    pub fn ids(&self) -> &[NodeId] {
        &self.ids
    }

    /// `H(ids in order)`: what a header's `pool_root` holds for the active pool.
    #[must_use]
    pub const fn root(&self) -> Hash {
        self.root
    }

    /// Number of ids.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// Whether nobody is in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// Whether the id is in it.
    #[must_use]
    pub fn contains(&self, id: &NodeId) -> bool {
        self.ids.binary_search(id).is_ok()
    }
}
