//! What peers say they have, and whether they deliver it.

use vision_primitives::{Hash, Height, NodeId, Pool};

use super::peer::{Claim, Peer};
use super::{DELIVER_MS, Inner, MAX_RECORDS, PeerTable, STATUS_MAX_AGE_MS, Source};

/// Charged for the first claim that is not met.
pub(super) const BROKEN_CLAIM_POINTS: u32 = 40;
/// A broken claim is forgotten after this time; until then the next one costs more, milliseconds.
const BROKEN_CLAIM_MS: u64 = 600_000;

impl Inner {
    /// How high a peer's tip counts: as far as it is a block we have. What it claims beyond that counts as far as
    /// another peer bears it out, a producer if this one is; without another peer there is nothing but its word, for as
    /// long as it may take to deliver.
    pub(super) fn counted_height(&self, id: &NodeId, peer: &Peer, now_ms: u64) -> Height {
        let Some(claim) = peer.claim.filter(|claim| claim.verified) else { return peer.tip.0 };
        let producer = self.is_producer(id);
        let others = self.peers.iter().filter(|(other, peer)| {
            let recent = peer.heard_at_ms.is_some_and(|at| now_ms.saturating_sub(at) < STATUS_MAX_AGE_MS);
            let counts = recent && peer.delivers(self.own_head, now_ms);
            *other != id && counts && (!producer || self.is_producer(other))
        });
        let told = |peer: &Peer| {
            let claim = peer.claim.filter(|claim| claim.verified);
            claim.map_or(peer.tip.0, |claim| claim.height).max(peer.tip.0)
        };
        match others.map(|(_, peer)| told(peer)).max() {
            None => claim.height,
            Some(reach) => claim.height.min(reach.max(peer.tip.0)),
        }
    }

    /// Keeps how long a claim has waited to be met, so that its time does not start anew with the next connection.
    pub(super) fn keep_unmet_claim(&mut self, id: &NodeId, now_ms: u64) {
        let own_head = self.own_head;
        let claim = self.peers.get(id).and_then(|peer| peer.claim);
        if let Some(claim) = claim.filter(|claim| claim.is_more_than(own_head) && !claim.charged) {
            if self.unmet_claims.len() >= MAX_RECORDS {
                self.unmet_claims.pop_first();
            }
            self.unmet_claims.insert(*id, now_ms.saturating_sub(claim.since_ms));
        }
    }
}

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
        let unmet_ms = inner.unmet_claims.remove(id);
        if let Some(peer) = inner.peers.get_mut(id) {
            // The time to deliver runs from the first claim of more than we have.
            let running = peer.claim.filter(|claim| claim.is_more_than(own_head));
            peer.judged = true;
            let new = Claim::new(height, hash, weight, verified, now.saturating_sub(unmet_ms.unwrap_or(0)));
            peer.claim =
                Some(running.map_or(new, |running| Claim { height, hash, weight, verified, ..running }));
        }
        drop(inner);
        self.changed.notify_one();
        self.wanted.notify_one();
    }

    /// A peer has delivered blocks that only our clock keeps us from taking: its time to deliver starts anew.
    pub fn excuse(&self, id: &NodeId) {
        let now = self.clock.monotonic_ms();
        if let Some(claim) = self.lock().peers.get_mut(id).and_then(|peer| peer.claim.as_mut()) {
            claim.renew(now);
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
                    claim.renew(now);
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

    /// Most connections with nodes that have called and are no producers: the rest is for those that this node calls.
    pub const fn max_calling_strangers(&self) -> usize {
        self.max_peers - self.max_peers / 4
    }

    /// Most calls and connections at a time to addresses that peers have told and where no producer answers.
    pub const fn max_called_strangers(&self) -> usize {
        self.max_peers.div_ceil(2)
    }

    /// A peer was asked for what it claims and has answered that there is nothing; whether it still claims it.
    pub fn refuted(&self, id: &NodeId, hash: Hash) -> bool {
        let mut inner = self.lock();
        let own_head = inner.own_head;
        let claim = inner.peers.get_mut(id).and_then(|peer| peer.claim.as_mut());
        let claim =
            claim.filter(|claim| claim.hash == hash && claim.is_more_than(own_head) && !claim.charged);
        let refuted = claim.map(|claim| (claim.refuted, claim.charged) = (true, true)).is_some();
        drop(inner);
        self.changed.notify_one();
        refuted
    }

    /// Charges a claim that was not met; each further one within ten minutes costs more.
    pub fn charge_broken_claim(&self, id: &NodeId, why: &str) {
        let now = self.clock.monotonic_ms();
        let mut inner = self.lock();
        let records = &mut inner.broken_claims;
        records.retain(|_, (_, at)| now.saturating_sub(*at) < BROKEN_CLAIM_MS);
        if records.len() >= MAX_RECORDS && !records.contains_key(id) {
            records.pop_first();
        }
        let record = records.entry(*id).or_insert((0, now));
        *record = (record.0.saturating_add(1), now);
        let points = BROKEN_CLAIM_POINTS.saturating_mul(record.0);
        drop(inner);
        self.charge(id, points, why);
    }

    /// Peers that were asked and did not deliver in time, each told once per claim.
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
                && claim.asked_ms.is_some_and(|at| now.saturating_sub(at) > DELIVER_MS)
            {
                claim.charged = true;
                overdue.push(*id);
            }
        }
        overdue
    }

    /// Peers that claim a chain heavier or longer than ours: producers first, for a stranger can show another's header,
    /// then those whose claim is signed, and the heaviest first among them.
    pub fn sources(&self) -> Vec<Source> {
        let inner = self.lock();
        let mut sources: Vec<Source> = inner
            .peers
            .iter()
            .filter_map(|(id, peer)| {
                let claim = peer.claim.as_ref()?;
                claim.is_more_than(inner.own_head).then_some(Source {
                    node_id: *id,
                    producer: inner.is_producer(id),
                    hash: claim.hash,
                    height: claim.height,
                    weight: claim.weight,
                    verified: claim.verified,
                })
            })
            .collect();
        sources.sort_by_key(|source| {
            let trusted = (source.producer && source.verified, source.verified);
            std::cmp::Reverse((trusted, source.weight, source.height))
        });
        sources
    }
}
