//! The consensus parameters as a message.

use vision_primitives::ConsensusParams;

/// All of them.
#[must_use]
pub const fn params_to_proto(params: &ConsensusParams) -> crate::chain::ConsensusParams {
    crate::chain::ConsensusParams {
        block_interval_ms: params.block_interval_ms,
        claim_timeout_ms: params.claim_timeout_ms,
        backup_slots: params.backup_slots,
        jitter_min_ms: params.jitter_min_ms,
        jitter_max_ms: params.jitter_max_ms,
        max_desync_blocks: params.max_desync_blocks,
        min_ready_peers: params.min_ready_peers,
        eligible_streak_required: params.eligible_streak_required,
        max_missed_slots: params.max_missed_slots,
        max_block_txs: params.max_block_txs,
        max_block_bytes: params.max_block_bytes,
        max_clock_drift_ms: params.max_clock_drift_ms,
        max_producers: params.max_producers,
        block_reward: params.block_reward,
        min_fee: params.min_fee,
    }
}
