//! The consensus parameters: names, defaults, ranges (`docs/protocol.md`, section 2).

use serde::{Deserialize, Serialize};

/// Where the seed's randomness comes from.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Entropy {
    /// The hash of the parent block.
    #[default]
    PrevHash,
}

impl Entropy {
    /// The byte hashed into the genesis hash.
    #[must_use]
    pub const fn as_u8(self) -> u8 {
        match self {
            Self::PrevHash => 0,
        }
    }
}

/// Which faults the voters' quorum and the bound on suspensions are made for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Finality {
    /// Crash faults: fewer than half may fail.
    #[default]
    Cft,
    /// Byzantine faults: fewer than a third may fail.
    Bft,
}

impl Finality {
    /// The byte hashed into the genesis hash.
    #[must_use]
    pub const fn as_u8(self) -> u8 {
        match self {
            Self::Cft => 0,
            Self::Bft => 1,
        }
    }

    /// How many of `n` voters make a certificate (section 9).
    #[must_use]
    pub const fn quorum(self, n: usize) -> usize {
        match self {
            Self::Cft => n / 2 + 1,
            Self::Bft => n.saturating_mul(2) / 3 + 1,
        }
    }

    /// How many of `n` producers may be suspended at once (section 7).
    #[must_use]
    pub const fn max_suspended(self, n: u64) -> u64 {
        match self {
            Self::Cft => n.saturating_sub(1) / 2,
            Self::Bft => n.saturating_sub(1) / 3,
        }
    }
}

/// A parameter outside its range.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field} is {value}, must be {allowed}")]
pub struct ParamError {
    /// The parameter's name in the genesis file.
    pub field: &'static str,
    /// The value found.
    pub value: u64,
    /// The allowed range in words.
    pub allowed: String,
}

/// What all nodes of a chain must agree on besides its first state.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ConsensusParams {
    /// Milliseconds from a block's time stamp to the start of its child's slot 0.
    pub block_interval_ms: u64,
    /// W: length of one of the first m slots, milliseconds.
    pub claim_timeout_ms: u64,
    /// Backups after the primary; m = this + 1.
    pub backup_slots: u64,
    /// Least jitter, milliseconds.
    pub jitter_min_ms: u64,
    /// End of the jitter's range (exclusive), milliseconds.
    pub jitter_max_ms: u64,
    /// Most blocks a node may lag and still take part.
    pub max_desync_blocks: u64,
    /// Ready peers a node needs to take part; counts as min(this, n − 1).
    pub min_ready_peers: u64,
    /// Ticks in a row at the tip before a node takes part.
    pub eligible_streak_required: u64,
    /// Missed slots after which a producer is suspended.
    pub max_missed_slots: u64,
    /// Most transactions in a block.
    pub max_block_txs: u64,
    /// Most canonical bytes in a block.
    pub max_block_bytes: u64,
    /// How far a block's time stamp may be ahead of a node's clock before the block is held, milliseconds.
    pub max_clock_drift_ms: u64,
    /// Most registered producers.
    pub max_producers: u64,
    /// Newly made amount that a block's producer gets.
    pub block_reward: u64,
    /// Least fee of a transaction that pays one.
    pub min_fee: u64,
}

impl Default for ConsensusParams {
    fn default() -> Self {
        Self {
            block_interval_ms: 1800,
            claim_timeout_ms: 1200,
            backup_slots: 6,
            jitter_min_ms: 50,
            jitter_max_ms: 400,
            max_desync_blocks: 2,
            min_ready_peers: 1,
            eligible_streak_required: 3,
            max_missed_slots: 3,
            max_block_txs: 500,
            max_block_bytes: 1 << 20,
            max_clock_drift_ms: 500,
            max_producers: 100,
            block_reward: 50,
            min_fee: 1,
        }
    }
}

impl ConsensusParams {
    /// m: the primary and its backups.
    #[must_use]
    pub const fn main_slots(&self) -> u64 {
        self.backup_slots + 1
    }

