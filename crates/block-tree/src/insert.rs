//! Adding a checked block: new head, new final blocks, evictions.

use std::sync::Arc;

use vision_primitives::{Hash, Height};

use crate::fork_choice::HeadMove;
use crate::tree::Node;
use crate::{BlockTree, CheckedBlock, Entry};

/// The head before and after, and the way from one to the other.
#[derive(Clone, Debug)]
pub struct HeadChange {
    /// The head before.
    pub old: Arc<Entry>,
    /// The head after.
    pub new: Arc<Entry>,
    /// The highest block that both chains contain: the old head itself unless this is a reorganisation.
    pub common_ancestor: Hash,
    /// Its height.
    pub common_height: Height,
    /// Blocks that left the canonical chain, highest first. They may be among the pruned ones too.
    pub left: Vec<Hash>,
    /// Blocks that joined it, ascending; the last is the new head.
    pub joined: Vec<Hash>,
}

/// What an insertion did.
#[derive(Clone, Default, Debug)]
pub struct Inserted {
    /// Whether the block is in the tree now. It is not if it was there already, if its parent is not (any
    /// more), or if it was the worst tip of a full tree.
    pub stored: bool,
    /// How the head moved, if it did.
    pub head: Option<HeadChange>,
    /// Blocks that became final, ascending.
    pub newly_final: Vec<Hash>,
    /// Blocks that were dropped: rivals of final ones, and evicted ones.
    pub pruned: Vec<Hash>,
}

impl BlockTree {
    /// Adds a block that [`BlockTree::check`] passed. `late` is the caller's verdict by section 5.
    pub fn insert(&mut self, checked: CheckedBlock, late: bool) -> Inserted {
        let mut entry = checked.entry;
        entry.late = late;
        let (hash, old) = (entry.hash(), self.head.clone());
        let mut inserted = Inserted::default();
        if !self.link(entry) {
            return inserted;
        }

        let mut moved = HeadMove::from(old.hash(), old.height());
        // Every turn but the last removes a block or makes one final.
        loop {
            self.choose_head(&mut moved);
            self.advance_final(&mut inserted);
            if self.open_blocks() <= self.max_open_blocks {
                break;
            }
            if !self.evict_worst_tip(&mut inserted) {
                self.finalize_to(1, &mut inserted);
            }
        }
        let HeadMove { ancestor: (common_ancestor, common_height), left, joined } = moved;
        if self.head.hash() != old.hash() {
            let new = self.head.clone();
            inserted.head = Some(HeadChange { old, new, common_ancestor, common_height, left, joined });
        }
        inserted.stored = self.get(&hash).is_some();
        if !inserted.stored {
            inserted.pruned.retain(|pruned| *pruned != hash);
        }
        inserted
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

    /// Drops the worst tip that is not the head; `false` if there is no other.
    fn evict_worst_tip(&mut self, inserted: &mut Inserted) -> bool {
        let head = self.head.hash();
        let Some(worst) = self.tips.iter().rev().map(|rank| rank.hash).find(|hash| *hash != head) else {
            return false;
        };
        let parent = self.get(&worst).map_or(Hash::ZERO, |entry| entry.parent());
        self.forget(&worst);
        inserted.pruned.push(worst);
        let Some(node) = self.nodes.get_mut(&parent) else { return true };
        node.children.retain(|child| *child != worst);
        match node.children.first().copied() {
            None => {
                let rank = node.entry.rank();
                self.tips.insert(rank);
            }
            // A LATE block whose earlier siblings are gone may be head itself.
            Some(first) => {
                let rank = self.nodes.get(&first).map(|node| node.entry.rank());
                self.ranked.extend(rank);
            }
        }
        true
    }
}
