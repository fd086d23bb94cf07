//! From and to the messages of the wire.

use vision_primitives::Height;
use vision_sync_status::{
    HeadFacts, Health, HealthState, NodeFacts, PeerView, Snapshot, Standing, SyncState, code_of, remedy_of,
};
use vision_wire::{chain, sync_oracle as proto};

/// A peer as the machine sees it; `None` for an id that is none.
pub(crate) fn peer_view(peer: &chain::Peer, now_ms: u64) -> Option<PeerView> {
    Some(PeerView {
        id: peer.node_id.parse().ok()?,
        producer: peer.producer,
        delivers: peer.delivers,
        tip_height: Height(peer.height),
        status_age_ms: now_ms.saturating_sub(peer.last_status_at_ms),
        // The cast saturates; a fraction of a millisecond does not matter here.
        clock_offset_ms: peer
            .clock_offset_ms
            .filter(|offset| offset.is_finite())
            .map(|offset| offset.round() as i64),
    })
}

/// The machine's snapshot as a message.
pub(crate) fn snapshot(found: &Snapshot, local_hash: &str, active_pool_size: u64) -> proto::Snapshot {
    proto::Snapshot {
        tick: found.tick,
        taken_at_ms: found.taken_at_ms.get(),
        local_height: found.local_height.get(),
        local_hash: local_hash.to_owned(),
        network_height: found.network_height.get(),
        lag_blocks: found.lag,
        state: state(found.state).into(),
        streak: found.streak,
        ready_peers: found.ready_peers,
        eligible: found.eligible,
        not_eligible_because: found.because.as_ref().map(ToString::to_string).unwrap_or_default(),
        active_pool_size,
        ready_producers: found.ready_producers,
        head_ahead_ms: found.head_ahead_ms,
    }
}

/// A node as the judge of health sees it; `None` for an id that is none.
pub(crate) fn node_facts(node: &chain::Node) -> Option<NodeFacts> {
    use chain::node::Role;
    let standing = match node.role() {
        Role::Producer => Standing::Active,
        Role::Suspended => Standing::Suspended,
        Role::Candidate | Role::Follower | Role::Unspecified => Standing::Other,
    };
    Some(NodeFacts {
        id: node.node_id.parse().ok()?,
        name: node.name.clone(),
        standing,
        this_node: node.this_node,
        connected: node.connected,
        height: node.height,
        behind: node.behind,
        eligible: node.eligible,
        because: node.not_eligible_because.clone(),
        // The cast saturates; a fraction of a millisecond does not matter here.
        clock_offset_ms: node
            .clock_offset_ms
            .filter(|offset| offset.is_finite())
            .map(|offset| offset.round() as i64),
        last_seen_ms: node.last_seen_at_ms,
        suspended_at: node.suspended_at,
        may_return_at: node.may_return_at,
    })
}

/// The head as the judge of health sees it.
pub(crate) const fn head_facts(head: &chain::Head) -> HeadFacts {
    HeadFacts { height: head.height, finalized_height: head.finalized_height, stamp_ms: head.timestamp_ms }
}

/// What is reported beside the judgement.
pub(crate) struct Seen<'a> {
    pub head: &'a chain::Head,
    pub interval_median_ms: Option<u64>,
    pub pending: Option<u64>,
}

/// A judgement as a message.
pub(crate) fn health(found: &Health, seen: Option<&Seen<'_>>, this_because: &str) -> proto::NetworkHealth {
    use proto::network_health::State;
    let state = match found.state {
        HealthState::Fine => State::Fine,
        HealthState::Trouble => State::Trouble,
        HealthState::Stopped => State::Stopped,
        HealthState::Unknown => State::Unknown,
    };
    let reasons = found.reasons.iter().map(|reason| proto::HealthReason {
        code: reason.code.clone(),
        node_id: reason.node.map(|id| id.to_string()).unwrap_or_default(),
        since_ms: reason.since_ms,
        text: reason.text.clone(),
        remedy: reason.remedy.clone(),
    });
    let remedy = match this_because {
        "" => String::new(),
        because => remedy_of(code_of(because), "this node"),
    };
    proto::NetworkHealth {
        state: state.into(),
        headline: found.headline.clone(),
        reasons: reasons.collect(),
        producing: found.producing,
        registered: found.registered,
        height: seen.map_or(0, |seen| seen.head.height),
        finalized_height: seen.map_or(0, |seen| seen.head.finalized_height),
        last_block_at_ms: found.last_block_at_ms,
        interval_median_ms: seen.and_then(|seen| seen.interval_median_ms),
        spare: found.spare,
        pending: seen.and_then(|seen| seen.pending),
        this_node: Some(proto::ThisNodeHealth {
            eligible: this_because.is_empty(),
            not_eligible_because: this_because.to_owned(),
            remedy,
        }),
    }
}

const fn state(state: SyncState) -> proto::SyncState {
    match state {
        SyncState::AtTip => proto::SyncState::AtTip,
        SyncState::CatchingUp => proto::SyncState::CatchingUp,
        SyncState::Behind => proto::SyncState::Behind,
        SyncState::TooFarAhead => proto::SyncState::TooFarAhead,
    }
}
