//! The time grid: which blocks are checkpoints, and which hand over to the next voters.

use vision_primitives::{Checkpoint, Hash, TimestampMs};

/// Cells of `vote_interval_ms` and epochs of `epoch_ms` since block 0.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Grid {
    time: TimestampMs,
    vote_interval_ms: u64,
    epoch_ms: u64,
}

impl Grid {
    /// The grid of a chain: the time stamp of block 0, and both lengths in milliseconds.
    ///
    /// # Panics
    /// If one of them is 0, which no genesis allows.
    #[must_use]
    pub const fn new(time: TimestampMs, vote_interval_ms: u64, epoch_ms: u64) -> Self {
        assert!(vote_interval_ms > 0 && epoch_ms > 0, "a genesis that passed its check has neither");
        Self { time, vote_interval_ms, epoch_ms }
    }

    /// Number of the cell that an instant is in; 0 for the first.
    #[must_use]
    pub const fn cell(&self, at: TimestampMs) -> u64 {
        at.since_ms(self.time) / self.vote_interval_ms
    }

    /// Whether a block is voted on: it is the first of its chain in its cell, or a handover. Block 0 always
    /// is.
    #[must_use]
    pub const fn is_checkpoint(&self, parent: TimestampMs, block: TimestampMs) -> bool {
        self.cell(block) > self.cell(parent)
    }

    /// Whether a block ends its epoch: it is the first of its chain past a multiple of the epoch's length. As
    /// that is a multiple of the cell's, every handover is a checkpoint.
    #[must_use]
    pub const fn is_handover(&self, parent: TimestampMs, block: TimestampMs) -> bool {
        block.since_ms(self.time) / self.epoch_ms > parent.since_ms(self.time) / self.epoch_ms
    }

    /// A block as votes name it.
    #[must_use]
    pub const fn checkpoint(&self, hash: Hash, at: TimestampMs) -> Checkpoint {
        Checkpoint { hash, cell: self.cell(at) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_and_epochs() {
        let grid = Grid::new(TimestampMs(1_000), 100, 1_000);
        // parent's stamp, block's stamp, cell, checkpoint?, handover?
        let cases = [
            ("before the grid", 0, 999, 0, false, false),
            ("the first cell", 1_000, 1_099, 0, false, false),
            ("the next cell", 1_099, 1_100, 1, true, false),
            ("within it", 1_100, 1_199, 1, false, false),
            ("over several cells", 1_100, 1_950, 9, true, false),
            ("the next epoch", 1_999, 2_000, 10, true, true),
            ("within it", 2_000, 2_950, 19, true, false),
            ("over several epochs", 2_950, 7_000, 60, true, true),
        ];
        for (desc, parent, block, cell, checkpoint, handover) in cases {
            let (parent, block) = (TimestampMs(parent), TimestampMs(block));
            let got = (grid.cell(block), grid.is_checkpoint(parent, block), grid.is_handover(parent, block));
            assert_eq!(got, (cell, checkpoint, handover), "{desc}");
        }
    }
}
