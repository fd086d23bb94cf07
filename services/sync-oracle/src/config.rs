//! Section `[sync_oracle]` of config.toml.

use serde::Deserialize;
use vision_host::server::ListenAddress;

use crate::Error;

/// Least time between two ticks, milliseconds.
pub const MIN_SNAPSHOT_INTERVAL_MS: u64 = 10;
/// Most time between two ticks, milliseconds: below the age at which a peer's status no longer counts.
pub const MAX_SNAPSHOT_INTERVAL_MS: u64 = 4_000;

/// Section `[sync_oracle]` of config.toml.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Where this service listens.
    pub grpc_listen: ListenAddress,
    /// URL of this node's chain service.
    pub chain: String,
    /// Time between two ticks, milliseconds; 10 to 4000.
    pub snapshot_interval_ms: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            grpc_listen: ([127, 0, 0, 1], 50052).into(),
            chain: "http://127.0.0.1:50051".into(),
            snapshot_interval_ms: 1_000,
        }
    }
}

impl Config {
    /// Checks what the types cannot.
    ///
    /// # Errors
    /// [`Error::SnapshotInterval`] for an interval out of range.
    pub fn check(&self) -> Result<(), Error> {
        let allowed = MIN_SNAPSHOT_INTERVAL_MS..=MAX_SNAPSHOT_INTERVAL_MS;
        if allowed.contains(&self.snapshot_interval_ms) {
            Ok(())
        } else {
            Err(Error::SnapshotInterval(self.snapshot_interval_ms))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interval_has_a_range() {
        for (snapshot_interval_ms, expect) in
            [(0, false), (9, false), (10, true), (1_000, true), (4_000, true), (4_001, false)]
        {
            let config = Config { snapshot_interval_ms, ..Config::default() };
            assert_eq!(config.check().is_ok(), expect, "{snapshot_interval_ms}");
        }
    }
}
