//! The tree of the last heights, for people: which blocks there are, and why those beside the head's chain are not on it.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use vision_block_tree::{Aside, Entry, Inserted};
use vision_primitives::{Hash, Height, TimestampMs};
use vision_wire::chain as proto;

use super::Core;

/// When blocks were left by the head's chain, as long as they are in the tree. In memory only.
#[derive(Default)]
pub struct Replaced(BTreeMap<Hash, TimestampMs>);

impl Replaced {
    /// Notes what an insertion did.
    pub fn note(&mut self, inserted: &Inserted, now: TimestampMs) {
        if let Some(change) = &inserted.change.head {
            self.0.extend(change.left.iter().map(|left| (left.hash, now)));
            for joined in &change.joined {
                self.0.remove(&joined.hash);
            }
        }
        for pruned in &inserted.change.pruned {
            self.0.remove(pruned);
        }
    }
}

impl Core {
    /// The lowest of so many heights up to the head's; the last final height; the blocks of the tree from the lowest height to
    /// the head's, those of the highest height and those of the head's chain first, at most `most`.
    pub fn fork_tree(&self, heights: u64, most: usize) -> (Height, Height, Vec<proto::TreeBlock>) {
        let (tree, head) = (&self.parts.tree, self.parts.tree.head().height());
        let lowest = Height((head.get() + 1).saturating_sub(heights));
        let mut known = tree.between(lowest, head);
        known.sort_by_key(|(entry, aside)| (Reverse(entry.height()), aside.is_some(), entry.hash()));
        let blocks = known.iter().take(most).map(|(entry, aside)| self.tree_block(entry, *aside));
        (lowest, tree.final_entry().height(), blocks.collect())
    }

    fn tree_block(&self, entry: &Entry, aside: Option<Aside>) -> proto::TreeBlock {
        let hash = entry.hash();
        proto::TreeBlock {
            height: entry.height().get(),
            hash: hash.to_string(),
            parent: entry.parent().to_string(),
            producer: entry.producer().unwrap_or(Hash::ZERO).to_string(),
            slot: entry.slot().get(),
            timestamp_ms: entry.timestamp_ms().get(),
            canonical: aside.is_none(),
            finalized: entry.height() <= self.parts.tree.final_entry().height(),
            arrived_ms: self.came(entry).map(TimestampMs::get),
            replaced_at_ms: self.replaced.0.get(&hash).map(|at| at.get()),
            replaced_because: aside.map(|aside| self.because(entry, aside)).unwrap_or_default(),
        }
    }

    fn came(&self, entry: &Entry) -> Option<TimestampMs> {
        self.parts.shown.arrived(entry.header()?, &entry.hash())
    }

    /// A code and a sentence.
    fn because(&self, entry: &Entry, aside: Aside) -> String {
        match aside {
            Aside::Late { slot_ended } => {
                let late = self.came(entry).map(|at| format!(" {}", seconds(at.since_ms(slot_ended))));
                format!(
                    "LATE: came{} after its slot had ended, behind another block",
                    late.unwrap_or_default()
                )
            }
            Aside::Lighter { weight, head_weight } => {
                let rival = self.parts.tree.canonical(entry.height());
                match rival.filter(|rival| rival.parent() == entry.parent() && rival.slot() < entry.slot()) {
                    Some(rival) => {
                        let slots = format!("slot {} against slot {}", entry.slot(), rival.slot());
                        format!("LIGHTER: {slots}{}", self.meeting(entry, rival))
                    }
                    None => format!("LIGHTER: its chain weighs {weight}, the head's {head_weight}"),
                }
            }
            Aside::Tie { weight } => {
                format!("TIE: both chains weigh {weight}, and the other one is first in order")
            }
        }
    }

    /// Which of two came first, if that is known.
    fn meeting(&self, entry: &Entry, rival: &Entry) -> String {
        match (self.came(entry), self.came(rival)) {
            (Some(own), Some(other)) if own < other => {
                format!(": the other one came {} later", seconds(other.since_ms(own)))
            }
            (Some(own), Some(other)) => {
                format!(": came {} after the other one", seconds(own.since_ms(other)))
            }
            _ => String::new(),
        }
    }
}

/// With one decimal.
fn seconds(ms: u64) -> String {
    format!("{}.{} s", ms / 1000, ms % 1000 / 100)
}
