//! What peers say they have, and whether they deliver it.

use core::cmp::Reverse;

use vision_primitives::{Hash, Height, NodeId};

use crate::charges::MAX_RECORDS;
use crate::peer::Peer;
use crate::{Output, Peering};

/// A peer that claims blocks must deliver within this time, milliseconds.
pub(crate) const DELIVER_MS: u64 = 10_000;
/// Charged for the first claim that is not met.
pub(crate) const BROKEN_CLAIM_POINTS: u32 = 40;
/// A broken claim is forgotten after this time; until then the next one costs more, milliseconds.
const BROKEN_CLAIM_MS: u64 = 600_000;

/// What a peer says it has and we do not.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Claim {
    pub(crate) height: Height,
    pub(crate) hash: Hash,
    pub(crate) weight: u64,
    /// Whether the header it shows is signed by a producer we know, so that its height counts.
    pub(crate) verified: bool,
    pub(crate) since_ms: u64,
    /// When the peer was first asked since.
    pub(crate) asked_ms: Option<u64>,
    /// Whether it has answered that it has nothing more.
    pub(crate) refuted: bool,
    pub(crate) charged: bool,
}

impl Claim {
    /// A new one, at this instant.
    const fn new(height: Height, hash: Hash, weight: u64, verified: bool, since_ms: u64) -> Self {
        Self { height, hash, weight, verified, since_ms, asked_ms: None, refuted: false, charged: false }
    }

    /// Something of it has come: the time to deliver starts anew.
    const fn renew(&mut self, now_ms: u64) {
        (self.since_ms, self.asked_ms, self.refuted, self.charged) = (now_ms, None, false, false);
    }

    /// Nothing was heard of the peer for so long: that time does not count.
    pub(crate) fn pause(&mut self, silent_ms: u64, now_ms: u64) {
        self.since_ms = self.since_ms.saturating_add(silent_ms).min(now_ms);
        self.asked_ms = self.asked_ms.map(|at_ms| at_ms.saturating_add(silent_ms).min(now_ms));
    }

    /// Whether it is longer or heavier than our own chain.
    pub(crate) fn is_more_than(&self, (height, weight): (Height, u64)) -> bool {
        self.height > height || self.weight > weight
    }
}

/// A peer that says it has blocks we lack.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    pub(crate) node_id: NodeId,
    /// Whether it is a registered producer.
    pub(crate) producer: bool,
    /// The tip it claims.
    pub(crate) hash: Hash,
    pub(crate) height: Height,
    pub(crate) weight: u64,
    /// Whether the header it shows is signed by a producer we know.
    pub(crate) verified: bool,
}

/// The highest of some heights, each said by a peer, and the next one: without any one of the peers the
/// highest of the others is known.
#[derive(Debug, Default)]
pub(crate) struct Highest {
    first: Option<(Height, NodeId)>,
    second: Option<Height>,
}

impl Highest {
    fn add(&mut self, id: NodeId, height: Height) {
        let before = self.first;
        if before.is_none_or(|(first, _)| height > first) {
            self.first = Some((height, id));
            self.second = before.map(|(first, _)| first);
        } else {
            self.second = self.second.max(Some(height));
        }
    }

    fn besides(&self, id: &NodeId) -> Option<Height> {
        self.first.and_then(|(height, of)| if of == *id { self.second } else { Some(height) })
    }
}

/// How far the peers reach, found once for all of them.
#[derive(Debug, Default)]
pub(crate) struct Reach {
    all: Highest,
    producers: Highest,
}

impl Peering {
    /// How high a peer's tip counts: as far as it is a block we have. What it claims beyond that counts as
    /// far as another peer bears it out, a producer if this one is; without another peer there is nothing but
    /// its word, for as long as it may take to deliver.
    pub(crate) fn counted_height(&self, id: &NodeId, peer: &Peer, reach: &Reach) -> Height {
        let Some(claim) = peer.claim.filter(|claim| claim.verified) else { return peer.tip.0 };
        let of = if self.is_producer(id) { &reach.producers } else { &reach.all };
        match of.besides(id) {
            None => claim.height,
            Some(reach) => claim.height.min(reach.max(peer.tip.0)),
        }
    }

    /// How far the peers reach that can bear out what others claim.
    pub(crate) fn reach(&self, now_ms: u64) -> Reach {
        let mut reach = Reach::default();
        for (id, peer) in &self.peers {
            if peer.is_heard(now_ms) && peer.delivers(self.own_head, now_ms) {
                let claim = peer.claim.filter(|claim| claim.verified);
                let says = claim.map_or(peer.tip.0, |claim| claim.height).max(peer.tip.0);
                reach.all.add(*id, says);
                if self.is_producer(id) {
                    reach.producers.add(*id, says);
                }
            }
        }
        reach
    }

    /// Keeps how long a claim has waited to be met, so that its time does not start anew with the next
    /// connection.
    pub(crate) fn keep_unmet_claim(&mut self, id: &NodeId, now_ms: u64) {
        let own_head = self.own_head;
        let Some(peer) = self.peers.get(id) else { return };
        // Its silence before the end does not count.
        let until_ms = peer.heard_at_ms.filter(|_| !peer.is_heard(now_ms)).unwrap_or(now_ms);
        if let Some(claim) = peer.claim.filter(|claim| claim.is_more_than(own_head) && !claim.charged) {
            if self.unmet_claims.len() >= MAX_RECORDS {
                self.unmet_claims.pop_first();
            }
            self.unmet_claims.insert(*id, until_ms.saturating_sub(claim.since_ms));
        }
    }

