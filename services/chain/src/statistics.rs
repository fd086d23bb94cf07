//! What the newest blocks of the head's chain show of the producers, kept from one question to the next.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use vision_primitives::{ConsensusParams, Hash, Height, NodeId, Pool, Slot, TimestampMs};
use vision_wire::chain as proto;

/// Most blocks that are counted.
pub(crate) const MAX_BLOCKS: usize = 1000;

/// A block as it counts.
pub(crate) struct Counted {
    /// Its height.
    pub height: Height,
    /// Its hash.
    pub hash: Hash,
    /// Who made it.
    pub producer: NodeId,
    /// In which slot.
    pub slot: Slot,
    /// Its time stamp.
    pub timestamp: TimestampMs,
    /// Its time stamp less its parent's, milliseconds.
    pub interval_ms: u64,
    /// The pool that the first m slots of its height were dealt over.
    pub pool: Pool,
    /// The slots before its own that passed unused.
    pub missed: Vec<(Slot, NodeId)>,
}

/// The newest blocks, ascending, each the parent of the next; at most [`MAX_BLOCKS`].
#[derive(Default)]
pub(crate) struct Window(VecDeque<Counted>);

#[derive(Default)]
struct Count {
    primary: u64,
    backup: u64,
    tail: u64,
    missed: u64,
    /// Sum over blocks of one part in the size of the pool it belonged to.
    due: f64,
}

impl Window {
    /// The last block.
    pub(crate) fn last(&self) -> Option<&Counted> {
        self.0.back()
    }

    /// Adds a child of the last block.
    pub(crate) fn push(&mut self, block: Counted) {
        self.0.push_back(block);
        if self.0.len() > MAX_BLOCKS {
            self.0.pop_front();
        }
    }

    /// Takes the last block away: the head's chain has left it.
    pub(crate) fn pop(&mut self) {
        self.0.pop_back();
    }

    /// Forgets all.
    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    /// What the last so many blocks show; `head` is reported as the height if there are none.
    pub(crate) fn statistics(
        &self,
        window: usize,
        head: Height,
        params: &ConsensusParams,
    ) -> proto::GetStatisticsResponse {
        let counted = self.0.range(self.0.len().saturating_sub(window)..);
        let blocks = counted.len() as u64;
        let part = |amount: f64| if blocks == 0 { 0.0 } else { amount / blocks as f64 };
        let (first, last) = (counted.clone().next(), self.0.back().filter(|_| blocks > 0));
        let mut intervals: Vec<u64> = counted.clone().map(|block| block.interval_ms).collect();
        intervals.sort_unstable();
        let producers = count(counted, params.main_slots()).into_iter().map(|(id, count)| {
            let produced = count.primary + count.backup + count.tail;
            proto::ProducerStatistics {
                node_id: id.to_string(),
                primary: count.primary,
                backup: count.backup,
                tail: count.tail,
                missed: count.missed,
                rewards: (u128::from(params.block_reward) * u128::from(produced)).to_string(),
                share: part(produced as f64),
                expected_share: part(count.due),
            }
        });
        let height_of = |block: Option<&Counted>| block.map_or(head, |block| block.height).get();
        proto::GetStatisticsResponse {
            from_height: height_of(first),
            to_height: height_of(last),
            blocks,
            producers: producers.collect(),
            interval_median_ms: intervals.get(intervals.len().saturating_sub(1) / 2).copied(),
            interval_max_ms: intervals.last().copied(),
        }
    }
}

fn count<'a>(blocks: impl Iterator<Item = &'a Counted>, main_slots: u64) -> BTreeMap<NodeId, Count> {
    let mut counts: BTreeMap<NodeId, Count> = BTreeMap::new();
    let mut pools: BTreeMap<Hash, (&Pool, u64)> = BTreeMap::new();
    for block in blocks {
        let produced = counts.entry(block.producer).or_default();
        match block.slot.get() {
            0 => produced.primary += 1,
            slot if slot < main_slots => produced.backup += 1,
            _ => produced.tail += 1,
        }
        let owners: BTreeSet<NodeId> = block.missed.iter().map(|(_, owner)| *owner).collect();
        for id in owners {
            counts.entry(id).or_default().missed += 1;
        }
        pools.entry(block.pool.root()).or_insert((&block.pool, 0)).1 += 1;
    }
    for (pool, blocks) in pools.into_values() {
        for id in pool.ids() {
            counts.entry(*id).or_default().due += blocks as f64 / pool.len() as f64;
        }
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(n: u8) -> NodeId {
        Hash([n; 32])
    }

    fn block(height: u64, producer: u8, slot: u64, interval_ms: u64, missed: &[u8]) -> Counted {
        Counted {
            height: Height(height),
            hash: vision_primitives::hash(&[&height.to_le_bytes()]),
            producer: id(producer),
            slot: Slot(slot),
            timestamp: TimestampMs(height * 10),
            interval_ms,
            pool: Pool::new([1, 2, 3, 4].map(id)),
            missed: (0..).map(Slot).zip(missed.iter().map(|n| id(*n))).collect(),
        }
    }

    #[test]
    fn the_last_blocks_are_counted_by_producer() {
        let params = ConsensusParams::default();
        let mut window = Window::default();
        let nothing = window.statistics(9, Height(0), &params);
        assert_eq!((nothing.from_height, nothing.to_height, nothing.blocks), (0, 0, 0));
        assert_eq!(
            (nothing.producers.len(), nothing.interval_median_ms, nothing.interval_max_ms),
            (0, None, None)
        );
        window.push(block(1, 3, 0, 900, &[]));
        window.push(block(2, 1, 0, 10, &[]));
        window.push(block(3, 2, 1, 40, &[1]));
        // One that owns two of the slots has missed once.
        window.push(block(4, 1, 9, 20, &[2, 3, 2, 4]));
        window.push(block(5, 1, 0, 30, &[]));
        let shown = window.statistics(4, Height(5), &params);
        assert_eq!((shown.from_height, shown.to_height, shown.blocks), (2, 5, 4));
        assert_eq!((shown.interval_median_ms, shown.interval_max_ms), (Some(20), Some(40)));
        let rows: Vec<_> = shown
            .producers
            .iter()
            .map(|row| {
                assert!((row.expected_share - 0.25).abs() < 1e-9);
                (
                    row.node_id.clone(),
                    row.primary,
                    row.backup,
                    row.tail,
                    row.missed,
                    row.rewards.clone(),
                    row.share,
                )
            })
            .collect();
        let row = |n: u8, counts: [u64; 4], produced: u64| {
            let rewards = (params.block_reward * produced).to_string();
            (id(n).to_string(), counts[0], counts[1], counts[2], counts[3], rewards, produced as f64 / 4.0)
        };
        let expect = [
            row(1, [2, 0, 1, 1], 3),
            row(2, [0, 1, 0, 1], 1),
            row(3, [0, 0, 0, 1], 0),
            row(4, [0, 0, 0, 1], 0),
        ];
        assert_eq!(rows, expect);
        assert_eq!(window.statistics(1000, Height(5), &params).blocks, 5);
        window.pop();
        assert_eq!(window.last().map(|last| last.height), Some(Height(4)));
        for height in 5..2000 {
            window.push(block(height, 1, 0, 1, &[]));
        }
        assert_eq!(window.statistics(5000, Height(0), &params).blocks, MAX_BLOCKS as u64);
    }
}
