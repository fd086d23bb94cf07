//! The nodes of a network as one of them knows them.

mod block;
mod node;
mod parts;
mod picture;

use serde_json::Value;

pub use block::{Block, Kind};
pub use node::Node;
#[cfg(test)]
pub use node::Role;
pub use picture::{MAX_BLOCKS, Picture, Verdict};

use crate::exit::Outcome;
use crate::query::entries;
use crate::rest::Gateway;

/// The nodes that an overview tells of; none if it has no such part.
pub fn told(overview: &Value) -> Vec<Node> {
    entries(overview, "nodes").iter().map(Node::read).collect()
}

/// The same, or where a node tells no list, what it says of itself, its peers and the producers.
///
/// # Errors
/// If the node does not say even that of itself.
pub async fn nodes(gateway: &Gateway, overview: &Value) -> Outcome<Vec<Node>> {
    if overview["nodes"].is_array() {
        return Ok(told(overview));
    }
    let (status, peers, producers) = tokio::join!(
        gateway.get("/api/status"),
        gateway.get("/api/peers"),
        gateway.get("/api/chain/producers")
    );
    // What is missing of these is missing in the list.
    Ok(parts::joined(&status?, &peers.unwrap_or_default(), &producers.unwrap_or_default()))
}
