//! Misbehaviour: what it costs, and how often the log says so.

use std::sync::PoisonError;

use vision_primitives::NodeId;
use vision_wire::Reason;

use super::{MAX_RECORDS, PeerTable, Refused};

/// Charge at which a peer is dropped and banned.
pub const MAX_CHARGE: u32 = 100;
/// How long a ban lasts, milliseconds.
const BAN_MS: u64 = 60_000;

impl PeerTable {
    /// Whether a node may connect at all.
    pub fn admit(&self, id: &NodeId) -> Result<(), Refused> {
        let now = self.clock.monotonic_ms();
        let mut inner = self.lock();
        if *id == self.own {
            return Err(Refused::new(Reason::SelfConnection, "this is the node itself, or one with its key"));
        }
        match inner.bans.get(id) {
            Some(until) if *until > now => {
                let detail =
                    format!("dropped for misbehaviour, try again in {} s", (until - now).div_ceil(1000));
                Err(Refused::new(Reason::PeerBanned, detail))
            }
            Some(_) => {
                inner.bans.remove(id);
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// Whether a line about a node's misbehaviour may be written now, and how many were left out since the last one.
    pub fn may_say(&self, id: &NodeId, what: &str) -> Option<u64> {
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        said.pass(&format!("{what} {}", id.short()), self.clock.monotonic_ms())
    }

    /// Charges misbehaviour to a node; at [`MAX_CHARGE`] it is dropped and banned for a while.
    pub fn charge(&self, id: &NodeId, points: u32, why: &str) {
        let now = self.clock.monotonic_ms();
        let mut inner = self.lock();
        if inner.charges.len() >= MAX_RECORDS && !inner.charges.contains_key(id) {
            inner.charges.retain(|_, (charge, at)| decayed(*charge, *at, now) > 0);
            if inner.charges.len() >= MAX_RECORDS {
                inner.charges.pop_first();
            }
        }
        let record = inner.charges.entry(*id).or_insert((0, now));
        let charge = decayed(record.0, record.1, now).saturating_add(points);
        *record = (charge, now);
        if let Some(left_out) = self.may_say(id, "charge") {
            tracing::warn!(peer = %id.short(), points, charge, why, left_out, "peer charged");
        }
        if charge >= MAX_CHARGE {
            inner.charges.remove(id);
            if inner.bans.len() >= MAX_RECORDS {
                inner.bans.pop_first();
            }
            inner.bans.insert(*id, now + BAN_MS);
            if let Some(peer) = inner.peers.get(id) {
                let refused = Refused::new(Reason::PeerBanned, format!("dropped: {why}"));
                // If the outbox is full the peer misses only the explanation.
                let _ = peer.outbox.try_send(Err(refused.status()));
                peer.closed.cancel();
            }
        }
        drop(inner);
        self.changed.notify_one();
    }
}

/// A charge loses a point every second.
pub(super) fn decayed(charge: u32, at_ms: u64, now_ms: u64) -> u32 {
    let seconds = u32::try_from(now_ms.saturating_sub(at_ms) / 1000).unwrap_or(u32::MAX);
    charge.saturating_sub(seconds)
}
