//! The ways out of this node on one connection.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures::stream::{PollNext, select, select_with_strategy};
use futures::{Stream, StreamExt};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;
use vision_primitives::Hash;
use vision_wire::p2p::PeerMessage;

use crate::mailbox::{CoreHandle, waiting_part};
use crate::peers::table::{OUTBOX_MESSAGES, TRANSACTIONS_BYTES, messages_of};

/// Messages with transactions that wait for the network.
const GOSSIP_MESSAGES: usize = 32;
/// Parts of answers that wait for the network.
const BULK_MESSAGES: usize = 4;
/// The way to the other side; an `Err` ends the connection and says why.
pub type Outbox = mpsc::Sender<Result<PeerMessage, Status>>;

/// The ways out of this node on one connection.
pub struct Ways {
    /// For everything but transactions and answers to questions for blocks.
    pub outbox: Outbox,
    /// For transactions.
    pub gossip: Gossip,
    /// For answers, which are large and must not hold up the rest.
    pub bulk: mpsc::Sender<PeerMessage>,
}

/// The way of transactions to one peer. Cheap to clone.
#[derive(Clone)]
pub struct Gossip {
    messages: mpsc::Sender<PeerMessage>,
    /// Whether something had no room, or all of it is still to come.
    missed: Arc<AtomicBool>,
}

impl Gossip {
    /// Queues a message; without room the peer is told later.
    pub fn send(&self, message: PeerMessage) {
        if self.messages.try_send(message).is_err() {
            self.missed.store(true, Ordering::Relaxed);
        }
    }

    /// Whether the peer has missed any since this was last asked, as every new one has.
    pub fn take_missed(&self) -> bool {
        self.missed.swap(false, Ordering::Relaxed)
    }

    /// Tells the peer all transactions that wait, as fast as it takes them. A part is copied only when there is room for
    /// it, so that a peer that takes them slowly costs little.
    pub async fn tell_all(&self, core: &CoreHandle) {
        // The thread has gone only when the service is going too.
        let Ok(waiting) = core.read(|core| Ok(core.waiting())).await else { return };
        let waiting: Arc<[Hash]> = waiting.into();
        let mut told = 0;
        while told < waiting.len() {
            // The connection may end meanwhile.
            let Ok(room) = self.messages.reserve().await else { return };
            let all = waiting.clone();
            let part = core.read(move |core| Ok(waiting_part(core, &all[told..], TRANSACTIONS_BYTES))).await;
            let Ok((passed, transactions)) = part else { return };
            told += passed;
            if let Some(message) = messages_of(&transactions).next() {
                room.send(message);
            }
        }
    }
}

/// Both ways, and the stream they flow together in: what is in the outbox goes first.
pub fn ways() -> (Ways, impl Stream<Item = Result<PeerMessage, Status>> + Send + 'static) {
    let (outbox, messages) = mpsc::channel(OUTBOX_MESSAGES);
    let (bulk, parts) = mpsc::channel(BULK_MESSAGES);
    let (gossip, transactions) = mpsc::channel(GOSSIP_MESSAGES);
    // Neither of these two can starve the other.
    let large = select(ReceiverStream::new(transactions), ReceiverStream::new(parts)).map(Ok);
    let outbound = select_with_strategy(ReceiverStream::new(messages), large, |(): &mut ()| PollNext::Left);
    let gossip = Gossip { messages: gossip, missed: Arc::new(AtomicBool::new(true)) };
    (Ways { outbox, gossip, bulk }, outbound)
}
