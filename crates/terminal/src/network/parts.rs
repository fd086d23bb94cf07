//! A list of nodes from what a node without such a list reports.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::Node;
use crate::answers::entries;

/// The node itself, everybody registered, and its peers.
pub(super) fn joined(status: &Value, peers: &Value, producers: &Value) -> Vec<Node> {
    let mut nodes: BTreeMap<String, Value> = BTreeMap::new();
    let mut add = |id: &Value, facts: Value| {
        let Some(id) = id.as_str() else { return };
        let node = nodes.entry(id.to_owned()).or_insert_with(|| json!({ "node_id": id }));
        for (name, value) in facts.as_object().into_iter().flatten().filter(|(_, value)| !value.is_null()) {
            node[name] = value.clone();
        }
    };
    for list in ["registered", "candidates"] {
        for producer in entries(producers, list) {
            let may_return_at =
                (producer["status"] == "suspended").then(|| producer["may_return_at"].clone());
            add(&producer["node_id"], json!({ "role": producer["status"], "may_return_at": may_return_at }));
        }
    }
    let head = status["height"].as_u64();
    for peer in entries(peers, "peers") {
        let behind = head.zip(peer["height"].as_u64()).map(|(head, height)| head.saturating_sub(height));
        let facts = json!({
            "address": peer["address"], "connected": peer["state"] == "connected", "height": peer["height"],
            "behind": behind, "rtt_ms": peer["rtt_ms"], "clock_offset_ms": peer["clock_offset_ms"],
            "version": peer["version"],
        });
        add(&peer["node_id"], facts);
    }
    let own = json!({
        "this_node": true, "connected": true, "height": head, "behind": status["lag_blocks"],
        "peers": status["ready_peers"], "version": status["version"], "eligible": status["eligible"],
        "not_eligible_because": status["not_eligible_because"],
    });
    add(&status["node_id"], own);
    nodes.values().map(Node::read).collect()
}

#[cfg(test)]
mod tests {
    use super::super::Role;
    use super::*;

    #[test]
    fn whoever_is_registered_or_a_peer_is_on_the_list() {
        let status =
            json!({ "node_id": "aa", "height": 9, "eligible": true, "ready_peers": 1, "version": "1" });
        let peers = json!({ "peers": [
            { "node_id": "bb", "address": "h:1", "state": "connected", "height": 8, "rtt_ms": 0.5 },
            { "node_id": "dd", "address": "h:2", "state": "connected", "height": 9 },
        ]});
        let producers = json!({ "registered": [
            { "node_id": "aa", "status": "active", "may_return_at": 0 }, { "node_id": "bb",
            "status": "active" },
            { "node_id": "cc", "status": "suspended", "may_return_at": 12 },
        ]});
        let nodes = joined(&status, &peers, &producers);
        let reported: Vec<_> =
            nodes.iter().map(|node| (node.id.as_str(), node.role, node.state(0))).collect();
        let expect = [
            ("aa", Role::Producer, "may produce".to_owned()),
            ("bb", Role::Producer, "connected".to_owned()),
            ("cc", Role::Suspended, "no answer".to_owned()),
            ("dd", Role::Follower, "follows".to_owned()),
        ];
        assert_eq!(reported, expect);
        assert_eq!((nodes[0].this_node, nodes[1].behind, nodes[2].may_return_at), (true, Some(1), Some(12)));
        assert_eq!(joined(&status, &Value::Null, &Value::Null).len(), 1);
    }
}
