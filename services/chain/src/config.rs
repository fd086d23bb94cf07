//! Settings of the chain service: section `[chain]` of `config.toml`.

use serde::Deserialize;
use vision_block_tree::MAX_OPEN_BLOCKS;
use vision_host::server::ListenAddress;

/// Where to listen and whom to call.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Address of the gRPC server for this node's own services and its operator.
    pub grpc_listen: ListenAddress,
    /// Address of the server for other nodes.
    pub p2p_listen: ListenAddress,
    /// Where other nodes should call this one, `host:port`. Empty: the address a call of ours comes
    /// from, with the port of `p2p_listen`.
    pub p2p_advertise: String,
    /// Nodes to call at start and whenever connections are lacking, `host:port` each.
    pub seeds: Vec<String>,
    /// Most connections to other nodes, 1 to 256; further callers are turned away.
    pub max_peers: usize,
    /// Most transactions that may wait, 1 to 1,000,000.
    pub max_waiting_transactions: usize,
    /// Their bytes, 1 KiB to 1 GiB.
    pub max_waiting_bytes: usize,
    /// Most blocks above the last final one on the head's chain, and as many on all side branches together, 16 to 16,384.
    /// The fewer, the shorter the splits of the network that still heal.
    pub max_open_blocks: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            grpc_listen: ([127, 0, 0, 1], 50051).into(),
            p2p_listen: ([127, 0, 0, 1], 7072).into(),
            p2p_advertise: String::new(),
            seeds: Vec::new(),
            max_peers: 32,
            max_waiting_transactions: 20_000,
            max_waiting_bytes: 16 << 20,
            max_open_blocks: MAX_OPEN_BLOCKS,
        }
    }
}
