//! What others may know of the peers.

use vision_primitives::{Hash, Height, NodeId};

use crate::charges::decayed;
use crate::{Now, Peering};

/// What others may know of a peer.
#[derive(Clone, Debug)]
pub struct PeerView {
    /// Its id.
    pub node_id: NodeId,
    /// Where it can be called.
    pub address: String,
    /// Whether it called us.
    pub inbound: bool,
    /// Height of its tip as far as checked.
    pub height: Height,
    /// Hash of the tip it last reported.
    pub tip_hash: Hash,
    /// Round trip, milliseconds.
    pub rtt_ms: Option<f64>,
    /// Its clock less ours, milliseconds; `None` until measured, also after ours was set.
    pub clock_offset_ms: Option<f64>,
    /// Its software version.
    pub version: String,
    /// When its last status came, by the wall clock, milliseconds; 0 if never.
    pub last_status_at_ms: u64,
    /// Whether its status is recent, and one of its statuses has been judged.
    pub fresh: bool,
    /// Whether it delivers what it claims.
    pub delivers: bool,
    /// Misbehaviour charged to it.
    pub charge: u32,
    /// Whether it is a registered producer.
    pub producer: bool,
}

impl Peering {
    /// All peers, ascending by id.
    #[must_use]
    pub fn list(&self, now: Now) -> Vec<PeerView> {
        let now_ms = now.mono_ms;
        let charge =
            |id: &NodeId| self.charges.get(id).map_or(0, |(charge, at)| decayed(*charge, *at, now_ms));
        let reach = self.reach(now_ms);
        let measured = !self.clock_was_set(now);
        let views = self.peers.iter().map(|(id, peer)| PeerView {
            node_id: *id,
            address: peer.address.clone(),
            inbound: peer.inbound,
            height: self.counted_height(id, peer, &reach),
            tip_hash: peer.claim.map_or(peer.tip.1, |claim| claim.hash),
            rtt_ms: peer.rtt_ms,
            clock_offset_ms: peer.clock_offset_ms.filter(|_| measured),
            version: peer.version.clone(),
            last_status_at_ms: peer.echo.received_at_ms,
            fresh: peer.judged && peer.is_heard(now_ms),
            delivers: peer.delivers(self.own_head, now_ms),
            charge: charge(id),
            producer: self.is_producer(id),
        });
        views.collect()
    }

    /// Whether a node is a registered producer in the state after our head.
    #[must_use]
    pub fn is_producer(&self, id: &NodeId) -> bool {
        self.registered.as_ref().is_some_and(|pool| pool.contains(id))
    }
}
