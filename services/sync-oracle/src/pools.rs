//! The pools of recent blocks, asked of the chain service once per change of membership.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tonic::Status;
use vision_primitives::RecentMap;
use vision_wire::chain::Head;

use crate::ports::{Chain, PoolsAfter};

/// Pools kept; membership changes seldom, and a fork knows two at most times.
const KEPT_POOLS: usize = 4;
/// Blocks whose pools' commitments are kept.
const KEPT_BLOCKS: usize = 64;

/// Both pools of a height.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PoolPair {
    /// Active ids, ascending.
    pub active: Vec<String>,
    /// Registered ids, ascending.
    pub registered: Vec<String>,
    key: Key,
}

impl PoolPair {
    /// Commitment to the active pool.
    pub(crate) fn pool_root(&self) -> &str {
        &self.key.pool_root
    }
}

/// What decides both pools.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Key {
    pool_root: String,
    registered_root: String,
}

struct Kept {
    pools: VecDeque<Arc<PoolPair>>,
    /// Blocks that slots are dealt on, by their hashes, with their heights.
    parents: RecentMap<String, (u64, Key)>,
}

impl Default for Kept {
    fn default() -> Self {
        Self { pools: VecDeque::new(), parents: RecentMap::new(KEPT_BLOCKS) }
    }
}

impl Kept {
    fn pools(&self, key: &Key) -> Option<Arc<PoolPair>> {
        self.pools.iter().find(|pair| pair.key == *key).cloned()
    }

    fn keep_pools(&mut self, pair: Arc<PoolPair>) {
        self.pools.retain(|known| known.key != pair.key);
        self.pools.push_back(pair);
        if self.pools.len() > KEPT_POOLS {
            self.pools.pop_front();
        }
    }
}

/// The cache; clones share it.
#[derive(Clone)]
pub(crate) struct Pools<C> {
    chain: C,
    kept: Arc<Mutex<Kept>>,
}

impl<C: Chain> Pools<C> {
    pub(crate) fn new(chain: C) -> Self {
        Self { chain, kept: Arc::default() }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        // No code that can panic runs under this lock.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Remembers a head's commitments; its pools if they are known.
    pub(crate) fn see(&self, head: &Head) -> Option<Arc<PoolPair>> {
        let key = Key { pool_root: head.pool_root.clone(), registered_root: head.registered_root.clone() };
        let mut kept = self.kept();
        let pools = kept.pools(&key);
        kept.parents.insert(head.hash.clone(), (head.height, key));
        pools
    }

    /// Height of the block and the pools after it; asks the chain service only if they are not known.
    pub(crate) async fn after(&self, hash: &str) -> Result<(u64, Arc<PoolPair>), Status> {
        let known = {
            let kept = self.kept();
            kept.parents.get(hash).and_then(|(height, key)| Some((*height, kept.pools(key)?)))
        };
        match known {
            Some(known) => Ok(known),
            None => Ok(self.keep(self.chain.pools(hash.to_owned()).await?)),
        }
    }

    fn keep(&self, found: PoolsAfter) -> (u64, Arc<PoolPair>) {
        let PoolsAfter { height, hash, active, registered, pool_root, registered_root } = found;
        let key = Key { pool_root, registered_root };
        let pair = Arc::new(PoolPair { active, registered, key: key.clone() });
        let mut kept = self.kept();
        kept.parents.insert(hash, (height, key));
        kept.keep_pools(Arc::clone(&pair));
        (height, pair)
    }
}
