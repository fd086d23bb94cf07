//! Statuses of peers: when they came, and what they tell of round trips and clocks.

use vision_primitives::NodeId;
use vision_wire::p2p::Status as PeerStatus;

use super::{Inner, PeerTable};

/// Clock samples of a longer round trip are too uncertain to keep, milliseconds.
const MAX_SAMPLE_ROUND_TRIP_MS: f64 = 1_000.0;
/// When this clock is set by more than this, offsets measured by it before say nothing, milliseconds.
const MAX_CLOCK_STEP_MS: u64 = 500;

impl Inner {
    /// Forgets the offsets of the peers' clocks if this clock was set since a status last came.
    pub(super) fn note_clock(&mut self, wall_ms: u64, monotonic_ms: u64) {
        let lead_ms = wall_ms.saturating_sub(monotonic_ms);
        let before_ms = self.wall_lead_ms.replace(lead_ms);
        if before_ms.is_some_and(|before_ms| lead_ms.abs_diff(before_ms) > MAX_CLOCK_STEP_MS) {
            self.peers.values_mut().for_each(|peer| peer.clock_offset_ms = None);
        }
    }
}

impl PeerTable {
    /// Takes a signed status: clock, round trip, freshness.
    pub fn note_status(&self, id: &NodeId, status: &PeerStatus) {
        let (now, monotonic) = (self.clock.now_ms(), self.clock.monotonic_ms());
        let mut inner = self.lock();
        inner.note_clock(now, monotonic);
        let Some(peer) = inner.peers.get_mut(id) else { return };
        peer.last_status_at_ms = now;
        peer.heard_at_ms = Some(monotonic);
        peer.last_status_sent_at_ms = status.sent_at_ms;
        if status.echo_sent_at_ms > 0 && status.echo_received_at_ms > 0 {
            #[allow(clippy::cast_precision_loss)] // milliseconds since 1970 are far below 2^52
            let [t1, t2, t3, t4] =
                [status.echo_sent_at_ms, status.echo_received_at_ms, status.sent_at_ms, now]
                    .map(|t| t as f64);
            let rtt = (t4 - t1) - (t3 - t2);
            if (0.0..=MAX_SAMPLE_ROUND_TRIP_MS).contains(&rtt) {
                peer.rtt_ms = Some(rtt);
                peer.clock_offset_ms = Some(((t2 - t1) + (t3 - t4)) / 2.0);
            }
        }
        drop(inner);
        self.changed.notify_one();
    }

    /// What the next status to a peer echoes: its last `sent_at_ms` and when it came.
    pub fn echo(&self, id: &NodeId) -> (u64, u64) {
        self.lock().peers.get(id).map_or((0, 0), |peer| (peer.last_status_sent_at_ms, peer.last_status_at_ms))
    }
}
