//! Adding a checked block: new head, new final blocks, evictions.

use std::sync::Arc;

use vision_primitives::{Hash, Height, Invariant as _};

use crate::fork_choice::HeadMove;
use crate::siblings::MAX_SIBLINGS;
use crate::tree::Node;
use crate::{BlockTree, CheckedBlock, Entry};

/// A block by its place and its name.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct BlockRef {
    /// Its height.
    pub height: Height,
    /// Its hash.
    pub hash: Hash,
}

impl BlockRef {
    /// That of an entry.
    #[must_use]
    pub const fn of(entry: &Entry) -> Self {
        Self { height: entry.height(), hash: entry.hash() }
    }
}

/// The head before and after, and the way from one to the other.
#[derive(Clone, Debug)]
pub struct HeadChange {
    /// The head before.
    pub old: Arc<Entry>,
    /// The head after.
    pub new: Arc<Entry>,
    /// The highest block that both chains contain: the old head itself unless this is a reorganisation.
    pub common: BlockRef,
    /// Blocks that left the canonical chain, highest first. They may be among the pruned ones too.
    pub left: Vec<BlockRef>,
    /// Blocks that joined it, ascending; the last is the new head.
    pub joined: Vec<BlockRef>,
}

/// What changed in the chain, whatever brought it about: today a block, and nothing here depends on that.
#[derive(Clone, Default, Debug)]
pub struct ChainChange {
    /// How the head moved, if it did.
    pub head: Option<HeadChange>,
    /// Blocks that became final, ascending.
    pub newly_final: Vec<BlockRef>,
    /// Blocks that were dropped: rivals of final ones, and evicted ones.
    pub pruned: Vec<Hash>,
}

/// What an insertion did.
#[derive(Clone, Default, Debug)]
pub struct Inserted {
    /// Whether the block is in the tree now. It is not if it was there already, if its parent is not (any
    /// more), if it was the worst tip of a full tree, or if its producer has too many others on the parent.
    pub stored: bool,
    /// What followed from it, whether or not the block itself has stayed.
    pub change: ChainChange,
}

impl BlockTree {
    /// Adds a block that [`BlockTree::check`] passed. `late` is the caller's verdict by section 5. It is not
    /// stored if its producer has [`MAX_SIBLINGS`] others on the parent.
    pub fn insert(&mut self, checked: CheckedBlock, late: bool) -> Inserted {
        let mut entry = checked.entry;
        entry.late = late;
        if self.siblings(entry.header()).len() >= MAX_SIBLINGS {
            return Inserted::default();
        }
        self.add(entry, ChainChange::default())
    }

    /// Adds a block that was asked for as part of a branch that is said to be heavier than the head's chain.
    /// Room for it is made from other side branches: it takes the place of one by the same producer if there
    /// are
    /// [`MAX_SIBLINGS`], and the branch up to it is not evicted before any other.
    pub fn insert_fetched(&mut self, checked: CheckedBlock) -> Inserted {
        let (entry, mut change) = (checked.entry, ChainChange::default());
        if self.get(&entry.parent()).is_none() || self.get(&entry.hash()).is_some() {
            return Inserted::default();
        }
        let hash = entry.hash();
        while let Some(worst) = self.worst_sibling(entry.header()) {
            self.detach(worst, &mut change.pruned);
        }
        self.fetched = Some(hash);
        self.add(entry, change)
    }

    fn add(&mut self, entry: Entry, mut change: ChainChange) -> Inserted {
        let (hash, old) = (entry.hash(), self.head.clone());
        if !self.link(entry) {
            return Inserted { stored: false, change };
        }

        let mut moved = HeadMove::from(BlockRef::of(&old));
        // Every turn but the last removes a block or makes one final.
        loop {
            self.choose_head(&mut moved);
            self.advance_final(&mut change);
            if self.side_blocks() > self.max_open_blocks && self.evict_worst_tip(&mut change) {
                continue;
            }
            if self.canonical.len().saturating_sub(1) <= self.max_open_blocks {
                break;
            }
            self.finalize_to(1, &mut change);
        }
        let HeadMove { common, left, joined } = moved;
        if self.head.hash() != old.hash() {
            let new = self.head.clone();
            change.head = Some(HeadChange { old, new, common, left, joined });
        }
        let stored = self.get(&hash).is_some();
        if !stored {
            change.pruned.retain(|pruned| *pruned != hash);
        }
        Inserted { stored, change }
    }

    /// Hangs an entry under its parent; `false` if it cannot be.
    pub(crate) fn link(&mut self, entry: Entry) -> bool {
        let (hash, rank) = (entry.hash(), entry.rank());
        if self.nodes.contains_key(&hash) {
            return false;
        }
        let Some(parent) = self.nodes.get_mut(&entry.parent()) else { return false };
        parent.children.push(hash);
        self.tips.remove(&parent.entry.rank());
        self.tips.insert(rank);
        let node = Node { entry: Arc::new(entry), children: Vec::new() };
        if !self.is_barred(&node) {
            self.ranked.insert(rank);
        }
        self.nodes.insert(hash, node);
        true
    }

    /// Drops the worst tip that is not the head, and not that of the branch being fetched unless there is no
    /// other; `false` if there is none at all.
    fn evict_worst_tip(&mut self, change: &mut ChainChange) -> bool {
        let (head, fetched) = (self.head.hash(), self.fetched);
        let tips = || self.tips.iter().rev().map(|rank| rank.hash).filter(|hash| *hash != head);
        let Some(worst) = tips().find(|hash| Some(*hash) != fetched).or_else(|| tips().next()) else {
            return false;
        };
        self.detach(worst, &mut change.pruned);
        true
    }

    /// Drops a block that is not on the head's chain, and what stands on it.
    fn detach(&mut self, root: Hash, pruned: &mut Vec<Hash>) {
        let parent = self.known(&root).parent();
        self.forget_branch(root, pruned);
        let node =
            self.nodes.get_mut(&parent).invariant("a block beside the head's chain has a known parent");
        node.children.retain(|child| *child != root);
        match node.children.first().copied() {
            None => {
                let rank = node.entry.rank();
                self.tips.insert(rank);
            }
            // A LATE block whose earlier siblings are gone may be head itself.
            Some(first) => {
                let rank = self.known(&first).rank();
                self.ranked.insert(rank);
            }
        }
    }
}
