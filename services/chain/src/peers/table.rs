//! The connections of this node: the machine of `vision-peering` behind a mutex, and the channels to the
//! peers it speaks of.
//!
//! The mutex is held for a few instructions and never across an await. What the machine wants done at once is
//! done under it, in order: to queue a message, to cancel, to log. What takes time goes out as a [`Job`], and
//! what a session does itself goes back to the session.

mod lines;
mod perform;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::{Notify, mpsc, watch};
use tokio_util::sync::CancellationToken;
use tracing::Span;
use vision_host::Clock;
use vision_peering::{
    CallOutcome, Config, ConnectionId, FetchId, Form, Input, Message, Now, Output, PeerView, Peering, Proven,
    Received, RoundId,
};
use vision_primitives::{Block, Hash, Height, NodeId, Pool};
use vision_wire::p2p::PeerMessage;

use super::channels::{Gossip, Outbox};
use super::convert;
use super::refused::Refused;
pub(crate) use perform::Job;
use perform::{Inner, Link, Outlets, Turn};

/// A connection whose peer has proven its id.
pub(crate) struct Connection {
    /// Who it is.
    pub peer: NodeId,
    /// The peer's software version, fit to be shown.
    pub version: String,
    /// Where it can be called, host:port.
    pub address: String,
    /// Whether it called us.
    pub inbound: bool,
    /// Where the connection leads.
    pub remote: String,
    /// Whom the address book counts as the source of what it sends.
    pub source: String,
    /// The channel to it.
    pub outbox: Outbox,
    /// The channel of transactions to it.
    pub gossip: Gossip,
}

/// A connection that has its place in the table.
pub(crate) struct Entered {
    /// Its number.
    pub connection: ConnectionId,
    /// Cancelled when it is to end.
    pub closed: CancellationToken,
    /// When [`PeerTable::peer_due`] is to be called next, by the clock that never jumps.
    pub due_ms: watch::Receiver<u64>,
}

/// The table.
pub(crate) struct PeerTable {
    clock: Clock,
    inner: Mutex<Inner>,
    outlets: Outlets,
    next_connection: AtomicU64,
    next_fetch: AtomicU64,
    /// Notified whenever what [`PeerTable::list`] gives may have changed.
    pub changed: Arc<Notify>,
}

impl PeerTable {
    /// An empty table, and where its jobs come out.
    pub(crate) fn start(config: Config, clock: Clock) -> (Self, mpsc::Receiver<Job>) {
        let (jobs, to_do) = mpsc::channel(config.max_tasks());
        let inner = Inner { machine: Peering::new(config), links: BTreeMap::new(), spans: BTreeMap::new() };
        let ((wake_ms, _), changed) = (watch::channel(0), Arc::<Notify>::default());
        let table = Self {
            clock,
            inner: Mutex::new(inner),
            outlets: Outlets { jobs, wake_ms, changed: changed.clone() },
            next_connection: AtomicU64::new(0),
            next_fetch: AtomicU64::new(0),
            changed,
        };
        (table, to_do)
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Every holder leaves the table whole, so a panic elsewhere must not take it away.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> Now {
        Now { wall_ms: self.clock.now_ms(), mono_ms: self.clock.monotonic_ms() }
    }

    fn handle(&self, input: Input) {
        self.turn(Turn::default(), input);
    }

    /// Lets the machine take an input and does what it wants; gives what is left to the caller.
    fn turn(&self, turn: Turn, input: Input) -> Turn {
        self.turn_in(&mut self.lock(), turn, input)
    }

    fn turn_in(&self, inner: &mut Inner, mut turn: Turn, input: Input) -> Turn {
        turn.run(&self.outlets, inner, input, self.now());
        turn
    }
}

/// For those who run connections.
impl PeerTable {
    /// Enters a proven connection.
    pub(crate) fn enter(&self, new: Connection) -> Result<Entered, Refused> {
        let closed = CancellationToken::new();
        let (due_ms, due) = watch::channel(self.clock.monotonic_ms());
        let connection = ConnectionId(self.next_connection.fetch_add(1, Ordering::Relaxed));
        let link = Link {
            connection,
            outbox: new.outbox,
            gossip: new.gossip,
            closed: closed.clone(),
            due_ms,
            full: false,
        };
        let proven = Proven {
            connection,
            peer: new.peer,
            address: new.address,
            inbound: new.inbound,
            remote: new.remote,
            source: new.source,
            version: new.version,
        };
        match self.turn(Turn::entering(link), Input::Proven(proven)).refused {
            Some(refusal) => Err(refusal.into()),
            None => Ok(Entered { connection, closed, due_ms: due }),
        }
    }

