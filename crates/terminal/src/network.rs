//! The nodes of a network as one of them knows them.

mod block;
mod node;
mod parts;
mod picture;

use std::time::Duration;

use serde_json::Value;

pub use block::{Block, Kind};
pub use node::{Node, Role};
pub use picture::{MAX_BLOCKS, Picture, Verdict};

use crate::answers::entries;
use crate::exit::Outcome;
use crate::names::Names;
use crate::rest::Gateway;

/// How long a node may take to say what the others are called, where that is not what was asked for.
const DEADLINE: Duration = Duration::from_secs(2);

/// The nodes that an overview lists; none if it has no such part.
pub fn reported(overview: &Value) -> Vec<Node> {
    entries(overview, "nodes").iter().map(Node::read).collect()
}

/// The same, or where a node has no list, what it says of itself, its peers and the producers.
///
/// # Errors
/// If the node does not say even that of itself.
pub async fn nodes(gateway: &Gateway, overview: &Value) -> Outcome<Vec<Node>> {
    if overview["nodes"].is_array() {
        return Ok(reported(overview));
    }
    let (status, peers, producers) = tokio::join!(
        gateway.get("/api/status"),
        gateway.get("/api/peers"),
        gateway.get("/api/chain/producers")
    );
    // What is missing of these is missing in the list.
    Ok(parts::joined(&status?, &peers.unwrap_or_default(), &producers.unwrap_or_default()))
}

impl Names {
    /// The same, and what a node says besides; that may be nothing.
    pub async fn ask(gateway: &Gateway) -> Self {
        let mut names = Self::of_this_machine();
        let asked = tokio::time::timeout(DEADLINE, gateway.get("/api/overview")).await;
        if let Ok(Ok(overview)) = asked {
            names.learn_from(&reported(&overview));
        }
        names
    }

    /// Adds what a node says of others.
    pub fn learn_from(&mut self, nodes: &[Node]) {
        for node in nodes.iter().filter(|node| !node.name.is_empty()) {
            self.learn(&node.id, &node.name);
        }
    }
}
