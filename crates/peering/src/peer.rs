//! One peer of the table.

use vision_primitives::{Hash, Height, RecentSet};

use crate::claims::{Claim, DELIVER_MS};
use crate::questions::Questions;
use crate::rhythm::Rhythm;
use crate::statuses::STATUS_MAX_AGE_MS;
use crate::{ConnectionId, Echo, Proven};

/// Hashes remembered per peer so that nothing is sent back where it came from.
const KNOWN_HASHES: usize = 512;

#[derive(Debug)]
pub(crate) struct Peer {
    pub(crate) connection: ConnectionId,
    pub(crate) address: String,
    pub(crate) inbound: bool,
    pub(crate) version: String,
    pub(crate) source: String,
    pub(crate) questions: Questions,
    known: RecentSet<Hash>,
    pub(crate) tip: (Height, Hash),
    /// Whether the chain has judged a tip of its: until then its height says nothing.
    pub(crate) judged: bool,
    pub(crate) claim: Option<Claim>,
    pub(crate) rtt_ms: Option<f64>,
    pub(crate) clock_offset_ms: Option<f64>,
    /// What the next status to it echoes; `received_at_ms` is also when its last status came, by the wall
    /// clock.
    pub(crate) echo: Echo,
    /// When its last status came by the clock that never jumps.
    pub(crate) heard_at_ms: Option<u64>,
    /// Since when the queue to it has had no room.
    pub(crate) full_since_ms: Option<u64>,
    pub(crate) rhythm: Rhythm,
    /// Whether it has missed transactions, as every new peer has.
    pub(crate) missed_transactions: bool,
    /// Whether it is being sent everything pending.
    pub(crate) sending_pending: bool,
}

impl Peer {
    pub(crate) fn new(proven: Proven, now_ms: u64) -> Self {
        Self {
            connection: proven.connection,
            address: proven.address,
            inbound: proven.inbound,
            version: proven.version,
            source: proven.source,
            questions: Questions::default(),
            known: RecentSet::new(KNOWN_HASHES),
            tip: (Height::GENESIS, Hash::ZERO),
            judged: false,
            claim: None,
            rtt_ms: None,
            clock_offset_ms: None,
            echo: Echo::default(),
            heard_at_ms: None,
            full_since_ms: None,
            rhythm: Rhythm::starting(now_ms),
            missed_transactions: true,
            sending_pending: false,
        }
    }

    /// Notes that it has a block.
    pub(crate) fn note(&mut self, hash: Hash) {
        self.known.insert(hash);
    }

    /// Takes a note back that was made too early.
    pub(crate) fn unnote(&mut self, hash: &Hash) {
        self.known.remove(hash);
    }

    /// Whether it is known to have a block.
    pub(crate) fn has(&self, hash: &Hash) -> bool {
        self.known.contains(hash)
    }

    /// Whether a status of its has come lately.
    pub(crate) fn is_heard(&self, now_ms: u64) -> bool {
        self.heard_at_ms.is_some_and(|at| now_ms.saturating_sub(at) < STATUS_MAX_AGE_MS)
    }

    /// Whether it delivers what it claims, as far as the time for it has passed.
    pub(crate) fn delivers(&self, own: (Height, u64), now_ms: u64) -> bool {
        let meets_its_claim = self.claim.is_none_or(|claim| {
            let in_time = !claim.refuted && now_ms.saturating_sub(claim.since_ms) <= DELIVER_MS;
            !claim.is_more_than(own) || (claim.verified && in_time)
        });
        self.judged && meets_its_claim
    }
}
