//! Blocks that cannot be checked yet: too early by the clock, or without their parent. Bounded.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use vision_primitives::{Block, Hash, NodeId, TimestampMs};

use crate::PeerClock;

/// Most blocks held for their time.
const MAX_EARLY_BLOCKS: usize = 64;
/// Most blocks held for their parent.
const MAX_ORPHANS: usize = 128;
/// Most bytes of blocks held for their time.
const MAX_EARLY_BYTES: u64 = 16 << 20;
/// Most bytes of blocks held for their parent.
const MAX_ORPHAN_BYTES: u64 = 16 << 20;

/// A block and the peer that announced it.
pub(crate) struct Waiting {
    /// Who announced it.
    pub(crate) peer: NodeId,
    /// What was known of its clock then.
    pub(crate) clock: PeerClock,
    /// The block.
    pub(crate) block: Arc<Block>,
    /// When it came, by this node's clock: what the LATE rule asks for.
    pub(crate) arrived: TimestampMs,
}

/// Blocks ahead of the clock, by the instant from which they may be taken.
#[derive(Default)]
pub(crate) struct Early {
    by_due: BTreeMap<(TimestampMs, Hash), Waiting>,
    bytes: u64,
}

impl Early {
    /// Holds a block until `due`; when there is too much, the one due last goes.
    pub(crate) fn hold(&mut self, due: TimestampMs, waiting: Waiting) {
        self.bytes += waiting.block.size_bytes();
        if let Some(same) = self.by_due.insert((due, waiting.block.hash()), waiting) {
            self.bytes -= same.block.size_bytes();
        }
        while self.by_due.len() > MAX_EARLY_BLOCKS || (self.bytes > MAX_EARLY_BYTES && self.by_due.len() > 1)
        {
            if let Some((_, last)) = self.by_due.pop_last() {
                self.bytes -= last.block.size_bytes();
            }
        }
    }

    /// When the next block is due.
    pub(crate) fn next_due(&self) -> Option<TimestampMs> {
        self.by_due.first_key_value().map(|((due, _), _)| *due)
    }

    /// The next block that is due.
    pub(crate) fn pop_due(&mut self, now: TimestampMs) -> Option<Waiting> {
        let first = self.by_due.first_entry()?;
        let due = (first.key().0 <= now).then(|| first.remove())?;
        self.bytes -= due.block.size_bytes();
        Some(due)
    }
}

/// Blocks whose parent is unknown, by that parent; the oldest go when there are too many.
#[derive(Default)]
pub(crate) struct Orphans {
    by_parent: BTreeMap<Hash, Vec<Waiting>>,
    order: VecDeque<(Hash, Hash)>,
    bytes: u64,
}

impl Orphans {
    /// Holds a block until its parent comes. False if it is held already.
    pub(crate) fn hold(&mut self, waiting: Waiting) -> bool {
        let (parent, hash) = (waiting.block.header().parent, waiting.block.hash());
        let siblings = self.by_parent.entry(parent).or_default();
        if siblings.iter().any(|held| held.block.hash() == hash) {
            return false;
        }
        self.bytes += waiting.block.size_bytes();
        siblings.push(waiting);
        self.order.push_back((parent, hash));
        while self.order.len() > MAX_ORPHANS || (self.bytes > MAX_ORPHAN_BYTES && self.order.len() > 1) {
            if let Some((parent, hash)) = self.order.pop_front() {
                self.forget(&parent, &hash);
            }
        }
        true
    }

    fn forget(&mut self, parent: &Hash, hash: &Hash) {
        if let Some(siblings) = self.by_parent.get_mut(parent) {
            if let Some(at) = siblings.iter().position(|held| held.block.hash() == *hash) {
                self.bytes -= siblings.swap_remove(at).block.size_bytes();
            }
            if siblings.is_empty() {
                self.by_parent.remove(parent);
            }
        }
    }

    /// The blocks that waited for this parent.
    pub(crate) fn take_children(&mut self, parent: &Hash) -> Vec<Waiting> {
        let children = self.by_parent.remove(parent).unwrap_or_default();
        if !children.is_empty() {
            self.order.retain(|(waited_for, _)| waited_for != parent);
            self.bytes -= children.iter().map(|held| held.block.size_bytes()).sum::<u64>();
        }
        children
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use vision_primitives::hash;
    use vision_test_blocks::bare_block;

    fn waiting(parent: u64, timestamp: u64) -> Waiting {
        Waiting {
            peer: Hash::ZERO,
            clock: PeerClock::default(),
            block: Arc::new(bare_block(hash(&[&parent.to_le_bytes()]), timestamp)),
            arrived: TimestampMs(0),
        }
    }

    #[test]
    fn early_blocks_come_out_in_time_and_are_bounded() {
        let mut early = Early::default();
        for due in (0..200).rev() {
            early.hold(TimestampMs(due), waiting(due, due));
        }
        assert_eq!(early.next_due(), Some(TimestampMs(0)));
        assert!(early.pop_due(TimestampMs(1)).is_some());
        assert!(early.pop_due(TimestampMs(1)).is_some());
        assert!(early.pop_due(TimestampMs(1)).is_none());
        let rest = std::iter::from_fn(|| early.pop_due(TimestampMs(u64::MAX))).count();
        assert_eq!((rest, early.bytes), (MAX_EARLY_BLOCKS - 2, 0));
    }

    #[test]
    fn orphans_wait_for_their_parent_and_the_oldest_go_first() {
        let mut orphans = Orphans::default();
        assert!(orphans.hold(waiting(1, 1)));
        assert!(!orphans.hold(waiting(1, 1)), "the same block again");
        assert!(orphans.hold(waiting(1, 2)));
        assert_eq!(orphans.take_children(&hash(&[&1_u64.to_le_bytes()])).len(), 2);
        assert_eq!((orphans.order.len(), orphans.bytes), (0, 0));
        for parent in 0..MAX_ORPHANS as u64 + 1 {
            assert!(orphans.hold(waiting(parent, 0)));
        }
        assert!(orphans.take_children(&hash(&[&0_u64.to_le_bytes()])).is_empty());
        assert_eq!(orphans.take_children(&hash(&[&1_u64.to_le_bytes()])).len(), 1);
        assert_eq!(orphans.by_parent.len(), MAX_ORPHANS - 1);
    }
}
