//! How many transactions this node's own blocks may hold, so that they are not late. A block is executed by
//! whoever makes it and again by everybody else, and the backup acts when `claim_timeout_ms` has passed: a
//! machine that is too slow, or too busy, for `max_block_txs` would lose every slot it fills. Node-local: no
//! other node has to find the same number.

/// A block's most transactions before anything was measured.
const FIRST_GUESS: u64 = 5_000;
/// However slow the machine is, a block may hold so many.
const LEAST: u64 = 250;
/// No block holds more, whatever was measured.
const HIGHEST: u64 = 1 << 32;
/// Part of `claim_timeout_ms` that check and commit of a block may take. Before it comes the preparation,
/// after it the way to the others and the same work there.
const SHARE: u64 = 8;

/// What fits, by the latest blocks.
#[derive(Clone, Debug)]
pub struct BlockBudget {
    budget_ms: u64,
    most: u64,
}

impl BlockBudget {
    /// Nothing measured yet, on a chain with this timeout.
    #[must_use]
    pub fn new(claim_timeout_ms: u64) -> Self {
        Self { budget_ms: (claim_timeout_ms / SHARE).max(1), most: FIRST_GUESS }
    }

    /// Blocks of so many transactions took so long from the first check to the end of the commit.
    pub fn note(&mut self, transactions: u64, took_ms: u64) {
        let in_time = took_ms <= self.budget_ms;
        if transactions == 0 || (in_time && transactions < self.most / 2) {
            // What a block costs even when it is small says nothing of a large one.
            return;
        }
        let fits = transactions.saturating_mul(self.budget_ms) / took_ms.max(1);
        // A late one counts at once; an early one lets the next be a little larger.
        let fits = fits.min(transactions.saturating_mul(2));
        let weight = if in_time { 4 } else { 2 };
        self.most = (self.most - self.most / weight).saturating_add(fits / weight).clamp(LEAST, HIGHEST);
    }

    /// Most transactions of a block to be made now.
    #[must_use]
    pub const fn most(&self) -> u64 {
        self.most
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_holds_what_an_eighth_of_the_timeout_bears() {
        // Blocks noted (transactions, ms) on a chain with 1,200 ms, 150 for a block, and what fits then.
        type Case = (&'static str, &'static [(u64, u64)], std::ops::RangeInclusive<u64>);
        let cases: [Case; 9] = [
            ("nothing measured", &[], 5_000..=5_000),
            ("small and in time says nothing", &[(2_499, 149); 9], 5_000..=5_000),
            ("an empty one says nothing", &[(0, 9_000); 9], 5_000..=5_000),
            ("as guessed", &[(5_000, 150); 9], 5_000..=5_000),
            ("once twice as slow", &[(5_000, 300)], 3_750..=3_750),
            ("a small one that is late", &[(100, 300)], 2_525..=2_525),
            ("twice as fast, once", &[(5_000, 75)], 6_250..=6_250),
            ("no time at all, once", &[(5_000, 0)], 6_250..=6_250),
            ("hardly moving", &[(1_000, 60_000); 90], LEAST..=LEAST),
        ];
        for (desc, noted, expect) in cases {
            let mut budget = BlockBudget::new(1_200);
            noted.iter().for_each(|(transactions, ms)| budget.note(*transactions, *ms));
            assert!(expect.contains(&budget.most()), "{desc}: {}", budget.most());
        }
    }

    #[test]
    fn it_finds_what_fits_and_finds_it_again() {
        let mut budget = BlockBudget::new(1_200);
        // What a full block costs on this machine: 20 ms and so many nanoseconds for each transaction.
        let mut run = |ns: u64| {
            for _ in 0..60 {
                let full = budget.most();
                budget.note(full, 20 + full * ns / 1_000_000);
            }
            budget.most()
        };
        for (ns, fits) in [(13_000, 10_000), (52_000, 2_500), (13_000, 10_000)] {
            let found = run(ns);
            assert!(found.abs_diff(fits) < fits / 10, "{found} of {fits}");
        }
    }

    #[test]
    fn the_largest_numbers_overflow_nothing() {
        let mut budget = BlockBudget::new(u64::MAX);
        for (transactions, ms) in [(u64::MAX, 0), (u64::MAX, u64::MAX), (1, u64::MAX)] {
            budget.note(transactions, ms);
        }
        assert!((LEAST..=HIGHEST).contains(&budget.most()));
        assert_eq!(BlockBudget::new(0).most(), FIRST_GUESS);
    }
}