    /// Name and value of every parameter in the order they are hashed.
    #[must_use]
    pub const fn table(&self) -> [(&'static str, u64); 15] {
        [
            ("block_interval_ms", self.block_interval_ms),
            ("claim_timeout_ms", self.claim_timeout_ms),
            ("backup_slots", self.backup_slots),
            ("jitter_min_ms", self.jitter_min_ms),
            ("jitter_max_ms", self.jitter_max_ms),
            ("max_desync_blocks", self.max_desync_blocks),
            ("min_ready_peers", self.min_ready_peers),
            ("eligible_streak_required", self.eligible_streak_required),
            ("max_missed_slots", self.max_missed_slots),
            ("max_block_txs", self.max_block_txs),
            ("max_block_bytes", self.max_block_bytes),
            ("max_clock_drift_ms", self.max_clock_drift_ms),
            ("max_producers", self.max_producers),
            ("block_reward", self.block_reward),
            ("min_fee", self.min_fee),
        ]
    }

    /// Checks every parameter against its range.
    ///
    /// # Errors
    /// [`ParamError`] with the first field out of range, its value and what is allowed.
    pub fn check(&self) -> Result<(), ParamError> {
        const ANY: u64 = u64::MAX;
        let ranges = [
            (0, 600_000),
            (100, 60_000),
            (0, 63),
            (0, self.claim_timeout_ms / 2),
            (1, self.claim_timeout_ms / 2),
            (0, 1_000_000),
            (0, 1_000_000),
            (0, 1_000_000),
            (1, 1000),
            (0, 100_000),
            (4096, 32 << 20),
            (10, 10_000),
            (1, 1_000_000),
            (0, ANY),
            (0, ANY),
        ];
        for ((field, value), (low, high)) in self.table().into_iter().zip(ranges) {
            if value < low || value > high {
                let allowed = format!("{low} to {high}");
                return Err(ParamError { field, value, allowed });
            }
        }
        if self.jitter_min_ms >= self.jitter_max_ms {
            return Err(ParamError {
                field: "jitter_min_ms",
                value: self.jitter_min_ms,
                allowed: format!("less than jitter_max_ms ({})", self.jitter_max_ms),
            });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_name_the_field_the_value_and_what_is_allowed() {
        let default = ConsensusParams::default();
        let cases = [
            ("the defaults", default.clone(), None),
            (
                "fast",
                ConsensusParams {
                    block_interval_ms: 0,
                    jitter_min_ms: 0,
                    jitter_max_ms: 1,
                    ..default.clone()
                },
                None,
            ),
            (
                "slow interval",
                ConsensusParams { block_interval_ms: 600_001, ..default.clone() },
                Some("block_interval_ms is 600001, must be 0 to 600000"),
            ),
            (
                "short W",
                ConsensusParams { claim_timeout_ms: 99, ..default.clone() },
                Some("claim_timeout_ms is 99, must be 100 to 60000"),
            ),
            (
                "backups",
                ConsensusParams { backup_slots: 64, ..default.clone() },
                Some("backup_slots is 64, must be 0 to 63"),
            ),
            (
                "jitter past W/2",
                ConsensusParams { jitter_max_ms: 601, ..default.clone() },
                Some("jitter_max_ms is 601, must be 1 to 600"),
            ),
            (
                "empty jitter",
                ConsensusParams { jitter_min_ms: 400, ..default.clone() },
                Some("jitter_min_ms is 400, must be less than jitter_max_ms (400)"),
            ),
            (
                "no misses",
                ConsensusParams { max_missed_slots: 0, ..default.clone() },
                Some("max_missed_slots is 0, must be 1 to 1000"),
            ),
            (
                "huge blocks",
                ConsensusParams { max_block_bytes: (32 << 20) + 1, ..default.clone() },
                Some("max_block_bytes is 33554433, must be 4096 to 33554432"),
            ),
            (
                "drift",
                ConsensusParams { max_clock_drift_ms: 9, ..default.clone() },
                Some("max_clock_drift_ms is 9, must be 10 to 10000"),
            ),
            (
                "nobody",
                ConsensusParams { max_producers: 0, ..default },
                Some("max_producers is 0, must be 1 to 1000000"),
            ),
        ];
        for (desc, params, expect) in cases {
            assert_eq!(params.check().err().map(|e| e.to_string()).as_deref(), expect, "{desc}");
        }
    }

    #[test]
    fn quorums() {
        let cases =
            [(1, 1, 1), (2, 2, 2), (3, 2, 3), (4, 3, 3), (5, 3, 4), (6, 4, 5), (7, 4, 5), (100, 51, 67)];
        for (n, cft, bft) in cases {
            assert_eq!((Finality::Cft.quorum(n), Finality::Bft.quorum(n)), (cft, bft), "n = {n}");
        }
    }

    #[test]
    fn suspension_bounds() {
        let cases = [(1, 0, 0), (2, 0, 0), (3, 1, 0), (4, 1, 1), (5, 2, 1), (7, 3, 2), (21, 10, 6)];
        for (n, cft, bft) in cases {
            assert_eq!(
                (Finality::Cft.max_suspended(n), Finality::Bft.max_suspended(n)),
                (cft, bft),
                "n = {n}"
            );
        }
    }
}
