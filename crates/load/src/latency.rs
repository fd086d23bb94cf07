//! Latencies, counted by the millisecond: exact and of bounded size.

/// Longest latency that is distinguished; longer ones count as this, milliseconds.
const MAX_MS: usize = 120_000;

/// How often each latency occurred.
pub(crate) struct Latencies {
    counts: Vec<u32>,
    total: u64,
}

impl Latencies {
    /// None yet.
    pub(crate) fn new() -> Self {
        Self { counts: vec![0; MAX_MS + 1], total: 0 }
    }

    fn bucket(&mut self, ms: u64) -> &mut u32 {
        let at = usize::try_from(ms).map_or(MAX_MS, |ms| ms.min(MAX_MS));
        &mut self.counts[at]
    }

    /// Counts one.
    pub(crate) fn add(&mut self, ms: u64) {
        *self.bucket(ms) += 1;
        self.total += 1;
    }

    /// Takes one back that was counted.
    pub(crate) fn remove(&mut self, ms: u64) {
        *self.bucket(ms) -= 1;
        self.total -= 1;
    }

    /// The least latency that `percent` of all do not exceed; none if there are none.
    pub(crate) fn percentile(&self, percent: u64) -> Option<u64> {
        let rank = (self.total * percent).div_ceil(100).max(1);
        let mut seen = 0;
        for (ms, count) in (0..).zip(&self.counts) {
            seen += u64::from(*count);
            if seen >= rank {
                return Some(ms);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_by_nearest_rank() {
        type Case = (&'static str, Vec<u64>, [Option<u64>; 3]);
        let cases: [Case; 5] = [
            ("none", vec![], [None; 3]),
            ("one", vec![7], [Some(7); 3]),
            ("two", vec![1, 9], [Some(1), Some(9), Some(9)]),
            ("a hundred", (1..=100).collect(), [Some(50), Some(95), Some(99)]),
            ("very long", vec![u64::MAX], [Some(120_000); 3]),
        ];
        for (desc, all, expect) in cases {
            let mut latencies = Latencies::new();
            all.iter().for_each(|ms| latencies.add(*ms));
            assert_eq!([50, 95, 99].map(|percent| latencies.percentile(percent)), expect, "{desc}");
            all.iter().for_each(|ms| latencies.remove(*ms));
            assert_eq!(latencies.percentile(50), None, "{desc}");
        }
    }
}