    pub(crate) fn tip_known(&mut self, id: &NodeId, height: Height, hash: Hash) {
        if let Some(peer) = self.peers.get_mut(id) {
            peer.judged = true;
            peer.tip = (height, hash);
            peer.claim = None;
            peer.note(hash);
        }
        self.out.push(Output::Changed);
    }

    pub(crate) fn tip_claimed(
        &mut self,
        id: &NodeId,
        (height, hash): (Height, Hash),
        weight: u64,
        verified: bool,
        now_ms: u64,
    ) {
        let own_head = self.own_head;
        let unmet_ms = self.unmet_claims.remove(id);
        if let Some(peer) = self.peers.get_mut(id) {
            // The time to deliver runs from the first claim of more than we have.
            let running = peer.claim.filter(|claim| claim.is_more_than(own_head));
            peer.judged = true;
            let since_ms = now_ms.saturating_sub(unmet_ms.unwrap_or(0));
            let new = Claim::new(height, hash, weight, verified, since_ms);
            peer.claim =
                Some(running.map_or(new, |running| Claim { height, hash, weight, verified, ..running }));
        }
        self.out.push(Output::Changed);
    }

    /// What it delivered cannot be taken yet through no fault of its own: its time to deliver starts anew.
    pub(crate) fn excuse(&mut self, id: &NodeId, now_ms: u64) {
        if let Some(claim) = self.peers.get_mut(id).and_then(|peer| peer.claim.as_mut()) {
            claim.renew(now_ms);
        }
    }

    /// Blocks that are stored now: claims of them are met, and who delivered them gets new time.
    pub(crate) fn blocks_stored(&mut self, stored: &[(Height, Hash)], from: Option<&NodeId>, now_ms: u64) {
        for (id, peer) in &mut self.peers {
            if let Some(claim) = &mut peer.claim {
                if stored.iter().any(|(_, hash)| *hash == claim.hash) {
                    peer.tip = (claim.height, claim.hash);
                    peer.claim = None;
                } else if from == Some(id) {
                    claim.renew(now_ms);
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
        self.out.push(Output::Changed);
    }

    /// A peer was asked for what it claims and has answered that there is nothing; whether it still claims
    /// it.
    pub(crate) fn refuted(&mut self, id: &NodeId, hash: Hash) -> bool {
        let own_head = self.own_head;
        let claim = self.peers.get_mut(id).and_then(|peer| peer.claim.as_mut());
        let claim =
            claim.filter(|claim| claim.hash == hash && claim.is_more_than(own_head) && !claim.charged);
        let refuted = claim.map(|claim| (claim.refuted, claim.charged) = (true, true)).is_some();
        self.out.push(Output::Changed);
        refuted
    }

    /// Charges a claim that was not met; each further one within ten minutes costs more.
    pub(crate) fn charge_broken_claim(&mut self, id: &NodeId, why: &str, now_ms: u64) {
        let records = &mut self.broken_claims;
        records.retain(|_, (_, at)| now_ms.saturating_sub(*at) < BROKEN_CLAIM_MS);
        if records.len() >= MAX_RECORDS && !records.contains_key(id) {
            records.pop_first();
        }
        let record = records.entry(*id).or_insert((0, now_ms));
        *record = (record.0.saturating_add(1), now_ms);
        let points = BROKEN_CLAIM_POINTS.saturating_mul(record.0);
        self.charge(*id, points, why, now_ms);
    }

    /// Charges the peers that were asked and did not deliver in time, once per claim. Of one that is silent
    /// nobody knows whether it got the question: it does not count as ready, and its time runs on when it is
    /// heard again.
    pub(crate) fn charge_overdue(&mut self, now_ms: u64) {
        let own_head = self.own_head;
        let late = |since_ms: u64| now_ms.saturating_sub(since_ms) > DELIVER_MS;
        let mut overdue = Vec::new();
        for (id, peer) in &mut self.peers {
            let heard = peer.is_heard(now_ms);
            if let Some(claim) = &mut peer.claim
                && heard
                && !claim.charged
                && claim.is_more_than(own_head)
                && late(claim.since_ms)
                && claim.asked_ms.is_some_and(late)
            {
                claim.charged = true;
                overdue.push(*id);
            }
        }
        for id in overdue {
            self.charge_broken_claim(&id, "claims blocks but does not deliver them", now_ms);
        }
    }

    /// Peers that claim a chain heavier or longer than ours: producers first, for a stranger can show
    /// another's header, then those whose claim is signed, and the heaviest first among them.
    pub(crate) fn sources(&self) -> Vec<Source> {
        let claiming = self.peers.iter().filter_map(|(id, peer)| {
            let claim = peer.claim.filter(|claim| claim.is_more_than(self.own_head))?;
            Some(Source {
                node_id: *id,
                producer: self.is_producer(id),
                hash: claim.hash,
                height: claim.height,
                weight: claim.weight,
                verified: claim.verified,
            })
        });
        let mut sources: Vec<Source> = claiming.collect();
        sources.sort_by_key(|source| {
            let trusted = (source.producer && source.verified, source.verified);
            Reverse((trusted, source.weight, source.height))
        });
        sources
    }
}
