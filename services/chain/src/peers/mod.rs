//! The other nodes: who they are, how they are reached, and how blocks come from them.

mod address;
mod blocks;
mod book;
mod catch_up;
mod dial;
mod identity;
mod introductions;
mod lines;
mod questions;
mod serve;
mod session;
mod table;
mod twins;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::{mpsc, watch};
use vision_host::{Clock, Drain};
use vision_primitives::NodeId;
use vision_wire::Recorder;
use vision_wire::p2p::Status as PeerStatus;

use crate::ingress::Ingress;
use crate::mailbox::CoreHandle;
use crate::nodes::Nodes;
use crate::store::Store;
use crate::view::HeadView;

pub use address::{Accepts, check as check_address};
use book::{AddressBook, CallEnd, Room};
pub use identity::Identity;
pub use lines::LineLimit;
pub use serve::PeerRpc;
use session::AnswerPlaces;
pub use table::{Fetch, PeerTable, PeerView};
use twins::Twins;

/// What is said of one address or node is said again after this time, milliseconds.
const SAID_EVERY_MS: u64 = 60_000;
/// Most lines about addresses and connections in ten seconds.
const MAX_LINES: u32 = 40;

/// What everything towards other nodes shares.
pub struct Context {
    identity: Identity,
    table: Arc<PeerTable>,
    book: Mutex<AddressBook>,
    core: CoreHandle,
    store: Store,
    head: watch::Receiver<Arc<HeadView>>,
    ingress: Ingress,
    clock: Clock,
    drain: Drain,
    max_message_bytes: usize,
    recorder: Recorder,
    nodes: Arc<Nodes>,
    /// What was last told of this node, and its signature.
    reported: Mutex<(Bytes, Bytes)>,
    max_introductions_per_address: usize,
    /// Places for answers to questions for blocks.
    answering: AnswerPlaces,
    /// Challenges of the introductions under way: one that comes back is our own.
    challenges: Mutex<BTreeSet<[u8; 32]>>,
    twins: Mutex<Twins>,
    said: Mutex<LineLimit>,
    connections_said: Mutex<LineLimit>,
}

/// What [`Context::new`] needs.
pub struct Parts {
    /// Who this node is.
    pub identity: Identity,
    /// The connections.
    pub table: Arc<PeerTable>,
    /// Blocks to fetch that peers have announced.
    pub fetches: mpsc::Receiver<Fetch>,
    /// Addresses to call.
    pub seeds: Vec<String>,
    /// Which addresses are taken from other nodes.
    pub accepts: Accepts,
    /// Seeds the random order of calls.
    pub random_seed: u64,
    /// Introductions under way of one address.
    pub max_introductions_per_address: usize,
    /// The chain.
    pub core: CoreHandle,
    /// Its store.
    pub store: Store,
    /// Its head.
    pub head: watch::Receiver<Arc<HeadView>>,
    /// Where transactions go.
    pub ingress: Ingress,
    /// The clock.
    pub clock: Clock,
    /// When to stop.
    pub drain: Drain,
    /// Most bytes of a message.
    pub max_message_bytes: usize,
    /// Takes note of calls of other nodes.
    pub recorder: Recorder,
    /// What is known of all nodes.
    pub nodes: Arc<Nodes>,
}

impl Context {
    /// Starts calling, fetching and catching up; everything ends with the drain.
    pub fn start(parts: Parts) -> Arc<Self> {
        let context = Arc::new(Self {
            identity: parts.identity,
            table: parts.table,
            book: Mutex::new(AddressBook::new(parts.seeds, parts.accepts, parts.random_seed)),
            core: parts.core,
            store: parts.store,
            head: parts.head,
            ingress: parts.ingress,
            clock: parts.clock,
            drain: parts.drain,
            max_message_bytes: parts.max_message_bytes,
            recorder: parts.recorder,
            nodes: parts.nodes,
            reported: Mutex::default(),
            max_introductions_per_address: parts.max_introductions_per_address,
            answering: AnswerPlaces::default(),
            challenges: Mutex::default(),
            twins: Mutex::default(),
            said: Mutex::new(LineLimit::new(SAID_EVERY_MS, MAX_LINES)),
            connections_said: Mutex::new(LineLimit::new(0, MAX_LINES)),
        });
        tokio::spawn(dial::run(context.clone()));
        tokio::spawn(catch_up::run(context.clone()));
        tokio::spawn(catch_up::fetch_announced(context.clone(), parts.fetches));
        context
    }

    fn book(&self) -> MutexGuard<'_, AddressBook> {
        lock(&self.book)
    }

    fn due(&self, calls: usize) -> Vec<String> {
        let (now_ms, strangers) = (self.clock.monotonic_ms(), self.table.max_called_strangers());
        let table = &self.table;
        let room = Room { calls, strangers };
        self.book().due(now_ms, room, |id| table.is_connected(id), |id| table.is_producer(id))
    }

    fn ended(&self, address: &str, end: CallEnd) -> Option<u32> {
        self.book().ended(address, end, self.clock.monotonic_ms())
    }

    fn stands(&self, address: &str, id: NodeId) {
        self.book().stands(address, id);
    }

    fn learn(&self, address: &str, source: &str) {
        self.book().learn(address, source);
    }

    fn reached(&self, count: usize) -> Vec<String> {
        self.book().reached(count)
    }

    /// Whether a line about this subject may be written now, and how many were left out since the last.
    fn may_say(&self, subject: &str) -> Option<u64> {
        lock(&self.said).pass(subject, self.clock.monotonic_ms())
    }

    /// The same for lines that belong to every connection.
    fn may_say_of_connection(&self, id: &NodeId) -> bool {
        lock(&self.connections_said).pass(&id.short().to_string(), self.clock.monotonic_ms()).is_some()
    }

    /// The signed head status, echoing what the peer told last.
    fn status(&self, peer: &NodeId) -> PeerStatus {
        let head = self.head.borrow().clone();
        let (echo_sent_at_ms, echo_received_at_ms) = self.table.echo(peer);
        let mut status = PeerStatus {
            height: head.height.get(),
            tip_hash: head.hash.0.to_vec().into(),
            header: head.header_bytes.clone(),
            header_signature: head.signature.clone(),
            finalized_height: head.finalized_height.get(),
            sent_at_ms: self.clock.now_ms(),
            echo_sent_at_ms,
            echo_received_at_ms,
            signature: Default::default(),
            report: Bytes::new(),
            report_signature: Bytes::new(),
        };
        self.identity.sign_status(&mut status);
        (status.report, status.report_signature) = self.report();
        status
    }

    /// What this node tells of itself, signed once for all peers as long as it stays the same.
    fn report(&self) -> (Bytes, Bytes) {
        let report = self.nodes.own().report().to_bytes();
        let mut reported = lock(&self.reported);
        if reported.0 != report {
            let signature = self.identity.sign_report(&report);
            *reported = (report.into(), signature);
        }
        reported.clone()
    }
}

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    // Every holder leaves its part whole.
    of.lock().unwrap_or_else(PoisonError::into_inner)
}
