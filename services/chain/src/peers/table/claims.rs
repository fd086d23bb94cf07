//! What peers say they have, and whether they deliver it.

use vision_primitives::{Hash, Height, NodeId, Pool};

use super::peer::Claim;
use super::{DELIVER_MS, PeerTable, Source};

impl PeerTable {
    /// A peer's tip is a block we have.
    pub fn tip_known(&self, id: &NodeId, height: Height, hash: Hash) {
        let mut inner = self.lock();
        if let Some(peer) = inner.peers.get_mut(id) {
            peer.judged = true;
            peer.tip = (height, hash);
            peer.claim = None;
            peer.note(hash);
        }
        drop(inner);
        self.changed.notify_one();
    }

    /// A peer claims a tip we do not have.
    pub fn tip_claimed(&self, id: &NodeId, height: Height, hash: Hash, weight: u64, verified: bool) {
        let now = self.clock.monotonic_ms();
        let mut inner = self.lock();
        let own_head = inner.own_head;
        if let Some(peer) = inner.peers.get_mut(id) {
            // The time to deliver runs from the first claim of more than we have.
            let running = peer.claim.filter(|claim| claim.is_more_than(own_head));
            let (since_ms, charged) = running.map_or((now, false), |claim| (claim.since_ms, claim.charged));
            peer.judged = true;
            peer.claim = Some(Claim { height, hash, weight, verified, since_ms, charged });
        }
        drop(inner);
        self.changed.notify_one();
        self.wanted.notify_one();
    }

    /// A peer has delivered blocks that only our clock keeps us from taking: its time to deliver starts anew.
    pub fn excuse(&self, id: &NodeId) {
        let now = self.clock.monotonic_ms();
        if let Some(claim) = self.lock().peers.get_mut(id).and_then(|peer| peer.claim.as_mut()) {
            claim.since_ms = now;
            claim.charged = false;
        }
    }

    /// Our own head is now this one.
    pub fn head_moved(&self, height: Height, weight: u64, registered: &Pool) {
        let mut inner = self.lock();
        inner.own_head = (height, weight);
        inner.registered = Some(registered.clone());
    }

    /// How many more connections to call for. A table full of strangers still has room for a producer.
    pub fn room(&self) -> usize {
        let inner = self.lock();
        let strangers = inner.peers.keys().any(|id| !inner.is_producer(id));
        self.max_peers.saturating_sub(inner.peers.len()).max(usize::from(strangers))
    }

    /// A peer's clock less ours, milliseconds; `None` until measured, also after ours was set.
    pub fn clock_offset_ms(&self, id: &NodeId) -> Option<f64> {
        let (now, monotonic) = (self.clock.now_ms(), self.clock.monotonic_ms());
        let mut inner = self.lock();
        inner.note_clock(now, monotonic);
        inner.peers.get(id).and_then(|peer| peer.clock_offset_ms)
    }

    /// How far a peer's clock is ahead of ours, milliseconds; 0 if it is behind or unknown.
    pub fn clock_ahead_ms(&self, id: &NodeId) -> u64 {
        let offset = self.clock_offset_ms(id).unwrap_or(0.0);
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        // not negative; a huge one saturates
        let ahead = offset.max(0.0) as u64;
        ahead
    }

    /// Blocks that now lie in the store: claims of them are met, and who delivered them gets new time.
    pub fn blocks_stored(&self, stored: &[(Height, Hash)], from: Option<&NodeId>) {
        let now = self.clock.monotonic_ms();
        let mut inner = self.lock();
        for (id, peer) in &mut inner.peers {
            if let Some(claim) = &mut peer.claim {
                if stored.iter().any(|(_, hash)| *hash == claim.hash) {
                    peer.tip = (claim.height, claim.hash);
                    peer.claim = None;
                } else if from == Some(id) {
                    claim.since_ms = now;
                    claim.charged = false;
                }
            }
            if from == Some(id) {
                for (height, hash) in stored {
                    peer.note(*hash);
                    if *height > peer.tip.0 {
                        peer.tip = (*height, *hash);
                    }
                }
            }
        }
        drop(inner);
        self.changed.notify_one();
    }

    /// Peers that did not deliver in time, each told once per claim.
    pub fn overdue(&self) -> Vec<NodeId> {
        let now = self.clock.monotonic_ms();
        let mut overdue = Vec::new();
        let mut inner = self.lock();
        let own_head = inner.own_head;
        for (id, peer) in &mut inner.peers {
            if let Some(claim) = &mut peer.claim
                && !claim.charged
                && claim.is_more_than(own_head)
                && now.saturating_sub(claim.since_ms) > DELIVER_MS
            {
                claim.charged = true;
                overdue.push(*id);
            }
        }
        overdue
    }

    /// Peers that claim a chain heavier or longer than ours: those whose claim is signed first, and the
    /// heaviest first among them.
    pub fn sources(&self) -> Vec<Source> {
        let inner = self.lock();
        let mut sources: Vec<Source> = inner
            .peers
            .iter()
            .filter_map(|(id, peer)| {
                let claim = peer.claim.as_ref()?;
                claim.is_more_than(inner.own_head).then_some(Source {
                    node_id: *id,
                    height: claim.height,
                    weight: claim.weight,
                    verified: claim.verified,
                })
            })
            .collect();
        sources.sort_by_key(|source| std::cmp::Reverse((source.verified, source.weight, source.height)));
        sources
    }
}
