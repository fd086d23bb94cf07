//! The tree of the last heights.

use std::cmp::Reverse;

use tonic::Status;
use vision_block_tree::{Aside, Entry};
use vision_importer::Importer;
use vision_primitives::{Hash, Height, TimestampMs};
use vision_wire::chain as proto;
use vision_wire::{Reason, status};

use super::ChainRpc;
use crate::refusals::store_unavailable;
use crate::shown::Shown;
use crate::store::Stretch;

/// Heights reported when the caller does not say.
const DEFAULT_HEIGHTS: u32 = 16;
/// Most heights reported.
const MAX_HEIGHTS: u32 = 64;
/// Most blocks reported.
const MAX_BLOCKS: usize = 256;

impl ChainRpc {
    pub(super) async fn fork_tree(
        &self,
        request: &proto::GetForkTreeRequest,
    ) -> Result<proto::GetForkTreeResponse, Status> {
        let heights = match request.heights {
            0 => DEFAULT_HEIGHTS,
            heights @ 1..=MAX_HEIGHTS => heights,
            heights => {
                let why = format!("heights: 1 to {MAX_HEIGHTS}, got {heights}");
                return Err(status(Reason::InvalidArgument, why, &[("field", "heights".into())]));
            }
        };
        let shown = self.shown.clone();
        let open = self.core.read(move |importer| {
            // What the disk did not take yet is nobody's business.
            if importer.is_behind() {
                Err(store_unavailable())
            } else {
                Ok(Known { importer, shown: &shown }.blocks(heights.into(), MAX_BLOCKS))
            }
        });
        let (lowest, final_height, mut blocks) = open.await?;
        if lowest < final_height {
            blocks.extend(self.final_blocks(lowest, final_height).await?);
        }
        blocks.sort_by(|a, b| (a.height, b.canonical, &a.hash).cmp(&(b.height, a.canonical, &b.hash)));
        blocks.drain(..blocks.len().saturating_sub(MAX_BLOCKS));
        Ok(proto::GetForkTreeResponse { blocks })
    }

    /// The blocks of the head's chain from a height up to, but without, the last final one.
    async fn final_blocks(&self, lowest: Height, last: Height) -> Result<Vec<proto::TreeBlock>, Status> {
        let count = usize::try_from(last.above(lowest)).unwrap_or(usize::MAX);
        let found = self.headers(Stretch::From(lowest), count).await?;
        let genesis = (lowest == Height::GENESIS).then(|| self.shown.genesis());
        let above = self.shown(found).await?;
        let below = |block: &proto::BlockInfo| block.height < last.get();
        Ok(genesis.into_iter().chain(above).filter(below).map(tree_block).collect())
    }
}

/// The blocks that the machine knows, and when they came.
struct Known<'a> {
    importer: &'a Importer,
    shown: &'a Shown,
}

impl Known<'_> {
    /// The lowest of so many heights up to the head's; the last final height; the blocks of the tree from the
    /// lowest height to the head's, those of the highest height and those of the head's chain first, at most
    /// `most`.
    fn blocks(&self, heights: u64, most: usize) -> (Height, Height, Vec<proto::TreeBlock>) {
        let tree = self.importer.tree();
        let head = tree.head().height();
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
            finalized: entry.height() <= self.importer.tree().final_entry().height(),
            arrived_ms: self.came(entry).map(TimestampMs::get),
            replaced_at_ms: self.importer.replaced_at(&hash).map(TimestampMs::get),
            replaced_because: aside.map(|aside| self.because(entry, aside)).unwrap_or_default(),
        }
    }

    fn came(&self, entry: &Entry) -> Option<TimestampMs> {
        self.shown.arrived(entry.header()?, &entry.hash())
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
                let rival = self.importer.tree().canonical(entry.height());
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

/// A final block.
fn tree_block(block: proto::BlockInfo) -> proto::TreeBlock {
    proto::TreeBlock {
        height: block.height,
        hash: block.hash,
        parent: block.parent,
        producer: block.producer,
        slot: block.slot,
        timestamp_ms: block.timestamp_ms,
        canonical: true,
        finalized: true,
        arrived_ms: block.arrived_ms,
        replaced_at_ms: None,
        replaced_because: String::new(),
    }
}