    /// Takes a connection out when it has ended.
    pub(crate) fn leave(&self, peer: NodeId, connection: ConnectionId, why: String, stood_ms: u64) {
        let mut inner = self.lock();
        self.turn_in(&mut inner, Turn::default(), Input::Ended { peer, connection, why, stood_ms });
        if inner.links.get(&peer).is_some_and(|link| link.connection == connection) {
            inner.links.remove(&peer);
        }
    }

    /// Whether a node may connect at all.
    pub(crate) fn admit(&self, id: &NodeId) -> Result<(), Refused> {
        Ok(self.lock().machine.admit(id, self.clock.monotonic_ms())?)
    }

    /// Takes what a peer sent.
    pub(crate) fn received(&self, peer: &NodeId, message: Received) {
        self.handle(Input::Received { peer: *peer, message });
    }

    /// The time of a connection's [`Entered::due_ms`] has come: what its session is to send.
    pub(crate) fn peer_due(&self, peer: NodeId, connection: ConnectionId) -> Vec<Output> {
        self.turn(Turn::default(), Input::PeerDue { peer, connection }).rest
    }

    /// Queues a signed status for a peer.
    pub(crate) fn send_status(&self, peer: NodeId, status: PeerMessage) {
        let mut inner = self.lock();
        let mut turn = Turn::default();
        turn.send(&mut inner, peer, status, &Message::Status);
        turn.go_on(&self.outlets, &mut inner, self.now());
    }

    /// All pending transactions have been sent to a peer, or its connection has ended.
    pub(crate) fn pending_sent(&self, peer: NodeId, connection: ConnectionId) {
        self.handle(Input::PendingSent { peer, connection });
    }

    /// Another process has proven this node's identity.
    pub(crate) fn own_twin(&self, address: String) {
        self.handle(Input::OwnTwin { address });
    }
}

/// For those who perform what takes time.
impl PeerTable {
    /// When [`PeerTable::tick`] is to be called next, by the clock that never jumps.
    pub(crate) fn wake_ms(&self) -> watch::Receiver<u64> {
        self.outlets.wake_ms.subscribe()
    }

    /// The time has come.
    pub(crate) fn tick(&self) {
        self.handle(Input::Tick);
    }

    /// A call has ended.
    pub(crate) fn call_ended(&self, address: String, outcome: CallOutcome) {
        self.handle(Input::CallEnded { address, outcome });
    }

    /// A locator for a round.
    pub(crate) fn located(&self, round: RoundId, locator: Vec<Hash>) {
        self.handle(Input::Located { round, locator });
    }

    /// An import for a round is over.
    pub(crate) fn imported(&self, round: RoundId, new: usize, stopped: bool, finalized: Height) {
        self.handle(Input::Imported { round, new, stopped, finalized });
    }

    /// Whether the chain knows what a round asks about.
    pub(crate) fn looked_up(&self, round: RoundId, known: bool) {
        self.handle(Input::LookedUp { round, known });
    }

