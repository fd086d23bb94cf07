//! The connections of this node: one per node id, bounded, each with what is known of the peer.
//!
//! A plain table behind a mutex that is held for a few instructions and never across an await. Its times are
//! by the clock that never jumps, but for those that are compared with a peer's.

mod claims;
mod peer;
mod talk;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, mpsc};
use tokio_util::sync::CancellationToken;
use tracing::Span;
use vision_host::Clock;
use vision_primitives::{Hash, Height, NodeId, Pool};
use vision_wire::Reason;
use vision_wire::p2p::{PeerMessage, Status as PeerStatus};

use super::identity::{Refused, Remote};
use super::questions::Questions;
use super::session::Gossip;
use peer::Peer;
pub use talk::{TRANSACTIONS_BYTES, messages_of};

/// Messages that may wait for one peer.
pub const OUTBOX_MESSAGES: usize = 128;
/// A peer whose outbox stays full so long is dropped, milliseconds.
const SEND_DEADLINE_MS: u64 = 5_000;
/// Blocks up to this size are sent whole; of larger ones only the header is announced, bytes.
const WHOLE_BLOCK_BYTES: u64 = 64 << 10;
/// Announced blocks that may wait for being fetched.
const MAX_FETCHES: usize = 64;
/// Hashes remembered per peer so that nothing is sent back where it came from.
const KNOWN_HASHES: usize = 512;
/// Charge at which a peer is dropped and banned.
pub const MAX_CHARGE: u32 = 100;
/// How long a ban lasts, milliseconds.
const BAN_MS: u64 = 60_000;
/// Bans and charges remembered of nodes that are gone.
const MAX_RECORDS: usize = 1024;
/// A peer that claims blocks must deliver within this time, milliseconds.
const DELIVER_MS: u64 = 10_000;
/// A status older than this does not count, milliseconds.
const STATUS_MAX_AGE_MS: u64 = 5_000;
/// Clock samples of a longer round trip are too uncertain to keep, milliseconds.
const MAX_SAMPLE_ROUND_TRIP_MS: f64 = 1_000.0;
/// When this clock is set by more than this, offsets measured by it before say nothing, milliseconds.
const MAX_CLOCK_STEP_MS: u64 = 500;

type Outbox = mpsc::Sender<Result<PeerMessage, tonic::Status>>;

/// A new connection whose peer has proven its id.
pub struct Connection {
    /// Who it is.
    pub remote: Remote,
    /// Where it can be called, host:port.
    pub address: String,
    /// Whether it called us.
    pub inbound: bool,
    /// The way to it.
    pub outbox: Outbox,
    /// The way of transactions to it.
    pub gossip: Gossip,
}

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
    /// Hash of the tip it last told.
    pub tip_hash: Hash,
    /// Round trip, milliseconds.
    pub rtt_ms: Option<f64>,
    /// Its clock less ours, milliseconds.
    pub clock_offset_ms: Option<f64>,
    /// Its software version.
    pub version: String,
    /// When its last status came; 0 if never.
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

/// A peer that says it has blocks we lack.
pub struct Source {
    /// Its id.
    pub node_id: NodeId,
    /// Height it claims.
    pub height: Height,
    /// Weight it claims.
    pub weight: u64,
    /// Whether the header it shows is signed by a producer we know.
    pub verified: bool,
}

/// A block that a peer has announced and we lack.
pub struct Fetch {
    /// Who announced it.
    pub peer: NodeId,
    /// Its hash.
    pub hash: Hash,
    /// What the announcement has begun.
    pub span: Span,
}

#[derive(Default)]
struct Inner {
    peers: BTreeMap<NodeId, Peer>,
    charges: BTreeMap<NodeId, (u32, u64)>,
    bans: BTreeMap<NodeId, u64>,
    next_connection: u64,
    /// Height and weight of our own head.
    own_head: (Height, u64),
    /// Registered producers in the state after it.
    registered: Option<Pool>,
    /// The wall clock less the one that never jumps, when a status last came.
    wall_lead_ms: Option<u64>,
}

impl Inner {
    /// Forgets the offsets of the peers' clocks if this clock was set since a status last came.
    fn note_clock(&mut self, wall_ms: u64, monotonic_ms: u64) {
        let lead_ms = wall_ms.saturating_sub(monotonic_ms);
        let before_ms = self.wall_lead_ms.replace(lead_ms);
        if before_ms.is_some_and(|before_ms| lead_ms.abs_diff(before_ms) > MAX_CLOCK_STEP_MS) {
            self.peers.values_mut().for_each(|peer| peer.clock_offset_ms = None);
        }
    }

    fn is_producer(&self, id: &NodeId) -> bool {
        self.registered.as_ref().is_some_and(|pool| pool.contains(id))
    }

    /// Drops a stranger when a producer comes to a full table: ids cost nothing, and whoever makes many
    /// must not keep the producers out.
    fn make_room_for(&mut self, id: &NodeId) -> bool {
        let stranger = self.peers.keys().find(|peer| !self.is_producer(peer)).copied();
        match stranger.filter(|_| self.is_producer(id)).and_then(|stranger| self.peers.remove(&stranger)) {
            None => false,
            Some(peer) => {
                let refused = Refused::new(Reason::TooManyPeers, "the place is needed for a producer");
                // If the outbox is full the peer misses only the explanation.
                let _ = peer.outbox.try_send(Err(refused.status()));
                peer.closed.cancel();
                true
            }
        }
    }
}

