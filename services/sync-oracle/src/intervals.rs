//! The time from block to block. Pure.

use std::collections::VecDeque;

/// Blocks looked at.
const MAX_BLOCKS: usize = 65;

/// Heights and time stamps of the last blocks of the head's chain.
#[derive(Default)]
pub(crate) struct Intervals(VecDeque<(u64, u64)>);

impl Intervals {
    /// Takes a head. After a gap they begin anew, for what lies between is not known.
    pub(crate) fn note(&mut self, height: u64, stamp_ms: u64) {
        while self.0.pop_back_if(|(last, _)| *last >= height).is_some() {}
        if self.0.back().is_some_and(|(last, _)| last + 1 != height) {
            self.0.clear();
        }
        if height > 0 {
            self.0.push_back((height, stamp_ms));
        }
        if self.0.len() > MAX_BLOCKS {
            self.0.pop_front();
        }
    }

    /// The median, milliseconds; none before two blocks.
    pub(crate) fn median_ms(&self) -> Option<u64> {
        let stamps = self.0.iter().zip(self.0.iter().skip(1));
        let mut intervals: Vec<u64> = stamps.map(|((_, a), (_, b))| b.saturating_sub(*a)).collect();
        intervals.sort_unstable();
        intervals.get(intervals.len() / 2).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_of_blocks_that_follow_each_other() {
        let of = |heads: &[(u64, u64)]| {
            let mut intervals = Intervals::default();
            heads.iter().for_each(|(height, stamp)| intervals.note(*height, *stamp));
            intervals.median_ms()
        };
        type Heads = &'static [(u64, u64)];
        let cases: [(&str, Heads, Option<u64>); 6] = [
            ("none", &[], None),
            ("one", &[(7, 100)], None),
            ("three", &[(7, 100), (8, 110), (9, 140)], Some(30)),
            ("the wait before block 1 is none", &[(0, 0), (1, 50_000), (2, 50_010)], Some(10)),
            ("another branch", &[(7, 100), (8, 110), (8, 115), (9, 130)], Some(15)),
            ("a gap", &[(7, 100), (8, 110), (20, 500), (21, 507)], Some(7)),
        ];
        for (desc, heads, expect) in cases {
            assert_eq!(of(heads), expect, "{desc}");
        }
        let mut many = Intervals::default();
        (1..1_000).for_each(|height| many.note(height, height));
        assert_eq!(many.0.len(), MAX_BLOCKS);
    }
}
