//! Why a known block is not on the head's chain.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;

use vision_primitives::{Hash, Height, Invariant as _, TimestampMs};

use crate::parent_context::slot_end;
use crate::tree::Node;
use crate::{BlockTree, Entry};

/// Why a block stands beside the head's chain.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Aside {
    /// It came LATE, behind another block on its parent, and no chain on it is heavier than the head's.
    Late {
        /// End of its slot.
        slot_ended: TimestampMs,
    },
    /// The heaviest chain that it is on is lighter than the head's.
    Lighter {
        /// Weight of that chain.
        weight: u64,
        /// Weight of the head's chain.
        head_weight: u64,
    },
    /// Both weigh the same, and the order of section 8 prefers the head.
    Tie {
        /// Weight of both.
        weight: u64,
    },
}

impl BlockTree {
    /// The known blocks of some heights, and of those that are not on the head's chain why.
    #[must_use]
    pub fn between(&self, lowest: Height, highest: Height) -> Vec<(Arc<Entry>, Option<Aside>)> {
        let mut above: Vec<&Node> =
            self.nodes.values().filter(|node| node.entry.height() >= lowest).collect();
        above.sort_unstable_by_key(|node| Reverse(node.entry.height()));
        // Of every block the most that a chain on it weighs: children come before their parents here.
        let mut heaviest: BTreeMap<Hash, u64> = BTreeMap::new();
        for node in &above {
            let above = |child| *heaviest.get(child).invariant("children come before their parents");
            let of_children = node.children.iter().map(above).max();
            let weight = of_children.unwrap_or_default().max(node.entry.weight());
            heaviest.insert(node.entry.hash(), weight);
        }
        let wanted = above.iter().filter(|node| node.entry.height() <= highest);
        let show = |node: &&Node| {
            let weight = *heaviest.get(&node.entry.hash()).invariant("every block has been weighed");
            (node.entry.clone(), self.aside(node, weight))
        };
        wanted.map(show).collect()
    }

    fn aside(&self, node: &Node, weight: u64) -> Option<Aside> {
        let entry = &node.entry;
        if self.is_canonical(entry) {
            return None;
        }
        if self.is_barred(node) {
            let parent = self.known(&entry.parent());
            return Some(Aside::Late { slot_ended: slot_end(parent.schedule(), entry.slot()) });
        }
        let head_weight = self.head.weight();
        Some(match weight < head_weight {
            true => Aside::Lighter { weight, head_weight },
            false => Aside::Tie { weight },
        })
    }
}
