//! Active pools by their roots: a chain has few different ones, and reading one from the store takes a look
//! at every producer.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use vision_primitives::{Hash, Pool};

/// Pools remembered.
const MAX_POOLS: usize = 64;
/// Ids of all of them together; one pool is remembered however large it is.
const MAX_IDS: usize = 1 << 17;

/// The pools asked for last.
#[derive(Default)]
pub(super) struct MainPools(Mutex<VecDeque<Pool>>);

impl MainPools {
    /// The pool with this root.
    pub(super) fn get(&self, root: &Hash) -> Option<Pool> {
        let mut pools = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let at = pools.iter().position(|pool| pool.root() == *root)?;
        let found = pools.remove(at)?;
        pools.push_back(found.clone());
        Some(found)
    }

    /// Remembers one; the one not asked for longest is forgotten.
    pub(super) fn insert(&self, pool: &Pool) {
        let mut pools = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        pools.retain(|known| known.root() != pool.root());
        pools.push_back(pool.clone());
        while pools.len() > MAX_POOLS
            || (pools.len() > 1 && pools.iter().map(Pool::len).sum::<usize>() > MAX_IDS)
        {
            pools.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pool(first: u64, ids: u64) -> Pool {
        Pool::new((first..first + ids).map(|n| vision_primitives::hash(&[&n.to_le_bytes()])))
    }

    #[test]
    fn the_pools_asked_for_last_are_kept_within_both_bounds() {
        let pools = MainPools::default();
        let small: Vec<Pool> = (0..=MAX_POOLS as u64).map(|n| pool(n * 10, 3)).collect();
        small[..MAX_POOLS].iter().for_each(|pool| pools.insert(pool));
        let known = |pool: &Pool| pools.get(&pool.root()).as_ref() == Some(pool);
        assert!(known(&small[0]), "and is now the one asked for last");
        pools.insert(&small[MAX_POOLS]);
        assert_eq!((known(&small[0]), known(&small[1]), known(&small[2])), (true, false, true));
        let large = pool(1 << 20, MAX_IDS as u64 + 1);
        pools.insert(&large);
        assert_eq!((known(&large), known(&small[0])), (true, false));
        pools.insert(&small[0]);
        assert_eq!((known(&large), known(&small[0])), (false, true));
    }
}
