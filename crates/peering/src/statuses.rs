//! Statuses of peers: when they came, and what they say of round trips and clocks.

use vision_primitives::NodeId;

use crate::{Echo, Now, Output, Peering, StatusTimes};

/// A status older than this does not count, milliseconds.
pub(crate) const STATUS_MAX_AGE_MS: u64 = 5_000;
/// Clock samples of a longer round trip are too uncertain to keep, milliseconds.
const MAX_SAMPLE_ROUND_TRIP_MS: f64 = 1_000.0;
/// When this clock is set by more than this, offsets measured by it before say nothing, milliseconds.
const MAX_CLOCK_STEP_MS: u64 = 500;

impl Peering {
    /// Whether this clock was set since a status last came: then the offsets measured say nothing.
    pub(crate) fn clock_was_set(&self, now: Now) -> bool {
        self.wall_lead_ms.is_some_and(|before_ms| lead_ms(now).abs_diff(before_ms) > MAX_CLOCK_STEP_MS)
    }

    /// Forgets the offsets of the peers' clocks if this clock was set since a status last came.
    pub(crate) fn note_clock(&mut self, now: Now) {
        if self.clock_was_set(now) {
            self.peers.values_mut().for_each(|peer| peer.clock_offset_ms = None);
        }
        self.wall_lead_ms = Some(lead_ms(now));
    }

    /// Takes a signed status: clock, round trip, freshness.
    pub(crate) fn note_status(&mut self, id: &NodeId, status: StatusTimes, now: Now) {
        self.note_clock(now);
        // It may have given way meanwhile.
        let Some(peer) = self.peers.get_mut(id) else { return };
        // After a silence, its own or ours, the time to deliver goes on from where it was.
        let silent_ms = peer.heard_at_ms.map_or(0, |at_ms| now.mono_ms.saturating_sub(at_ms));
        if silent_ms >= STATUS_MAX_AGE_MS
            && let Some(claim) = &mut peer.claim
        {
            claim.pause(silent_ms, now.mono_ms);
        }
        peer.heard_at_ms = Some(now.mono_ms);
        peer.echo = Echo { sent_at_ms: status.sent_at_ms, received_at_ms: now.wall_ms };
        if status.echo_sent_at_ms > 0 && status.echo_received_at_ms > 0 {
            #[allow(clippy::cast_precision_loss)] // milliseconds since 1970 are far below 2^52
            let [t1, t2, t3, t4] =
                [status.echo_sent_at_ms, status.echo_received_at_ms, status.sent_at_ms, now.wall_ms]
                    .map(|t| t as f64);
            let rtt = (t4 - t1) - (t3 - t2);
            if (0.0..=MAX_SAMPLE_ROUND_TRIP_MS).contains(&rtt) {
                peer.rtt_ms = Some(rtt);
                peer.clock_offset_ms = Some(((t2 - t1) + (t3 - t4)) / 2.0);
            }
        }
        self.out.push(Output::Changed);
    }

    /// A peer's clock less ours, milliseconds; `None` until measured, also after ours was set.
    pub fn clock_offset_ms(&mut self, id: &NodeId, now: Now) -> Option<f64> {
        self.note_clock(now);
        self.peers.get(id).and_then(|peer| peer.clock_offset_ms)
    }
}

/// The wall clock less the one that never jumps: it changes when the wall clock is set.
const fn lead_ms(now: Now) -> u64 {
    now.wall_ms.saturating_sub(now.mono_ms)
}
