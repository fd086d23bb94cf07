//! Section `[gateway]` of `config.toml`.

use serde::Deserialize;
use vision_host::server::ListenAddress;

/// Where the gateway listens and whom it asks.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Address of REST, gRPC health and reflection.
    pub listen: ListenAddress,
    /// URL of the chain service.
    pub chain: String,
    /// URL of the sync-oracle service.
    pub sync_oracle: String,
    /// URL of the selection service.
    pub selection: String,
    /// URL of the producer service.
    pub producer: String,
}

impl Default for Config {
    fn default() -> Self {
        let local = |port: u16| format!("http://127.0.0.1:{port}");
        Self {
            listen: ([127, 0, 0, 1], 8080).into(),
            chain: local(50051),
            sync_oracle: local(50052),
            selection: local(50053),
            producer: local(50054),
        }
    }
}
