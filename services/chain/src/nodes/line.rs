//! The last blocks of the head's chain: who made them, and when they came here. Pure.

use std::collections::{BTreeMap, VecDeque};

use vision_primitives::{Hash, Height, NodeId, TimestampMs};

/// Blocks kept, and looked back to at the start.
pub(super) const MAX_LINE_BLOCKS: usize = 1_000;
/// Blocks below the last known one that are read again when the head's chain is another one.
const REREAD_BLOCKS: u64 = 64;
/// Arrivals kept, as of blocks that were left.
const MAX_ARRIVALS: usize = 256;

/// Where the head is.
#[derive(Clone, Copy)]
pub(super) struct Tip {
    /// Its height.
    pub height: Height,
    /// Its hash.
    pub hash: Hash,
    /// Its parent.
    pub parent: Hash,
    /// When it became the head here, milliseconds; none if before the start.
    pub arrived_ms: Option<u64>,
}

/// A block that somebody made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Made {
    /// Its height.
    pub height: Height,
    /// Its hash.
    pub hash: Hash,
    /// Its producer.
    pub producer: NodeId,
    /// Its time stamp, by the producer's clock.
    pub stamp: TimestampMs,
}

/// The last blocks.
#[derive(Default)]
pub(super) struct Line {
    blocks: VecDeque<Made>,
    arrivals: VecDeque<(Hash, u64)>,
    last_of: BTreeMap<NodeId, (Height, TimestampMs)>,
}

impl Line {
    /// Notes when a head came.
    pub(super) fn arrived(&mut self, tip: &Tip) {
        let Some(arrived_ms) = tip.arrived_ms else { return };
        if self.arrivals.back().is_none_or(|(hash, _)| *hash != tip.hash) {
            self.arrivals.push_back((tip.hash, arrived_ms));
            if self.arrivals.len() > MAX_ARRIVALS {
                self.arrivals.pop_front();
            }
        }
    }

    /// The lowest height whose block must be read; none if the line reaches the head.
    pub(super) fn missing_from(&self, tip: &Tip) -> Option<Height> {
        let lowest = (tip.height.get() + 1).saturating_sub(MAX_LINE_BLOCKS as u64).max(1);
        let from = match self.blocks.back() {
            _ if tip.height == Height::GENESIS => return None,
            Some(last) if last.hash == tip.hash => return None,
            Some(last) if last.hash == tip.parent => tip.height.get(),
            Some(last) => (last.height.get().min(tip.height.get()) + 1).saturating_sub(REREAD_BLOCKS),
            None => lowest,
        };
        Some(Height(from.max(lowest)))
    }

    /// Takes what was read: blocks of the head's chain, ascending without a gap. They replace what is known
    /// from there upward.
    pub(super) fn extend(&mut self, blocks: Vec<Made>) {
        let Some(first) = blocks.first().map(|block| block.height) else { return };
        let follows = self.blocks.back().is_none_or(|last| last.height.next() >= first);
        if !follows {
            self.blocks.clear();
        }
        while self.blocks.pop_back_if(|last| last.height >= first).is_some() {}
        self.last_of.retain(|_, (height, _)| *height < first);
        self.blocks.extend(blocks);
        while self.blocks.len() > MAX_LINE_BLOCKS {
            self.blocks.pop_front();
        }
        for block in &self.blocks {
            self.last_of.insert(block.producer, (block.height, block.stamp));
        }
    }

    /// The last block of a producer.
    pub(super) fn last_of(&self, id: &NodeId) -> Option<(Height, TimestampMs)> {
        self.last_of.get(id).copied()
    }

    /// The last blocks, at most so many, ascending.
    pub(super) fn newest(&self, count: usize) -> impl Iterator<Item = &Made> {
        self.blocks.iter().skip(self.blocks.len().saturating_sub(count))
    }

    /// When a block came here, milliseconds.
    pub(super) fn arrival(&self, hash: &Hash) -> Option<u64> {
        self.arrivals.iter().rev().find(|(of, _)| of == hash).map(|(_, at)| *at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(height: u64, branch: u8) -> Made {
        Made {
            height: Height(height),
            hash: hash_of(height, branch),
            producer: Hash([(height % 3) as u8 + 10 * branch; 32]),
            stamp: TimestampMs(height * 1_000),
        }
    }

    fn hash_of(height: u64, branch: u8) -> Hash {
        vision_primitives::hash(&[&height.to_le_bytes(), &[branch]])
    }

    fn tip(height: u64, branch: u8, parent: u8) -> Tip {
        Tip {
            height: Height(height),
            hash: hash_of(height, branch),
            parent: hash_of(height.saturating_sub(1), parent),
            arrived_ms: Some(height),
        }
    }

    #[test]
    fn what_is_missing_is_read_and_no_more() {
        let mut line = Line::default();
        assert_eq!(line.missing_from(&tip(0, 0, 0)), None, "block 0 was made by nobody");
        assert_eq!(line.missing_from(&tip(5_000, 0, 0)), Some(Height(4_001)), "the start");
        line.extend((4_001..=5_000).map(|height| made(height, 0)).collect());
        let cases = [
            ("nothing new", tip(5_000, 0, 0), None),
            ("a child", tip(5_001, 0, 0), Some(5_001)),
            ("a sibling", tip(5_000, 1, 0), Some(4_937)),
            ("a longer branch", tip(5_003, 1, 1), Some(4_937)),
            ("a shorter, heavier one", tip(4_998, 1, 1), Some(4_935)),
            ("far ahead", tip(9_000, 0, 0), Some(8_001)),
        ];
        for (desc, tip, expect) in cases {
            assert_eq!(line.missing_from(&tip), expect.map(Height), "{desc}");
        }
        line.extend((8_001..=9_000).map(|height| made(height, 0)).collect());
        assert_eq!(line.newest(MAX_LINE_BLOCKS).count(), MAX_LINE_BLOCKS);
        assert_eq!(line.newest(1).next(), Some(&made(9_000, 0)));
    }

    #[test]
    fn a_block_that_was_left_is_nobodys_last() {
        let mut line = Line::default();
        line.extend((1..=6).map(|height| made(height, 0)).collect());
        assert_eq!(line.last_of(&Hash([0; 32])), Some((Height(6), TimestampMs(6_000))));
        line.extend((5..=6).map(|height| made(height, 1)).collect());
        assert_eq!(line.last_of(&Hash([0; 32])), Some((Height(3), TimestampMs(3_000))));
        assert_eq!(line.last_of(&Hash([12; 32])), Some((Height(5), TimestampMs(5_000))));
    }

    #[test]
    fn an_arrival_is_noted_once_and_forgotten_at_last() {
        let mut line = Line::default();
        line.arrived(&Tip { arrived_ms: None, ..tip(1, 0, 0) });
        assert_eq!(line.arrival(&hash_of(1, 0)), None, "it was there at the start");
        for height in 1..=MAX_ARRIVALS as u64 + 1 {
            line.arrived(&tip(height, 0, 0));
            line.arrived(&Tip { arrived_ms: Some(0), ..tip(height, 0, 0) });
        }
        assert_eq!(line.arrival(&hash_of(2, 0)), Some(2));
        assert_eq!(line.arrival(&hash_of(1, 0)), None);
    }
}
