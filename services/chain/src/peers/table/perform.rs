//! Doing what the machine wants done at once.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{Notify, mpsc, watch};
use tokio_util::sync::CancellationToken;
use tracing::Span;
use vision_peering::{ConnectionId, FetchId, Input, Message, Now, Output, Peering, Refusal, Task};
use vision_primitives::NodeId;
use vision_wire::p2p::PeerMessage;

use super::super::channels::{Gossip, Outbox};
use super::super::convert;
use super::super::refused::Refused;
use super::lines;

/// Something that takes time, and the span it belongs to.
pub(crate) struct Job {
    /// What is to be done.
    pub task: Task,
    /// What the announcement has begun, if it is a fetch.
    pub span: Span,
}

/// The channels to one peer.
pub(super) struct Link {
    /// On which connection.
    pub connection: ConnectionId,
    /// For everything but transactions.
    pub outbox: Outbox,
    /// For transactions.
    pub gossip: Gossip,
    /// Ends the connection.
    pub closed: CancellationToken,
    /// When its session is to look what is due.
    pub due_ms: watch::Sender<u64>,
    /// Whether the outbox had no room the last time.
    pub full: bool,
}

/// The machine, and the channels to the peers it speaks of.
pub(super) struct Inner {
    /// The machine.
    pub machine: Peering,
    /// Of every peer of the machine's table, and of some that have just left it.
    pub links: BTreeMap<NodeId, Link>,
    /// What the announcements have begun whose blocks are being fetched.
    pub spans: BTreeMap<FetchId, Span>,
}

/// Whom the machine's outputs reach besides peers.
pub(super) struct Outlets {
    /// Those who perform what takes time.
    pub jobs: mpsc::Sender<Job>,
    /// Those who keep the time.
    pub wake_ms: watch::Sender<u64>,
    /// Those who watch the outlets.
    pub changed: Arc<Notify>,
}

/// One input with all that follows from it.
#[derive(Default)]
pub(super) struct Turn {
    /// The block that is being gossiped, built once for all peers.
    block: Option<PeerMessage>,
    /// The connection that is entering the outlets.
    entering: Option<Link>,
    /// Why it may not.
    pub refused: Option<Refusal>,
    /// Peers whose outbox took the block.
    pub blocks_sent: u32,
    /// Peers whose outbox had no room for it.
    pub blocks_unsent: u32,
    /// Channels to the peers that get the transactions being gossiped.
    pub gossip: Vec<(NodeId, Gossip)>,
    /// What the caller is to do.
    pub rest: Vec<Output>,
    /// What came of sending, for the machine.
    inputs: VecDeque<Input>,
}

impl Turn {
    /// A turn in which a connection enters the outlets.
    pub(super) fn entering(link: Link) -> Self {
        Self { entering: Some(link), ..Self::default() }
    }

    /// A turn in which a block is gossiped.
    pub(super) fn gossiping(block: PeerMessage) -> Self {
        Self { block: Some(block), ..Self::default() }
    }

    /// Gives the machine an input, does what it wants, and gives it what comes of that.
    pub(super) fn run(&mut self, outlets: &Outlets, inner: &mut Inner, input: Input, now: Now) {
        self.inputs.push_back(input);
        self.go_on(outlets, inner, now);
    }

    /// The same without a new input.
    pub(super) fn go_on(&mut self, outlets: &Outlets, inner: &mut Inner, now: Now) {
        while let Some(input) = self.inputs.pop_front() {
            for output in inner.machine.handle(input, now) {
                self.perform(outlets, inner, output);
            }
        }
    }

    fn perform(&mut self, outlets: &Outlets, inner: &mut Inner, output: Output) {
        match output {
            Output::WakeAt(at_ms) => {
                outlets.wake_ms.send_replace(at_ms);
            }
            Output::WakePeerAt { peer, connection, at_ms } => {
                if let Some(link) = inner.links.get(&peer).filter(|link| link.connection == connection) {
                    link.due_ms.send_replace(at_ms);
                }
            }
            Output::Changed => outlets.changed.notify_one(),
            Output::Log(line) => lines::write(&line),
            Output::Admitted { peer, connection } => {
                let link = self.entering.take().filter(|link| link.connection == connection);
                let Some(link) = link else { unreachable!("{connection:?} is not entering the table") };
                inner.links.insert(peer, link);
            }
            Output::Refused { refusal, .. } => self.refused = Some(refusal),
            Output::Close { peer, connection, refusal } => {
                let Some(link) = inner.links.get(&peer).filter(|link| link.connection == connection) else {
                    unreachable!("{connection:?} is closed before it has entered or after it has left")
                };
                if let Some(refusal) = refusal {
                    // If the outbox is full the peer misses only the explanation.
                    let _ = link.outbox.try_send(Err(Refused::from(refusal).status()));
                }
                link.closed.cancel();
            }
            Output::Send { to, message } => self.send_to(inner, &to, &message),
            Output::SendTransactions { to } => {
                let links = to.iter().filter_map(|id| Some((*id, inner.links.get(id)?.gossip.clone())));
                self.gossip.extend(links);
            }
            Output::Begin(task) => begin(outlets, inner, task),
            Output::FetchOver(fetch) => {
                inner.spans.remove(&fetch);
            }
            Output::SendStatus { .. } | Output::SendPending { .. } => self.rest.push(output),
        }
    }

    fn send_to(&mut self, inner: &mut Inner, to: &[NodeId], message: &Message) {
        let built = match message.clone() {
            Message::Block { .. } => self.block.clone(),
            Message::Question { request_id, query } => Some(convert::question(request_id, query)),
            Message::Addresses(addresses) => Some(convert::addresses(addresses)),
            Message::Status => None,
        };
        let Some(built) = built else { unreachable!("only a caller that has it asks to send {message:?}") };
        for peer in to {
            let sent = self.send(inner, *peer, built.clone(), message);
            if matches!(message, Message::Block { .. }) {
                self.blocks_sent += u32::from(sent);
                self.blocks_unsent += u32::from(!sent);
            }
        }
    }

    /// Queues a message for a peer; whether there was room. The machine hears of it when there was none, and
    /// when there is again.
    pub(super) fn send(
        &mut self,
        inner: &mut Inner,
        peer: NodeId,
        built: PeerMessage,
        message: &Message,
    ) -> bool {
        // Its session may be about to end.
        let Some(link) = inner.links.get_mut(&peer) else { return false };
        let sent = link.outbox.try_send(Ok(built)).is_ok();
        if !sent {
            self.inputs.push_back(Input::NoRoom { peer, message: message.clone() });
        } else if link.full {
            self.inputs.push_back(Input::RoomAgain { peer });
        }
        link.full = !sent;
        sent
    }
}

fn begin(outlets: &Outlets, inner: &mut Inner, task: Task) {
    let span = match &task {
        Task::Deliver { fetch, .. } => inner.spans.remove(fetch).unwrap_or_else(Span::none),
        _ => Span::none(),
    };
    // Without a receiver the service is going.
    if let Err(TrySendError::Full(job)) = outlets.jobs.try_send(Job { task, span }) {
        unreachable!("more tasks are under way than there can be: {:?}", job.task);
    }
}
