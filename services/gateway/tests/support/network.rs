//! What the fakes report about the network: nodes, propagation, the tree of blocks, health.

use vision_wire::chain::node::Role;
use vision_wire::chain::{
    GetForkTreeResponse, GetPropagationResponse, ListNodesResponse, Node, Propagation, PropagationSample,
    TreeBlock,
};
use vision_wire::sync_oracle::network_health::State;
use vision_wire::sync_oracle::{HealthReason, NetworkHealth, ThisNodeHealth};

/// One of which everything is known, and one of which almost nothing is.
pub fn nodes() -> ListNodesResponse {
    let known = Node {
        node_id: "ab".repeat(32),
        name: "node2".into(),
        role: Role::Suspended.into(),
        this_node: true,
        address: "127.0.0.1:7072".into(),
        connected: true,
        height: Some(5),
        behind: Some(1),
        peers: Some(2),
        clock_offset_ms: Some(-1.5),
        rtt_ms: Some(0.25),
        version: "1.2.3".into(),
        eligible: Some(false),
        not_eligible_because: "LAGGING: 1 block behind".into(),
        last_block_height: Some(4),
        last_block_at_ms: Some(1_700_000_008_000),
        last_seen_at_ms: Some(17),
        lost_at_ms: Some(18),
        missed: 3,
        suspended_at: 4,
        may_return_at: 14,
        page_url: String::new(),
        pending: Some(9),
    };
    let unknown =
        Node { node_id: "cd".repeat(32), name: "cdcdcdcd".into(), role: 4, missed: 1, ..Node::default() };
    ListNodesResponse { nodes: vec![known, unknown] }
}

pub fn propagation() -> GetPropagationResponse {
    let sample = |height, delay_ms| PropagationSample { height, delay_ms };
    let node =
        |byte: &str, samples| Propagation { node_id: byte.repeat(32), samples, median_ms: 8.5, p95_ms: 12.0 };
    GetPropagationResponse {
        nodes: vec![node("ab", vec![sample(4, 8.5), sample(5, 0.0)]), node("cd", vec![sample(4, 9.25)])],
    }
}

/// Two blocks at one height; as many heights as were asked for would have more.
pub fn tree(heights: u32) -> GetForkTreeResponse {
    let canonical = TreeBlock {
        height: u64::from(heights),
        hash: "01".repeat(32),
        parent: "02".repeat(32),
        producer: "ab".repeat(32),
        slot: 1,
        timestamp_ms: 1_700_000_008_000,
        canonical: true,
        finalized: true,
        arrived_ms: Some(1_700_000_008_009),
        ..TreeBlock::default()
    };
    let beside = TreeBlock {
        hash: "03".repeat(32),
        canonical: false,
        finalized: false,
        arrived_ms: None,
        replaced_at_ms: Some(1_700_000_009_000),
        replaced_because: "LIGHTER: a chain with more weight has another block in its place".into(),
        ..canonical.clone()
    };
    GetForkTreeResponse { blocks: vec![canonical, beside] }
}

pub fn health() -> NetworkHealth {
    let reason = HealthReason {
        code: "NODE_LOST".into(),
        node_id: "cd".repeat(32),
        since_ms: 17,
        text: "node3 has not been heard for {ago:17}.".into(),
        remedy: "Start it again.".into(),
    };
    NetworkHealth {
        state: State::Trouble.into(),
        headline: "2 of 3 nodes producing".into(),
        reasons: vec![reason],
        producing: 2,
        registered: 3,
        height: 5,
        finalized_height: 4,
        last_block_at_ms: Some(1_700_000_010_000),
        interval_median_ms: Some(2000),
        spare: Some(0),
        pending: None,
        this_node: Some(ThisNodeHealth {
            eligible: false,
            not_eligible_because: "LAGGING: 1 block behind".into(),
            remedy: "It catches up by itself.".into(),
        }),
    }
}
