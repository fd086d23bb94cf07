//! Section `[selection]` of config.toml.

use serde::Deserialize;
use vision_host::server::ListenAddress;

/// Section `[selection]` of config.toml.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Where this service listens.
    pub grpc_listen: ListenAddress,
}

impl Default for Config {
    fn default() -> Self {
        Self { grpc_listen: ([127, 0, 0, 1], 50053).into() }
    }
}
