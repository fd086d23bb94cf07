//! The other nodes: who they are, how they are reached, and how blocks come from them.

mod blocks;
mod book;
mod catch_up;
mod dial;
mod identity;
mod questions;
mod serve;
mod session;
mod table;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Semaphore, mpsc, watch};
use vision_host::{Clock, Drain};
use vision_primitives::NodeId;
use vision_wire::Recorder;
use vision_wire::p2p::Status as PeerStatus;

use crate::actor::{CoreHandle, HeadView};
use crate::intake::Intake;
use crate::store::Store;

pub use blocks::to_proto as block_to_proto;
use book::{AddressBook, CallEnd};
pub use identity::Identity;
pub use serve::PeerRpc;
pub use session::MAX_TRANSACTIONS_IN_MESSAGE;
pub use table::{Fetch, PeerTable, PeerView};

/// Answers read from the store at once, for all peers together.
const MAX_ANSWERS: usize = 16;

/// What everything towards other nodes shares.
pub struct Context {
    identity: Identity,
    table: Arc<PeerTable>,
    book: Mutex<AddressBook>,
    core: CoreHandle,
    store: Store,
    head: watch::Receiver<Arc<HeadView>>,
    intake: Intake,
    clock: Clock,
    drain: Drain,
    max_message_bytes: usize,
    recorder: Recorder,
    /// Answers being read from the store for all peers together.
    answering: Arc<Semaphore>,
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
    /// The chain.
    pub core: CoreHandle,
    /// Its store.
    pub store: Store,
    /// Its head.
    pub head: watch::Receiver<Arc<HeadView>>,
    /// Where transactions go.
    pub intake: Intake,
    /// The clock.
    pub clock: Clock,
    /// When to stop.
    pub drain: Drain,
    /// Most bytes of a message.
    pub max_message_bytes: usize,
    /// Takes note of calls of other nodes.
    pub recorder: Recorder,
}

impl Context {
    /// Starts calling, fetching and catching up; everything ends with the drain.
    pub fn start(parts: Parts) -> Arc<Self> {
        let context = Arc::new(Self {
            identity: parts.identity,
            table: parts.table,
            book: Mutex::new(AddressBook::new(parts.seeds)),
            core: parts.core,
            store: parts.store,
            head: parts.head,
            intake: parts.intake,
            clock: parts.clock,
            drain: parts.drain,
            max_message_bytes: parts.max_message_bytes,
            recorder: parts.recorder,
            answering: Arc::new(Semaphore::new(MAX_ANSWERS)),
        });
        tokio::spawn(dial::run(context.clone()));
        tokio::spawn(catch_up::run(context.clone()));
        tokio::spawn(catch_up::fetch_announced(context.clone(), parts.fetches));
        context
    }

    fn book(&self) -> MutexGuard<'_, AddressBook> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn due(&self, count: usize) -> Vec<String> {
        self.book().due(self.clock.monotonic_ms(), count, |id| self.table.is_connected(id))
    }

    fn ended(&self, address: &str, end: CallEnd) {
        // Without randomness the calls are merely not spread.
        let [jitter] = vision_host::random_bytes().unwrap_or([0]);
        self.book().ended(address, end, self.clock.monotonic_ms(), jitter);
    }

    fn stands(&self, address: &str, id: NodeId) {
        self.book().stands(address, id);
    }

    fn learn(&self, address: &str) {
        self.book().learn(address);
    }

    fn reached(&self, count: usize) -> Vec<String> {
        self.book().reached(count)
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
        };
        self.identity.sign_status(&mut status);
        status
    }
}
