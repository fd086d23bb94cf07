//! The channels out of this node on one connection.

use futures::stream::{PollNext, select, select_with_strategy};
use futures::{Stream, StreamExt};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;
use vision_wire::p2p::PeerMessage;

/// Messages that may wait for one peer.
const OUTBOX_MESSAGES: usize = 128;
/// Messages with transactions that wait for the network.
const GOSSIP_MESSAGES: usize = 32;
/// Messages with what is pending that wait for the network. They are copies, so a peer that takes none holds
/// memory of its own: so many times 256 KiB.
const PENDING_MESSAGES: usize = 1;
/// Parts of answers that wait for the network.
const BULK_MESSAGES: usize = 4;
/// The channel to the other side; an `Err` ends the connection and says why.
pub(super) type Outbox = mpsc::Sender<Result<PeerMessage, Status>>;
/// The channel of transactions to one peer.
pub(super) type Gossip = mpsc::Sender<PeerMessage>;

/// The channels out of this node on one connection.
pub(super) struct Channels {
    /// For everything but transactions and answers to questions for blocks.
    pub outbox: Outbox,
    /// For transactions.
    pub gossip: Gossip,
    /// For all that are pending, sent to a peer that has missed some.
    pub pending: Gossip,
    /// For answers, which are large and must not hold up the rest.
    pub bulk: mpsc::Sender<PeerMessage>,
}

/// All channels, and the stream they flow together in: what is in the outbox goes first.
pub(super) fn channels() -> (Channels, impl Stream<Item = Result<PeerMessage, Status>> + Send + 'static) {
    let (outbox, messages) = mpsc::channel(OUTBOX_MESSAGES);
    let (bulk, parts) = mpsc::channel(BULK_MESSAGES);
    let (gossip, transactions) = mpsc::channel(GOSSIP_MESSAGES);
    let (pending, missed) = mpsc::channel(PENDING_MESSAGES);
    // None of these three can starve another.
    let transactions = select(ReceiverStream::new(transactions), ReceiverStream::new(missed));
    let large = select(transactions, ReceiverStream::new(parts)).map(Ok);
    let outbound = select_with_strategy(ReceiverStream::new(messages), large, |(): &mut ()| PollNext::Left);
    (Channels { outbox, gossip, pending, bulk }, outbound)
}
