//! What every judgement about a block starts from.

use vision_ledger::LedgerError;
use vision_primitives::{ConsensusParams, Genesis, Hash, Height, Pool, TimestampMs};
use vision_schedule::{Schedule, ScheduleError, SlotTiming, epoch_salt, seed};

/// The genesis and what is computed from it once.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ChainRules {
    /// The genesis, checked by whoever loaded it.
    pub genesis: Genesis,
    /// Hash of block 0.
    pub genesis_hash: Hash,
    /// Salt of the chain's seeds.
    pub epoch_salt: Hash,
}

/// A genesis that no tree can stand on; one that passed [`Genesis::check`] never is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TreeError {
    /// Its balances do not fit.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// Its parameters or producers make no schedule.
    #[error(transparent)]
    Schedule(#[from] ScheduleError),
}

impl ChainRules {
    /// The rules of this genesis' chain.
    #[must_use]
    pub fn new(genesis: Genesis) -> Self {
        let (genesis_hash, epoch_salt) = (genesis.hash(), epoch_salt(&genesis.chain_id));
        Self { genesis, genesis_hash, epoch_salt }
    }

    /// The consensus parameters.
    #[must_use]
    pub const fn params(&self) -> &ConsensusParams {
        &self.genesis.params
    }

    /// Most weight that a chain of so many blocks can have: each was made by its primary.
    #[must_use]
    pub const fn most_weight(&self, height: Height) -> u64 {
        height.get().saturating_mul(self.genesis.params.backup_slots.saturating_add(1))
    }

    /// The schedule of the height above a parent, over the pools (active, registered) of the state after it.
    ///
    /// # Errors
    /// [`ScheduleError`] when both pools are empty.
    pub fn schedule_on(
        &self,
        parent: &Hash,
        parent_height: Height,
        parent_timestamp: TimestampMs,
        (active, registered): (&Pool, &Pool),
    ) -> Result<Schedule, ScheduleError> {
        let seed = seed(parent, parent_height.next(), &self.epoch_salt);
        let timing = SlotTiming::from(self.params());
        Schedule::new(seed, active.clone(), registered.clone(), parent_timestamp, timing)
    }
}
