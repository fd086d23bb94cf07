//! The other nodes: how they are reached, and how what the machine of `vision-peering` decides about them is
//! done.

mod answer_places;
mod blocks;
mod context;
mod convert;
mod dial;
mod identity;
mod introductions;
mod refused;
mod serve;
mod session;
mod table;
mod tasks;
mod ways;

use std::sync::{Arc, Mutex};

use tokio::sync::{mpsc, watch};
use vision_host::{Clock, Drain, Randomness};
use vision_wire::Recorder;

use crate::ingress::Ingress;
use crate::mailbox::CoreHandle;
use crate::nodes::Nodes;
use crate::store::Store;
use crate::view::HeadView;
use answer_places::AnswerPlaces;
use context::Context;
pub(crate) use identity::Identity;
pub(crate) use serve::PeerRpc;
pub(crate) use table::{Job, PeerTable};

/// What [`start`] needs.
pub(crate) struct Parts {
    /// Who this node is.
    pub identity: Identity,
    /// The connections.
    pub table: Arc<PeerTable>,
    /// What the table wants done.
    pub jobs: mpsc::Receiver<Job>,
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
    /// Where challenges come from.
    pub randomness: Randomness,
    /// When to stop.
    pub drain: Drain,
    /// Most bytes of a message.
    pub max_message_bytes: usize,
    /// Takes note of calls of other nodes.
    pub recorder: Recorder,
    /// What is known of all nodes.
    pub nodes: Arc<Nodes>,
}

/// Starts calling, fetching and catching up, until the drain; gives the service towards other nodes.
pub(crate) fn start(parts: Parts) -> PeerRpc {
    let context = Arc::new(Context {
        identity: parts.identity,
        table: parts.table,
        core: parts.core,
        store: parts.store,
        head: parts.head,
        ingress: parts.ingress,
        clock: parts.clock,
        randomness: parts.randomness,
        drain: parts.drain,
        max_message_bytes: parts.max_message_bytes,
        recorder: parts.recorder,
        nodes: parts.nodes,
        max_introductions_per_address: parts.max_introductions_per_address,
        reported: Mutex::default(),
        answering: AnswerPlaces::default(),
        challenges: Mutex::default(),
    });
    tokio::spawn(tasks::perform_all(context.clone(), parts.jobs));
    tokio::spawn(tasks::keep_time(context.clone()));
    PeerRpc::new(context)
}
