//! The connections of this node: one per node id, bounded, each with what is known of the peer.
//!
//! A plain table behind a mutex that is held for a few instructions and never across an await. Its times are
//! by the clock that never jumps, but for those that are compared with a peer's.

mod charges;
mod claims;
mod peer;
mod statuses;
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
use vision_wire::p2p::PeerMessage;

use super::identity::{Refused, Remote};
use super::lines::LineLimit;
use super::questions::Questions;
use super::session::Gossip;
use charges::decayed;
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
/// Charges of one peer are logged so often, milliseconds.
const CHARGES_SAID_EVERY_MS: u64 = 10_000;
/// Most lines about misbehaviour of all peers in ten seconds.
const MAX_CHARGE_LINES: u32 = 20;
/// Bans and charges remembered of nodes that are gone.
const MAX_RECORDS: usize = 1024;
/// A peer that claims blocks must deliver within this time, milliseconds.
const DELIVER_MS: u64 = 10_000;
/// A status older than this does not count, milliseconds.
const STATUS_MAX_AGE_MS: u64 = 5_000;
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
#[derive(Clone)]
pub struct Source {
    /// Its id.
    pub node_id: NodeId,
    /// Whether it is a registered producer.
    pub producer: bool,
    /// The tip it claims.
    pub hash: Hash,
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
    /// How often, and when last, nodes claimed what they did not deliver.
    broken_claims: BTreeMap<NodeId, (u32, u64)>,
    /// How long the claims of nodes that have gone had waited to be met, milliseconds.
    unmet_claims: BTreeMap<NodeId, u64>,
}

impl Inner {
    fn is_producer(&self, id: &NodeId) -> bool {
        self.registered.as_ref().is_some_and(|pool| pool.contains(id))
    }

    /// Connected peers that are no registered producers, by who called.
    fn strangers(&self, inbound: bool) -> usize {
        self.peers.iter().filter(|(id, peer)| peer.inbound == inbound && !self.is_producer(id)).count()
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
    said: Mutex<LineLimit>,
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
            said: Mutex::new(LineLimit::new(CHARGES_SAID_EVERY_MS, MAX_CHARGE_LINES)),
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
            let refused = Refused::new(Reason::PeerAlreadyConnected, "another connection of this pair stays");
            // If the outbox is full the peer misses only the explanation.
            let _ = old.outbox.try_send(Err(refused.status()));
            old.closed.cancel();
        } else if inner.peers.len() >= self.max_peers && !inner.make_room_for(&id) {
            return Err(Refused::new(
                Reason::TooManyPeers,
                format!("at most {} connections", self.max_peers),
            ));
        } else if new.inbound
            && !inner.is_producer(&id)
            && inner.strangers(true) >= self.max_calling_strangers()
        {
            let why =
                format!("at most {} of those that call and are not producers", self.max_calling_strangers());
            return Err(Refused::new(Reason::TooManyPeers, why));
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
            inner.keep_unmet_claim(id, self.clock.monotonic_ms());
            inner.peers.remove(id);
        }
        drop(inner);
        self.changed.notify_one();
    }

    /// Whether there is a connection with a node.
    pub fn is_connected(&self, id: &NodeId) -> bool {
        self.lock().peers.contains_key(id)
    }

    /// Whether a node is a registered producer in the state after our head.
    pub fn is_producer(&self, id: &NodeId) -> bool {
        self.lock().is_producer(id)
    }

    /// The address of a connected peer that goes this way and has been heard of lately.
    pub fn address_if_alive(&self, id: &NodeId, inbound: bool) -> Option<String> {
        let now = self.clock.monotonic_ms();
        let inner = self.lock();
        let peer = inner.peers.get(id).filter(|peer| peer.inbound == inbound)?;
        let heard = peer.heard_at_ms.is_some_and(|at| now.saturating_sub(at) < STATUS_MAX_AGE_MS);
        heard.then(|| peer.address.clone())
    }

    /// Notes that a peer has a block, so that it is not sent there.
    pub fn note_known(&self, id: &NodeId, hash: Hash) {
        if let Some(peer) = self.lock().peers.get_mut(id) {
            peer.note(hash);
        }
    }

    /// All peers, ascending by id.
    pub fn list(&self) -> Vec<PeerView> {
        let now = self.clock.monotonic_ms();
        let inner = self.lock();
        let charge = |id: &NodeId| inner.charges.get(id).map_or(0, |(charge, at)| decayed(*charge, *at, now));
        inner
            .peers
            .iter()
            .map(|(id, peer)| PeerView {
                node_id: *id,
                address: peer.address.clone(),
                inbound: peer.inbound,
                height: inner.counted_height(id, peer, now),
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
            })
            .collect()
    }
}
