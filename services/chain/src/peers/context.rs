//! What the sessions with other nodes share.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::watch;
use tokio::time::Instant;
use vision_host::{Clock, Drain, Net, Randomness, Threads};
use vision_peering::Echo;
use vision_wire::Recorder;
use vision_wire::p2p::Status as PeerStatus;

use super::answer_permits::AnswerPermits;
use super::identity::{Identity, signs_alike};
use super::table::PeerTable;
use crate::ingress::Ingress;
use crate::mailbox::CommandSender;
use crate::nodes::Nodes;
use crate::store::Store;
use crate::view::HeadView;

/// What everything towards other nodes shares.
pub(crate) struct Context {
    /// Who this node is.
    pub identity: Identity,
    /// The connections.
    pub table: Arc<PeerTable>,
    /// The chain.
    pub core: CommandSender,
    /// Its store.
    pub store: Store,
    /// Its head.
    pub head: watch::Receiver<Arc<HeadView>>,
    /// Where transactions go.
    pub ingress: Ingress,
    /// The clock.
    pub clock: Clock,
    /// Where challenges come from.
    pub randomness: Randomness,
    /// Where other nodes are called.
    pub net: Net,
    /// Where the store is read.
    pub threads: Threads,
    /// When to stop.
    pub drain: Drain,
    /// Most bytes of a message.
    pub max_message_bytes: usize,
    /// Takes note of calls of other nodes.
    pub recorder: Recorder,
    /// What is known of all nodes.
    pub nodes: Arc<Nodes>,
    /// Introductions under way of one address.
    pub max_introductions_per_address: usize,
    /// What they are at.
    pub in_progress: InProgress,
}

/// What is under way with other nodes; nothing at the start.
#[derive(Default)]
pub(crate) struct InProgress {
    /// What was last reported of this node, and its signature.
    reported: Mutex<(Bytes, Bytes)>,
    /// The last head status that was signed.
    signed: Mutex<PeerStatus>,
    /// Permits for answers to questions for blocks.
    pub(super) answering: AnswerPermits,
    /// Challenges of the introductions under way: one that comes back is our own.
    pub(super) challenges: Mutex<BTreeSet<[u8; 32]>>,
}

impl Context {
    /// The signed head status with what it echoes.
    pub(crate) fn status(&self, echo: Echo) -> PeerStatus {
        let head = self.head.borrow().clone();
        let mut status = PeerStatus {
            height: head.height.get(),
            tip_hash: head.hash.0.to_vec().into(),
            header: head.header_bytes.clone(),
            header_signature: head.signature.clone(),
            finalized_height: head.finalized_height.get(),
            sent_at_ms: self.clock.now_ms(),
            echo_sent_at_ms: echo.sent_at_ms,
            echo_received_at_ms: echo.received_at_ms,
            signature: Bytes::new(),
            report: Bytes::new(),
            report_signature: Bytes::new(),
        };
        self.sign(&mut status);
        (status.report, status.report_signature) = self.report();
        status
    }

    /// Signs a status. Echoes are not signed, so peers that are sent one in the same millisecond share the
    /// signature: after a moved head that is many of them.
    fn sign(&self, status: &mut PeerStatus) {
        let mut last = lock(&self.in_progress.signed);
        if !signs_alike(&last, status) {
            self.identity.sign_status(status);
            last.clone_from(status);
        }
        status.signature = last.signature.clone();
    }

    /// What this node reports of itself, signed once for all peers as long as it stays the same.
    fn report(&self) -> (Bytes, Bytes) {
        let report = self.nodes.own().report().to_bytes();
        let mut reported = lock(&self.in_progress.reported);
        if reported.0 != report {
            let signature = self.identity.sign_report(&report);
            *reported = (report.into(), signature);
        }
        reported.clone()
    }

    /// The instant at which the clock that never jumps shows this.
    pub(crate) fn instant_of(&self, at_ms: u64) -> Instant {
        self.clock.instant() + Duration::from_millis(at_ms.saturating_sub(self.clock.monotonic_ms()))
    }
}

/// Takes a lock; every holder leaves its part whole.
pub(super) fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}
