//! Dealing slots in laps: a Fisher-Yates shuffle that never copies the pool.

use std::collections::BTreeMap;

use vision_primitives::{Hash, Invariant as _, NodeId, Slot};

use crate::draw;

/// Owners of consecutive slots, ascending, for ever (or to the last slot there is).
///
/// Within a lap of |pool| slots each id owns exactly one. Only positions that a swap has changed are
/// remembered, so the first s slots of a lap cost s hashes and O(s) memory over a pool of any size.
#[derive(Clone, Debug)]
pub struct Deal<'a> {
    seed: Hash,
    pool: &'a [NodeId],
    /// The slot dealt next; also the number of its draw. `None` behind the last slot.
    next: Option<u64>,
    /// Position of that slot in its lap.
    at: usize,
    /// What stands at positions that no longer hold their own index.
    moved: BTreeMap<usize, usize>,
}

impl<'a> Deal<'a> {
    /// Deals from `slot` on, over a sorted pool whose laps begin at slot `base`.
    /// An empty pool deals nothing. Costs up to one lap of hashes before the first slot.
    #[must_use]
    pub(crate) fn new(seed: Hash, pool: &'a [NodeId], base: u64, slot: Slot) -> Self {
        let dealt = slot.get().saturating_sub(base);
        let at = dealt.checked_rem(pool.len() as u64).unwrap_or(0);
        let mut deal = Self {
            seed,
            pool,
            next: (!pool.is_empty()).then_some(slot.get().max(base) - at),
            at: 0,
            moved: BTreeMap::new(),
        };
        for _ in 0..at {
            deal.step();
        }
        deal
    }

    fn step(&mut self) -> Option<(Slot, usize)> {
        let slot = self.next?;
        if self.at == self.pool.len() {
            self.at = 0;
            self.moved.clear();
        }
        let left = (self.pool.len() - self.at) as u64;
        // Less than the pool's length, which is a usize.
        let j = self.at + (draw(&self.seed, slot).first_u64() % left) as usize;
        let here = self.moved.remove(&self.at).unwrap_or(self.at);
        let owner = if j == self.at { here } else { self.moved.insert(j, here).unwrap_or(j) };
        self.at += 1;
        self.next = slot.checked_add(1);
        Some((Slot(slot), owner))
    }
}

impl Iterator for Deal<'_> {
    type Item = (Slot, NodeId);

    fn next(&mut self) -> Option<Self::Item> {
        let (slot, index) = self.step()?;
        Some((slot, *self.pool.get(index).invariant("a shuffle moves positions within its pool")))
    }
}

#[cfg(test)]
mod tests {
    use vision_primitives::{Pool, hash};

    use super::*;

    /// The rule as the protocol words it, with the whole pool copied.
    fn literal(seed: &Hash, pool: &[NodeId], base: u64, slot: u64) -> NodeId {
        let p = slot - base;
        let n = pool.len() as u64;
        let mut lap = pool.to_vec();
        for p in p - p % n..=p {
            let at = p % n;
            let j = at + draw(seed, base + p).first_u64() % (n - at);
            lap.swap(at as usize, j as usize);
        }
        lap[(p % n) as usize]
    }

    #[test]
    fn sparse_and_literal_shuffle_agree() {
        let seed = hash(&[b"seed"]);
        for n in [1_u8, 2, 3, 7, 20] {
            let pool = Pool::new((0..n).map(|i| hash(&[&[i]])));
            for base in [0, 7] {
                let dealt: Vec<_> = Deal::new(seed, pool.ids(), base, Slot(base)).take(65).collect();
                for (slot, owner) in dealt {
                    assert_eq!(owner, literal(&seed, pool.ids(), base, slot.get()), "n {n} slot {slot}");
                    assert_eq!(Deal::new(seed, pool.ids(), base, slot).next(), Some((slot, owner)));
                }
            }
        }
    }

    #[test]
    fn the_ends_of_the_range() {
        let pool = Pool::new((0..3_u8).map(|i| hash(&[&[i]])));
        let last: Vec<_> = Deal::new(Hash::ZERO, pool.ids(), 7, Slot(u64::MAX)).collect();
        assert_eq!(last.len(), 1, "the last slot is dealt, and none after it");
        assert_eq!(last[0].0, Slot(u64::MAX));
        assert_eq!(Deal::new(Hash::ZERO, &[], 0, Slot(0)).next(), None);
        assert_eq!(Deal::new(Hash::ZERO, &[], 7, Slot(u64::MAX)).next(), None);
    }
}
