//! When blocks came, as long as somebody may want to know.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use vision_primitives::{Hash, Height, TimestampMs};

/// Heights remembered, the highest ones.
const MAX_HEIGHTS: usize = 1024;
/// Blocks remembered of one height, the first ones.
const MAX_OF_ONE_HEIGHT: usize = 8;

/// Instants by height and hash. In memory only.
#[derive(Default)]
pub(super) struct Arrivals(Mutex<BTreeMap<Height, Vec<(Hash, TimestampMs)>>>);

impl Arrivals {
    fn heights(&self) -> MutexGuard<'_, BTreeMap<Height, Vec<(Hash, TimestampMs)>>> {
        // No code that can panic runs under this lock.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes one; the first time is the one that counts.
    pub(super) fn note(&self, height: Height, hash: Hash, at: TimestampMs) {
        let mut heights = self.heights();
        let blocks = heights.entry(height).or_default();
        if blocks.len() < MAX_OF_ONE_HEIGHT && blocks.iter().all(|(known, _)| *known != hash) {
            blocks.push((hash, at));
        }
        if heights.len() > MAX_HEIGHTS {
            heights.pop_first();
        }
    }

    /// When a block came.
    pub(super) fn of(&self, height: Height, hash: &Hash) -> Option<TimestampMs> {
        let heights = self.heights();
        heights.get(&height)?.iter().find(|(known, _)| known == hash).map(|(_, at)| *at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_heights_and_the_first_blocks_of_each_are_remembered() {
        let arrivals = Arrivals::default();
        let hash = |n: u64| vision_primitives::hash(&[&n.to_le_bytes()]);
        for n in 0..=MAX_HEIGHTS as u64 {
            arrivals.note(Height(n), hash(n), TimestampMs(n));
            arrivals.note(Height(n), hash(n), TimestampMs(n + 7));
        }
        let of = |n: u64| arrivals.of(Height(n), &hash(n)).map(TimestampMs::get);
        assert_eq!((of(0), of(1), of(1024)), (None, Some(1), Some(1024)));
        arrivals.note(Height(0), hash(0), TimestampMs(0));
        assert_eq!((of(0), of(1)), (None, Some(1)), "what is below all others is forgotten first");
        for n in 0..20 {
            arrivals.note(Height(1024), hash(5_000 + n), TimestampMs(n));
        }
        let kept = (0..20).filter(|n| arrivals.of(Height(1024), &hash(5_000 + n)).is_some()).count();
        assert_eq!(kept, MAX_OF_ONE_HEIGHT - 1);
    }
}
