//! Section `[producer]` of config.toml.

use serde::Deserialize;
use vision_host::server::ListenAddress;

use crate::Error;

/// Least time between two ticks, milliseconds.
pub const MIN_MINING_TICK_MS: u64 = 10;
/// Most time between two ticks, milliseconds.
pub const MAX_MINING_TICK_MS: u64 = 4_000;

/// Section `[producer]` of config.toml.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Where this service listens.
    pub grpc_listen: ListenAddress,
    /// URL of this node's chain service.
    pub chain: String,
    /// URL of this node's sync-oracle service.
    pub sync_oracle: String,
    /// URL of this node's selection service.
    pub selection: String,
    /// Time between two ticks, milliseconds; 10 to 4000. Only a guard: events wake the producer at once.
    pub mining_tick_ms: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            grpc_listen: ([127, 0, 0, 1], 50054).into(),
            chain: "http://127.0.0.1:50051".into(),
            sync_oracle: "http://127.0.0.1:50052".into(),
            selection: "http://127.0.0.1:50053".into(),
            mining_tick_ms: 250,
        }
    }
}

impl Config {
    /// Checks what the types cannot.
    ///
    /// # Errors
    /// [`Error::MiningTick`] for a tick out of range.
    pub fn check(&self) -> Result<(), Error> {
        if (MIN_MINING_TICK_MS..=MAX_MINING_TICK_MS).contains(&self.mining_tick_ms) {
            Ok(())
        } else {
            Err(Error::MiningTick(self.mining_tick_ms))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tick_has_a_range() {
        for (mining_tick_ms, expect) in
            [(0, false), (9, false), (10, true), (250, true), (4_000, true), (4_001, false)]
        {
            let config = Config { mining_tick_ms, ..Config::default() };
            assert_eq!(config.check().is_ok(), expect, "{mining_tick_ms}");
        }
    }
}
