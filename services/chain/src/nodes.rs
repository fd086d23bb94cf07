//! Every node this one knows of, and how long blocks take to each: what its peers say of themselves, what
//! their connections show, and what the chain says of them.

mod line;
mod names;
mod own;
mod propagation;
mod roster;
mod row;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use vision_host::{Drain, Threads};
use vision_peering::{LineLimit, PeerView};
use vision_primitives::{Hash, Header, NodeId, NodeReport};
use vision_wire::EventLog;
use vision_wire::chain::chain_event::What;
use vision_wire::chain::{ContactFound, ContactLost, Node, Propagation};

use crate::events::Events;
use crate::store::{Store, Stretch};
use crate::view::HeadView;
use line::{Line, MAX_LINE_BLOCKS, Made, Tip};
pub(crate) use own::Own;
use roster::{Contact, Roster};

/// Lists of nodes kept for watchers that reconnect.
pub(crate) const NODE_EVENTS: usize = 8;
/// Changes of the nodes within this time are reported together.
const REPORT_EVERY: Duration = Duration::from_millis(200);
/// And for each node within so much: the list is made anew each time.
const REPORT_EVERY_EACH: Duration = Duration::from_millis(1);
/// Ages alone are reported so often, milliseconds.
const AGES_EVERY_MS: u64 = 1_000;

/// Contacts of nodes that are no producers reported in ten seconds.
const MAX_STRANGERS_REPORTED: u32 = 20;

#[derive(Default)]
struct Inner {
    roster: Roster,
    line: Line,
}

/// The nodes.
pub(crate) struct Nodes {
    own: Own,
    store: Store,
    threads: Threads,
    inner: Mutex<Inner>,
    events: EventLog<Vec<Node>>,
    /// Where contacts that come and go are reported.
    chain_events: Events,
    /// How many of strangers are reported.
    strangers_reported: Mutex<LineLimit>,
}

impl Nodes {
    /// Nothing known but this node.
    pub(crate) fn new(
        own: Own,
        store: Store,
        threads: Threads,
        events: EventLog<Vec<Node>>,
        chain_events: Events,
    ) -> Self {
        let strangers_reported = Mutex::new(LineLimit::new(0, MAX_STRANGERS_REPORTED));
        Self { own, store, threads, inner: Mutex::default(), events, chain_events, strangers_reported }
    }

    /// What this node knows of itself.
    pub(crate) const fn own(&self) -> &Own {
        &self.own
    }

    /// Lists of nodes, for watchers.
    pub(crate) const fn events(&self) -> &EventLog<Vec<Node>> {
        &self.events
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Every holder leaves its part whole.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes what a connected peer reports about itself; its signature is checked.
    pub(crate) fn heard(&self, id: &NodeId, report: Arc<NodeReport>) {
        self.lock().roster.heard(id, report);
    }

    /// Notes why a connection ends, before it is taken out of the table.
    pub(crate) fn parted(&self, id: &NodeId, because: &str) {
        self.lock().roster.parted(id, because);
    }

    /// How long blocks take.
    pub(crate) fn propagation(&self) -> Vec<Propagation> {
        let inner = self.lock();
        propagation::of(&self.own.node_id, &inner.line, &inner.roster)
    }

    /// All nodes as they are now.
    pub(crate) fn list(&self) -> Vec<Node> {
        let head = self.own.view.borrow().clone();
        let inner = self.lock();
        row::rows(&self.own, &head, &inner.roster, &inner.line)
    }

    /// Keeps the list up and publishes it until the drain begins.
    pub(crate) async fn run(self: Arc<Self>, mut peers: watch::Receiver<Arc<Vec<PeerView>>>, drain: Drain) {
        let (mut view, mut verdict) = (self.own.view.clone(), self.own.verdict.clone());
        let mut reported: Option<(Vec<Node>, u64)> = None;
        loop {
            let head = view.borrow_and_update().clone();
            verdict.mark_unchanged();
            self.follow(&head).await;
            let now_ms = self.own.clock.now_ms();
            let present = peers.borrow_and_update().clone();
            let is_producer = |id: &NodeId| head.state.registered().contains(id);
            let contacts = self.lock().roster.see(&present, is_producer, now_ms);
            for contact in contacts {
                self.report(contact, is_producer);
            }
            let nodes = self.list();
            let pause = pause_after(nodes.len());
            let content = row::without_ages(&nodes);
            let monotonic_ms = self.own.clock.monotonic_ms();
            let is_due = reported.as_ref().is_none_or(|(before, at)| {
                *before != content || monotonic_ms.saturating_sub(*at) >= AGES_EVERY_MS
            });
            if is_due {
                reported = Some((content, monotonic_ms));
                self.events.publish(nodes);
            }
            tokio::select! {
                biased;
                () = drain.begun() => return,
                // Which of them comes first makes no difference: whatever wakes the loop, it looks at all.
                changed = peers.changed() => if changed.is_err() { return },
                changed = view.changed() => if changed.is_err() { return },
                changed = verdict.changed() => if changed.is_err() { return },
            }
            tokio::time::sleep(pause).await;
        }
    }

    /// Reports who came or went. Ids cost nothing, so whoever makes many must not push all else out of the
    /// log.
    fn report(&self, contact: Contact, is_producer: impl Fn(&NodeId) -> bool) {
        let now_ms = self.own.clock.monotonic_ms();
        let may_report = || {
            let mut reported = self.strangers_reported.lock().unwrap_or_else(PoisonError::into_inner);
            reported.pass("stranger", now_ms).is_some()
        };
        if !is_producer(&contact.id) && !may_report() {
            return;
        }
        let (node_id, address) = (contact.id.to_string(), contact.address);
        self.chain_events.publish(match contact.lost_because {
            Some(reason) => What::ContactLost(ContactLost { node_id, address, reason }),
            None => What::ContactFound(ContactFound { node_id, address }),
        });
    }

    /// Reads the headers of the head's chain that are not known yet.
    async fn follow(&self, head: &HeadView) {
        let tip =
            Tip { height: head.height, hash: head.hash, parent: head.parent, arrived_ms: head.arrived_ms };
        let from = {
            let mut inner = self.lock();
            inner.line.arrived(&tip);
            inner.line.missing_from(&tip)
        };
        let Some(from) = from else { return };
        let store = self.store.clone();
        let read = self.threads.work(move || store.headers(Stretch::From(from), MAX_LINE_BLOCKS));
        match read.await {
            Ok(Ok(headers)) => {
                let blocks = headers.into_iter().filter_map(|(hash, record)| made(hash, &record.header));
                self.lock().line.extend(blocks.collect());
            }
            // The chain's thread meets the same and says so.
            Ok(Err(error)) => tracing::debug!(%error, "headers not read"),
            Err(error) => tracing::debug!(%error, "headers not read"),
        }
    }
}

/// How long the next list waits after one of so many nodes.
fn pause_after(nodes: usize) -> Duration {
    REPORT_EVERY.max(REPORT_EVERY_EACH * u32::try_from(nodes).unwrap_or(u32::MAX))
}

fn made(hash: Hash, header: &[u8]) -> Option<Made> {
    let header = Header::from_bytes(header).ok()?;
    Some(Made { height: header.height, hash, producer: header.producer, stamp: header.timestamp_ms })
}
