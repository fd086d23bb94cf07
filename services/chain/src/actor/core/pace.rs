//! How many transactions this node's own blocks may hold, so that they are not late. A block is executed by whoever makes it and
//! again by everybody else, and the backup acts when `claim_timeout_ms` has passed: a machine that is too slow, or too busy, for
//! `max_block_txs` would lose every slot it fills. Node-local: no other node has to find the same number.

/// What a transaction costs before anything was measured, nanoseconds.
const FIRST_GUESS_NS: u64 = 30_000;
/// Blocks of fewer transactions say nothing: their cost is that of the sync.
const MIN_MEASURED: u64 = 100;
/// However slow the machine is, a block may hold so many.
const LEAST: u64 = 250;
/// Part of `claim_timeout_ms` that check and commit of a block may take. Before it comes the preparation, after it the way to the
/// others and the same work there.
const SHARE: u64 = 8;

/// The cost of a transaction, measured on the latest blocks.
pub struct Pace {
    ns_per_transaction: u64,
}

impl Default for Pace {
    fn default() -> Self {
        Self { ns_per_transaction: FIRST_GUESS_NS }
    }
}

impl Pace {
    /// Blocks of so many transactions took so long from the first check to the end of the commit.
    pub fn note(&mut self, transactions: u64, took_ms: u64) {
        if transactions >= MIN_MEASURED {
            let latest = took_ms.saturating_mul(1_000_000) / transactions;
            // Of the last four the most part: quick to slow down, and to recover.
            self.ns_per_transaction =
                (self.ns_per_transaction.saturating_mul(3).saturating_add(latest) / 4).max(1);
        }
    }

    /// Most transactions of a block to be made now.
    pub fn most(&self, claim_timeout_ms: u64) -> u64 {
        let budget_ns = claim_timeout_ms.saturating_mul(1_000_000) / SHARE;
        (budget_ns / self.ns_per_transaction).max(LEAST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_holds_what_an_eighth_of_the_timeout_bears() {
        // Blocks noted (transactions, ms), then the most for a timeout of 1,200 ms.
        type Case = (&'static str, &'static [(u64, u64)], u64);
        let cases: [Case; 6] = [
            ("nothing measured", &[], 5_000),
            ("small blocks say nothing", &[(99, 5_000); 9], 5_000),
            ("as guessed", &[(1_000, 30); 9], 5_000),
            ("once twice as slow", &[(1_000, 60)], 4_000),
            ("no time at all", &[(10_000, 0); 90], 150_000_000),
            ("hardly moving", &[(1_000, 60_000); 90], LEAST),
        ];
        for (desc, noted, expect) in cases {
            let mut pace = Pace::default();
            noted.iter().for_each(|(transactions, ms)| pace.note(*transactions, *ms));
            assert_eq!(pace.most(1_200), expect, "{desc}");
        }
        let mut pace = Pace::default();
        (0..90).for_each(|_| pace.note(10_000, 150));
        assert!((9_990..=10_010).contains(&pace.most(1_200)), "15 us each: {}", pace.most(1_200));
        assert_eq!(pace.most(0), LEAST);
        pace.note(1_000, u64::MAX);
        assert!(pace.most(u64::MAX) >= LEAST, "no overflow");
    }
}