/// The table.
pub struct PeerTable {
    own: NodeId,
    max_peers: usize,
    clock: Clock,
    inner: Mutex<Inner>,
    fetches: mpsc::Sender<Fetch>,
    /// Told whenever what [`PeerTable::list`] gives may have changed.
    pub changed: Notify,
    /// Told whenever a peer claims blocks we lack.
    pub wanted: Notify,
}

impl PeerTable {
    /// An empty table, and where the announced blocks to fetch come out.
    pub fn new(own: NodeId, max_peers: usize, clock: Clock) -> (Self, mpsc::Receiver<Fetch>) {
        let (fetches, wanted) = mpsc::channel(MAX_FETCHES);
        let table = Self {
            own,
            max_peers,
            clock,
            inner: Mutex::default(),
            fetches,
            changed: Notify::new(),
            wanted: Notify::new(),
        };
        (table, wanted)
    }

    /// Asks for a block that a peer has announced.
    pub fn fetch(&self, peer: &NodeId, hash: Hash) {
        // When the queue is full the block comes with the next catch-up.
        let _ = self.fetches.try_send(Fetch { peer: *peer, hash, span: Span::current() });
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Every holder leaves the table whole, so a panic elsewhere must not take it away.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

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

    /// Enters a proven connection. Of two connections of one pair the one called by the lower id
    /// stays, so that both sides keep the same one.
    pub fn enter(&self, new: Connection) -> Result<(u64, CancellationToken), Refused> {
        let id = new.remote.node_id;
        self.admit(&id)?;
        let now = self.clock.monotonic_ms();
        let mut inner = self.lock();
        let preferred = |inbound: bool| (id < self.own) == inbound;
        if let Some(old) = inner.peers.get(&id) {
            if preferred(old.inbound) || !preferred(new.inbound) {
                return Err(Refused::new(
                    Reason::PeerAlreadyConnected,
                    "there is a connection with this node",
                ));
            }
            old.closed.cancel();
        } else if inner.peers.len() >= self.max_peers && !inner.make_room_for(&id) {
            return Err(Refused::new(
                Reason::TooManyPeers,
                format!("at most {} connections", self.max_peers),
            ));
        }
        let connection = inner.next_connection;
        inner.next_connection += 1;
        let closed = CancellationToken::new();
        let peer = Peer {
            connection,
            remote: new.remote,
            address: new.address,
            inbound: new.inbound,
            outbox: new.outbox,
            gossip: new.gossip,
            questions: Questions::default(),
            closed: closed.clone(),
            known: VecDeque::new(),
            known_set: BTreeSet::new(),
            tip: (Height::GENESIS, Hash::ZERO),
            judged: false,
            claim: None,
            rtt_ms: None,
            clock_offset_ms: None,
            last_status_at_ms: 0,
            heard_at_ms: None,
            last_status_sent_at_ms: 0,
            full_since_ms: None,
        };
        inner.peers.insert(id, peer);
        inner.bans.retain(|_, until| *until > now);
        drop(inner);
        self.changed.notify_one();
        Ok((connection, closed))
    }

    /// Takes a connection out when it has ended.
    pub fn leave(&self, id: &NodeId, connection: u64) {
        let mut inner = self.lock();
        if inner.peers.get(id).is_some_and(|peer| peer.connection == connection) {
            inner.peers.remove(id);
        }
        drop(inner);
        self.changed.notify_one();
    }

    /// Whether there is a connection with a node.
    pub fn is_connected(&self, id: &NodeId) -> bool {
        self.lock().peers.contains_key(id)
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
        tracing::warn!(peer = %id.short(), points, charge, why, "peer charged");
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

    /// Notes that a peer has a block, so that it is not sent there.
    pub fn note_known(&self, id: &NodeId, hash: Hash) {
        if let Some(peer) = self.lock().peers.get_mut(id) {
            peer.note(hash);
        }
    }

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

    /// All peers, ascending by id.
    pub fn list(&self) -> Vec<PeerView> {
        let now = self.clock.monotonic_ms();
        let inner = self.lock();
        let charge = |id: &NodeId| inner.charges.get(id).map_or(0, |(charge, at)| decayed(*charge, *at, now));
        inner
            .peers
            .iter()
            .map(|(id, peer)| {
                let claim = peer.claim.filter(|claim| claim.verified);
                PeerView {
                    node_id: *id,
                    address: peer.address.clone(),
                    inbound: peer.inbound,
                    height: claim.map_or(peer.tip.0, |claim| claim.height),
                    tip_hash: peer.claim.map_or(peer.tip.1, |claim| claim.hash),
                    rtt_ms: peer.rtt_ms,
                    clock_offset_ms: peer.clock_offset_ms,
                    version: peer.remote.version.clone(),
                    last_status_at_ms: peer.last_status_at_ms,
                    fresh: peer.judged
                        && peer.heard_at_ms.is_some_and(|at| now.saturating_sub(at) < STATUS_MAX_AGE_MS),
                    delivers: peer.delivers(inner.own_head, now),
                    charge: charge(id),
                    producer: inner.is_producer(id),
                }
            })
            .collect()
    }
}

/// A charge loses a point every second.
fn decayed(charge: u32, at_ms: u64, now_ms: u64) -> u32 {
    let seconds = u32::try_from(now_ms.saturating_sub(at_ms) / 1000).unwrap_or(u32::MAX);
    charge.saturating_sub(seconds)
}
