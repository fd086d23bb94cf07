//! One peer of the table.

use std::collections::{BTreeSet, VecDeque};

use tokio_util::sync::CancellationToken;
use vision_primitives::{Hash, Height};
use vision_wire::p2p::PeerMessage;

use super::super::identity::Remote;
use super::super::questions::Questions;
use super::super::session::Gossip;
use super::{DELIVER_MS, KNOWN_HASHES, Outbox, SEND_DEADLINE_MS};

/// What a peer says it has and we do not.
#[derive(Clone, Copy, Debug)]
pub(super) struct Claim {
    pub(super) height: Height,
    pub(super) hash: Hash,
    pub(super) weight: u64,
    /// Whether the header it shows is signed by a producer we know, so that its height counts.
    pub(super) verified: bool,
    pub(super) since_ms: u64,
    /// When the peer was first asked since.
    pub(super) asked_ms: Option<u64>,
    /// Whether it has answered that it has nothing more.
    pub(super) refuted: bool,
    pub(super) charged: bool,
}

impl Claim {
    /// A new one, at this instant.
    pub(super) const fn new(height: Height, hash: Hash, weight: u64, verified: bool, since_ms: u64) -> Self {
        Self { height, hash, weight, verified, since_ms, asked_ms: None, refuted: false, charged: false }
    }

    /// Something of it has come: the time to deliver starts anew.
    pub(super) const fn renew(&mut self, now_ms: u64) {
        (self.since_ms, self.asked_ms, self.refuted, self.charged) = (now_ms, None, false, false);
    }

    /// Whether it is longer or heavier than our own chain.
    pub(super) fn is_more_than(&self, (height, weight): (Height, u64)) -> bool {
        self.height > height || self.weight > weight
    }
}

pub(super) struct Peer {
    pub(super) connection: u64,
    pub(super) remote: Remote,
    pub(super) address: String,
    pub(super) inbound: bool,
    pub(super) outbox: Outbox,
    pub(super) gossip: Gossip,
    pub(super) questions: Questions,
    pub(super) closed: CancellationToken,
    pub(super) known: VecDeque<Hash>,
    pub(super) known_set: BTreeSet<Hash>,
    pub(super) tip: (Height, Hash),
    /// Whether the chain's thread has judged a tip of its: until then its height says nothing.
    pub(super) judged: bool,
    pub(super) claim: Option<Claim>,
    pub(super) rtt_ms: Option<f64>,
    pub(super) clock_offset_ms: Option<f64>,
    /// By the wall clock, for the sender's samples.
    pub(super) last_status_at_ms: u64,
    /// The same instant by the clock that never jumps.
    pub(super) heard_at_ms: Option<u64>,
    pub(super) last_status_sent_at_ms: u64,
    pub(super) full_since_ms: Option<u64>,
}

impl Peer {
    pub(super) fn note(&mut self, hash: Hash) {
        if self.known_set.insert(hash) {
            self.known.push_back(hash);
            if self.known.len() > KNOWN_HASHES
                && let Some(old) = self.known.pop_front()
            {
                self.known_set.remove(&old);
            }
        }
    }

    /// Queues a message; false when there is no room.
    pub(super) fn send(&mut self, message: PeerMessage, now_ms: u64) -> bool {
        if self.outbox.try_send(Ok(message)).is_ok() {
            self.full_since_ms = None;
            return true;
        }
        let since = *self.full_since_ms.get_or_insert(now_ms);
        if now_ms.saturating_sub(since) > SEND_DEADLINE_MS {
            self.closed.cancel();
        }
        false
    }

    pub(super) fn delivers(&self, own: (Height, u64), now_ms: u64) -> bool {
        let meets_its_claim = self.claim.is_none_or(|claim| {
            let in_time = !claim.refuted && now_ms.saturating_sub(claim.since_ms) <= DELIVER_MS;
            !claim.is_more_than(own) || (claim.verified && in_time)
        });
        self.judged && meets_its_claim
    }
}
