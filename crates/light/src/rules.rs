//! What blocks are judged by when there is no state: the chain's parameters, and the block before.

use vision_primitives::{ConsensusParams, Genesis, Hash, Height, TimestampMs};
use vision_schedule::epoch_salt;

/// What all blocks of a chain have in common.
#[derive(Clone, Debug)]
pub struct Rules {
    /// Hash of block 0.
    pub genesis_hash: Hash,
    /// Timestamp of block 0.
    pub genesis_time: TimestampMs,
    /// The consensus parameters.
    pub params: ConsensusParams,
    pub(crate) epoch_salt: Hash,
}

impl Rules {
    /// Of a chain whose genesis is not at hand. The parameters must have been checked.
    #[must_use]
    pub fn new(
        chain_id: &str,
        genesis_hash: Hash,
        genesis_time: TimestampMs,
        params: ConsensusParams,
    ) -> Self {
        Self { genesis_hash, genesis_time, params, epoch_salt: epoch_salt(chain_id) }
    }

    /// Block 0, which has no header.
    #[must_use]
    pub const fn block_0(&self) -> Parent {
        Parent { hash: self.genesis_hash, height: Height::GENESIS, stamp: self.genesis_time, weight: 0 }
    }
}

impl From<&Genesis> for Rules {
    fn from(genesis: &Genesis) -> Self {
        Self::new(&genesis.chain_id, genesis.hash(), genesis.time_ms, genesis.params.clone())
    }
}

/// The block before, as far as the next one depends on it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Parent {
    /// Hash of its header's bytes.
    pub hash: Hash,
    /// Its height.
    pub height: Height,
    /// Its timestamp.
    pub stamp: TimestampMs,
    /// Weight of its chain.
    pub weight: u64,
}
