//! From and to the messages of the wire.

use vision_primitives::Height;
use vision_sync_status::{PeerView, Snapshot, SyncState};
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

const fn state(state: SyncState) -> proto::SyncState {
    match state {
        SyncState::AtTip => proto::SyncState::AtTip,
        SyncState::CatchingUp => proto::SyncState::CatchingUp,
        SyncState::Behind => proto::SyncState::Behind,
        SyncState::TooFarAhead => proto::SyncState::TooFarAhead,
    }
}
