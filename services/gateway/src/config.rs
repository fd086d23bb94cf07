//! Section `[gateway]` of `config.toml`.

mod network;
mod pages;

use std::num::NonZeroU32;

use serde::Deserialize;
use vision_host::server::ListenAddress;

pub use crate::http::{NoOrigin, Origin};
pub use network::{Network, NoNetwork};
pub use pages::{NoPages, Pages};

/// Where the gateway listens, whom it asks, and what one client may have of it.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Address of REST and gRPC health.
    pub listen: ListenAddress,
    /// Names by which browsers and others call the gateway, such as `node.example.org`. IP addresses and
    /// `localhost` need not be named, nor names without a dot if `listen` is not on loopback.
    pub allowed_hosts: Vec<String>,
    /// Origins of pages on other sites that may read the answers, such as `https://wallet.example.org`; none
    /// by default.
    pub allowed_origins: Vec<Origin>,
    /// Where people find the pages of the nodes, by name or id, such as
    /// `{ node2 = "http://127.0.0.1:8081" }`.
    pub pages: Pages,
    /// Most connections from one address (of IPv6: one /64), 1 to 512: a reverse proxy is one address.
    pub max_connections_per_address: usize,
    /// URL of the chain service.
    pub chain: String,
    /// URL of the sync-oracle service.
    pub sync_oracle: String,
    /// URL of the selection service.
    pub selection: String,
    /// URL of the producer service.
    pub producer: String,
    /// Reverse proxies whose `X-Forwarded-For` is trusted; nobody else's is.
    pub trusted_proxies: Vec<Network>,
    /// Requests in progress at once of one client: an IPv4 address or an IPv6 network of /64.
    pub max_requests_per_client: NonZeroU32,
    /// Requests at once of one client that wait for a block.
    pub max_waits_per_client: NonZeroU32,
    /// Open streams of events of one client.
    pub max_streams_per_client: NonZeroU32,
}

const fn at_least_one(count: u32) -> NonZeroU32 {
    NonZeroU32::MIN.saturating_add(count - 1)
}

impl Default for Config {
    fn default() -> Self {
        let local = |port: u16| format!("http://127.0.0.1:{port}");
        Self {
            listen: ([127, 0, 0, 1], 8080).into(),
            allowed_hosts: Vec::new(),
            pages: Pages::default(),
            allowed_origins: Vec::new(),
            max_connections_per_address: 256,
            chain: local(50051),
            sync_oracle: local(50052),
            selection: local(50053),
            producer: local(50054),
            trusted_proxies: Vec::new(),
            max_requests_per_client: at_least_one(128),
            max_waits_per_client: at_least_one(64),
            max_streams_per_client: at_least_one(16),
        }
    }
}