    /// The chain has taken over a fetched block.
    pub(crate) fn delivered(&self, fetch: FetchId) {
        self.handle(Input::Delivered { fetch });
    }
}

/// For the chain.
impl PeerTable {
    /// Asks for a block that a peer has announced.
    pub(crate) fn fetch(&self, peer: &NodeId, hash: Hash) {
        let fetch = FetchId(self.next_fetch.fetch_add(1, Ordering::Relaxed));
        let mut inner = self.lock();
        inner.spans.insert(fetch, Span::current());
        self.turn_in(&mut inner, Turn::default(), Input::Wanted { fetch, peer: *peer, hash });
    }

    /// Notes that a peer has a block, so that it is not sent there.
    pub(crate) fn note_known(&self, id: &NodeId, hash: Hash) {
        self.received(id, Received::Has(hash));
    }

    /// A peer's tip is a block we have.
    pub(crate) fn tip_known(&self, id: &NodeId, height: Height, hash: Hash) {
        self.handle(Input::TipKnown { peer: *id, height, hash });
    }

    /// A peer claims a tip we do not have.
    pub(crate) fn tip_claimed(&self, id: &NodeId, height: Height, hash: Hash, weight: u64, verified: bool) {
        self.handle(Input::TipClaimed { peer: *id, height, hash, weight, verified });
    }

    /// A peer has delivered blocks that only our clock keeps us from taking: its time to deliver starts anew.
    pub(crate) fn excuse(&self, id: &NodeId) {
        self.handle(Input::Excused { peer: *id });
    }

    /// Our own head is now this one.
    pub(crate) fn head_moved(&self, height: Height, weight: u64, registered: &Pool) {
        self.handle(Input::HeadMoved { height, weight, registered: registered.clone() });
    }

    /// Blocks that now lie in the store: claims of them are met, and who delivered them gets new time.
    pub(crate) fn blocks_stored(&self, stored: &[(Height, Hash)], from: Option<&NodeId>) {
        self.handle(Input::Stored { blocks: stored.to_vec(), from: from.copied() });
    }

    /// Charges misbehaviour to a node; at 100 points it is dropped and banned for a while.
    pub(crate) fn charge(&self, id: &NodeId, points: u32, why: &str) {
        self.handle(Input::Charged { peer: *id, points, why: why.to_owned() });
    }

    /// Whether a line about a node's misbehaviour may be written now, and how many were left out since the
    /// last one.
    pub(crate) fn may_log(&self, id: &NodeId, what: &str) -> Option<u64> {
        self.lock().machine.may_log(id, what, self.clock.monotonic_ms())
    }

    /// A peer's clock less ours, milliseconds; `None` until measured, also after ours was set.
    pub(crate) fn clock_offset_ms(&self, id: &NodeId) -> Option<f64> {
        self.lock().machine.clock_offset_ms(id, self.now())
    }

    /// Queues a new block, or its announcement, for every peer that is not known to have it; gives how
    /// many took it and how many had no room.
    pub(crate) fn announce_block(&self, block: &Block, traceparent: &str) -> (u32, u32) {
        let form = Form::of(block);
        let message = convert::new_block(block, form, traceparent);
        let turn = self.turn(Turn::gossiping(message), Input::GossipBlock { hash: block.hash(), form });
        (turn.blocks_sent, turn.blocks_unsent)
    }

    /// Queues transactions for every peer but the one they came from.
    pub(crate) fn relay_transactions(&self, transactions: &[Bytes], except: Option<&NodeId>) {
        let input = Input::GossipTransactions { from: except.copied() };
        let to = self.turn(Turn::default(), input).gossip;
        for message in convert::transactions(transactions) {
            for (peer, gossip) in &to {
                if gossip.try_send(message.clone()).is_err() {
                    self.handle(Input::TransactionsMissed { peer: *peer });
                }
            }
        }
    }
}

/// For everybody.
impl PeerTable {
    /// Whether a node is a registered producer in the state after our head.
    pub(crate) fn is_producer(&self, id: &NodeId) -> bool {
        self.lock().machine.is_producer(id)
    }

    /// All peers, ascending by id.
    pub(crate) fn list(&self) -> Vec<PeerView> {
        self.lock().machine.list(self.now())
    }
}
