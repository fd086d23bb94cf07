//! The numbers that shape the verdict.

use vision_primitives::ConsensusParams;

/// Age from which on a peer's last status no longer counts, milliseconds.
pub const STATUS_MAX_AGE_MS: u64 = 5_000;

/// A clock that was set by more than this makes the machine begin anew, milliseconds.
pub const MAX_CLOCK_STEP_MS: u64 = 500;

/// The numbers that shape the verdict; all but one are consensus parameters of the chain.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SyncParams {
    /// Most blocks of lag that are `CatchingUp`; past it a node is `Behind`.
    pub max_desync_blocks: u64,
    /// Ready peers needed; counts as min(this, n − 1).
    pub min_ready_peers: u64,
    /// Ticks in a row at the tip needed.
    pub eligible_streak_required: u64,
    /// Half the difference from the peers' clocks that is tolerated, milliseconds.
    pub max_clock_drift_ms: u64,
    /// Age from which on a peer's status no longer counts, milliseconds. A gap between ticks longer than this
    /// makes the machine begin anew.
    pub status_max_age_ms: u64,
}

impl SyncParams {
    /// Difference from a peer's clock past which it counts as skewed, milliseconds.
    #[must_use]
    pub const fn clock_limit_ms(&self) -> u64 {
        self.max_clock_drift_ms.saturating_mul(2)
    }

    /// Ready peers needed among `registered` producers: a lone producer needs none.
    #[must_use]
    pub fn required_peers(&self, registered: u64) -> u64 {
        self.min_ready_peers.min(registered.saturating_sub(1))
    }
}

impl From<&ConsensusParams> for SyncParams {
    fn from(params: &ConsensusParams) -> Self {
        Self {
            max_desync_blocks: params.max_desync_blocks,
            min_ready_peers: params.min_ready_peers,
            eligible_streak_required: params.eligible_streak_required,
            max_clock_drift_ms: params.max_clock_drift_ms,
            status_max_age_ms: STATUS_MAX_AGE_MS,
        }
    }
}
