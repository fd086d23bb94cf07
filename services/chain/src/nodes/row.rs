//! The nodes as they are reported.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;

use vision_ledger::{Producer, ProducerStatus};
use vision_primitives::{Height, NodeId, NodeName};
use vision_sync_status::sentence_of;
use vision_wire::chain::{Node, node::Role};

use super::line::Line;
use super::names;
use super::own::Own;
use super::roster::{Known, Roster};
use crate::view::HeadView;

/// All nodes: this one, then producers, candidates and others, each ascending by id.
pub(super) fn rows(own: &Own, head: &HeadView, roster: &Roster, line: &Line) -> Vec<Node> {
    let (because, ready_peers) = own.standing();
    let highest = roster.iter().filter(|(_, known)| known.connected).filter_map(|(_, known)| known.height);
    let highest = highest.chain([head.height]).max().unwrap_or(head.height);
    let behind = |height: Height| highest.get().saturating_sub(height.get());
    let order = order(own.node_id, head, roster);
    let said = |id: &NodeId| match *id == own.node_id {
        true => own.name.clone(),
        false => {
            let report = roster.get(id).and_then(|known| known.report.as_ref());
            report.map_or_else(|| NodeName::of_id(id), |report| report.name.clone())
        }
    };
    let names = names::shown(rights(own.node_id, head, &order).iter().map(|id| (id, said(id))));
    let row = |id: &NodeId| {
        let mut node = registered(id, head.state.producer(id), line);
        node.name = names.get(id).cloned().unwrap_or_default();
        if *id == own.node_id {
            node.this_node = true;
            node.connected = true;
            node.address.clone_from(&own.address);
            node.version = own.version.to_owned();
            node.height = Some(head.height.get());
            node.behind = Some(behind(head.height));
            node.peers = Some(ready_peers);
            node.clock_offset_ms = Some(0.0);
            node.eligible = Some(because.is_none());
            node.not_eligible_because = because.clone().unwrap_or_default();
            node.pending = Some(own.pending.load(Ordering::Relaxed));
        } else if let Some(known) = roster.get(id) {
            heard(&mut node, known);
            node.behind = known.height.map(behind);
        }
        node
    };
    order.iter().map(row).collect()
}

fn rank(id: &NodeId, head: &HeadView) -> u8 {
    match head.state.producer(id).map(|producer| producer.status) {
        Some(ProducerStatus::Active | ProducerStatus::Suspended) => 0,
        Some(ProducerStatus::Candidate) => 1,
        Some(ProducerStatus::Exited) | None => 2,
    }
}

/// The order in which nodes are reported.
fn order(own: NodeId, head: &HeadView, roster: &Roster) -> Vec<NodeId> {
    let of_chain = head.state.producers().map(|(id, _)| *id).filter(|id| rank(id, head) < 2);
    let ids: BTreeSet<NodeId> = of_chain.chain(roster.iter().map(|(id, _)| *id)).chain([own]).collect();
    let mut ids: Vec<NodeId> = ids.into_iter().collect();
    ids.sort_by_key(|id| (*id != own, rank(id, head)));
    ids
}

/// The order in which they have a right to a name: producers first, this node before its equals.
fn rights(own: NodeId, head: &HeadView, order: &[NodeId]) -> Vec<NodeId> {
    let mut ids = order.to_vec();
    ids.sort_by_key(|id| (rank(id, head), *id != own));
    ids
}

/// What the chain knows of a node.
fn registered(id: &NodeId, producer: Option<&Producer>, line: &Line) -> Node {
    let role = match producer.map(|producer| producer.status) {
        Some(ProducerStatus::Active) => Role::Producer,
        Some(ProducerStatus::Suspended) => Role::Suspended,
        Some(ProducerStatus::Candidate) => Role::Candidate,
        Some(ProducerStatus::Exited) | None => Role::Follower,
    };
    let listed = producer.filter(|_| role != Role::Follower);
    let last = line.last_of(id);
    Node {
        node_id: id.to_string(),
        role: role.into(),
        last_block_height: last.map(|(height, _)| height.get()),
        last_block_at_ms: last.map(|(_, stamp)| stamp.get()),
        missed: listed.map_or(0, |producer| producer.missed),
        suspended_at: listed.map_or(0, |producer| producer.suspended_at.get()),
        may_return_at: listed.map_or(0, |producer| producer.may_return_at.get()),
        ..Node::default()
    }
}

/// What a node has reported, and its connection shows.
fn heard(node: &mut Node, known: &Known) {
    node.address.clone_from(&known.address);
    node.version.clone_from(&known.version);
    node.connected = known.connected;
    node.height = known.height.map(Height::get);
    node.clock_offset_ms = known.clock_offset_ms;
    node.rtt_ms = known.rtt_ms;
    node.last_seen_at_ms = known.last_seen_at_ms;
    node.lost_at_ms = known.lost_at_ms;
    let Some(report) = &known.report else { return };
    node.peers = Some(report.ready_peers);
    node.pending = Some(report.pending);
    if known.connected {
        node.eligible = Some(report.not_eligible.is_none());
        let because = report.not_eligible.as_ref().map(|code| format!("{code}: {}", sentence_of(code)));
        node.not_eligible_because = because.unwrap_or_default();
    }
}

/// The nodes without what changes all the time.
pub(super) fn without_ages(nodes: &[Node]) -> Vec<Node> {
    let steady = |node: &Node| Node {
        clock_offset_ms: None,
        rtt_ms: None,
        last_seen_at_ms: None,
        pending: None,
        ..node.clone()
    };
    nodes.iter().map(steady).collect()
}
