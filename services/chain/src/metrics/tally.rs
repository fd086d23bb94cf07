//! What the chain's thread counts of the blocks that it has stored.

use std::collections::BTreeMap;

use tokio::time::Instant;
use vision_block_tree::{BlockTree, Entry};
use vision_importer::Output;
use vision_primitives::{Hash, Height, Slot, TimestampMs};

use super::ChainMetrics;
use crate::store::Commit;

/// Heights between checkpoints: what two nodes are compared by must be of the same height on both.
const CHECKPOINT_EVERY: u64 = 16;

/// What is remembered of the last final block and those above it.
pub(crate) struct Tally {
    metrics: ChainMetrics,
    open: BTreeMap<Hash, (Slot, TimestampMs)>,
    last_final: Hash,
}

impl Tally {
    /// Of a tree as it is restored; `checkpoint` gives the hash of a final height.
    pub(crate) fn new(
        metrics: ChainMetrics,
        tree: &BlockTree,
        checkpoint: impl FnOnce(Height) -> Option<Hash>,
    ) -> Self {
        let open = tree.entries().map(|entry| (entry.hash(), (entry.slot(), entry.timestamp_ms()))).collect();
        let last_final = tree.final_entry();
        let height = Height(last_final.height().get() / CHECKPOINT_EVERY * CHECKPOINT_EVERY);
        if let Some(hash) = checkpoint(height) {
            metrics.checkpoint(height, &hash);
        }
        metrics.head(tree.head(), last_final.height(), tree);
        Self { metrics, open, last_final: last_final.hash() }
    }

    /// Counts what a commit has stored `now` and what is reported of it; `came` says when a block came.
    pub(crate) fn stored(
        &mut self,
        reported: &[Output],
        commit: &Commit,
        tree: &BlockTree,
        now: Instant,
        came: impl Fn(&Hash) -> Option<Instant>,
    ) {
        for output in reported {
            let Output::Stored { block, became_head, .. } = output else { continue };
            let (hash, header) = (block.hash(), block.header());
            self.open.insert(hash, (header.slot, header.timestamp_ms));
            if let Some(came) = came(&hash) {
                self.metrics.import.observe((now - came).as_secs_f64());
            }
            if *became_head && let Some((_, before)) = self.open.get(&header.parent) {
                let interval = header.timestamp_ms.since_ms(*before);
                self.metrics.block_interval.observe(interval as f64 / 1000.0);
            }
        }
        for (height, hash) in &commit.finalized {
            if let Some((slot, _)) = self.open.get(hash) {
                self.metrics.finalized(*slot);
            }
            if height.get().is_multiple_of(CHECKPOINT_EVERY) {
                self.metrics.checkpoint(*height, hash);
            }
            let before = std::mem::replace(&mut self.last_final, *hash);
            self.open.remove(&before);
        }
        for hash in &commit.pruned {
            self.open.remove(hash);
        }
        let mut last = None;
        for output in reported {
            let Output::HeadMoved { head, finalized, left, .. } = output else { continue };
            if *left > 0 {
                self.metrics.reorg_depth.observe(*left as f64);
            }
            last = Some((head, *finalized));
        }
        if let Some((head, finalized)) = last {
            self.metrics.head(head, finalized, tree);
        }
    }
}

impl ChainMetrics {
    fn head(&self, head: &Entry, finalized: Height, tree: &BlockTree) {
        self.head_height.set(head.height().get() as f64);
        self.finalized_height.set(finalized.get() as f64);
        self.head_timestamp.set(head.timestamp_ms().get() as f64 / 1000.0);
        let (mut missed, mut at) = (0, tree.get(&head.hash()));
        while let Some(entry) = at.filter(|entry| entry.slot() > Slot(0)) {
            missed += entry.slot().get();
            at = tree.get(&entry.parent());
        }
        self.missed_in_a_row.set(missed as f64);
    }

    fn finalized(&self, slot: Slot) {
        let outcome = if slot == Slot(0) { "primary" } else { "backup" };
        self.slots.get([outcome]).inc();
        self.slots.get(["missed"]).inc_by(slot.get());
    }

    fn checkpoint(&self, height: Height, hash: &Hash) {
        // 48 bits are a whole number in what Prometheus stores.
        let number =
            hash.as_bytes().iter().take(6).fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
        self.checkpoint_hash.set(number as f64);
        self.checkpoint_height.set(height.get() as f64);
    }
}

#[cfg(test)]
mod tests {
    use vision_host::Metrics;

    use super::*;

    #[test]
    fn slots_of_final_blocks_are_counted_by_outcome() {
        let shown = Metrics::new("test", "1");
        let metrics = ChainMetrics::new(&shown);
        for slot in [0, 0, 2, 7, 0] {
            metrics.finalized(Slot(slot));
        }
        let text = shown.encode();
        for (outcome, count) in [("primary", 3), ("backup", 2), ("missed", 9)] {
            let line =
                format!("vision_chain_slots_total{{service=\"test\",outcome=\"{outcome}\"}} {count}\n");
            assert!(text.contains(&line), "{line} in\n{text}");
        }
    }

    #[test]
    fn a_checkpoint_is_a_number_of_48_bits() {
        let metrics = ChainMetrics::new(&Metrics::new("test", "1"));
        metrics.checkpoint(Height(32), &Hash([0xff; 32]));
        assert_eq!(metrics.checkpoint_hash.get().to_bits(), (((1_u64 << 48) - 1) as f64).to_bits());
        assert_eq!(metrics.checkpoint_height.get().to_bits(), 32_f64.to_bits());
    }
}
