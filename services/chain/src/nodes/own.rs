//! What the node knows of itself.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::watch;
use vision_host::Clock;
use vision_primitives::{NodeId, NodeName, NodeReport, TimestampMs};
use vision_sync_status::code_of;

use crate::verdict::Verdict;
use crate::view::HeadView;

/// What the node knows of itself.
pub(crate) struct Own {
    /// Its id.
    pub node_id: NodeId,
    /// Its name.
    pub name: NodeName,
    /// The address it reports to others.
    pub address: String,
    /// Its software version.
    pub version: &'static str,
    /// Its head.
    pub view: watch::Receiver<Arc<HeadView>>,
    /// What the oracle last reported.
    pub verdict: watch::Receiver<Option<Verdict>>,
    /// Transactions that wait.
    pub pending: Arc<AtomicU64>,
    /// The clock.
    pub clock: Clock,
}

impl Own {
    /// Why the node makes no block, as far as this service knows; none if it may, and the peers that count
    /// for it.
    pub(super) fn standing(&self) -> (Option<String>, u64) {
        let verdict = self.verdict.borrow();
        let (because, ready_peers) = Verdict::word(verdict.as_ref(), self.clock.monotonic_ms());
        (Some(because.to_owned()).filter(|because| !because.is_empty()), ready_peers)
    }

    /// What the peers are sent.
    pub(crate) fn report(&self) -> NodeReport {
        let head = self.view.borrow().clone();
        let (because, ready_peers) = self.standing();
        NodeReport {
            name: self.name.clone(),
            not_eligible: because.map(|because| NodeReport::reported_code(code_of(&because))),
            ready_peers,
            height: head.height,
            hash: head.hash,
            arrived_at: TimestampMs(head.arrived_ms.unwrap_or(0)),
            pending: self.pending.load(Ordering::Relaxed),
        }
    }
}
