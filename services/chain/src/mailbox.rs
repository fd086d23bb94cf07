//! What the owner of the chain is asked, and how it is reached.

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};
use tokio::time::Instant;
use tonic::Status;
use tracing::Span;
use vision_importer::{ImportEnd, Importer, Prepared};
use vision_primitives::{Block, Hash, NodeId, Slot, TimestampMs};
use vision_wire::p2p::Status as PeerStatus;
use vision_wire::{MAX_TRANSACTIONS_IN_MESSAGE, Reason};

use crate::incoming::Incoming;

/// Commands that may wait.
const MAILBOX_COMMANDS: usize = 1024;

/// A block of this node's producer that is stored.
pub(crate) struct StoredBlock {
    /// Its height.
    pub height: u64,
    /// Its hash.
    pub hash: Hash,
    /// Whether it became the head.
    pub became_head: bool,
    /// Peers whose queue took it.
    pub sent_to: u32,
    /// Peers whose queue was full.
    pub send_failed: u32,
}

/// Transactions that may be admitted: first those whose signature has been verified before, then the others.
pub(crate) type ScreenedBatch = (Vec<Incoming>, Vec<Incoming>);

/// A call that has an answer.
pub(crate) type Reply<T> = oneshot::Sender<Result<T, Status>>;

/// What the chain's owner is asked.
pub(crate) enum Command {
    /// A peer sent a new block.
    Announced { peer: NodeId, block: Box<Block> },
    /// A peer announced a new block by its header.
    Header { peer: NodeId, header: Vec<u8>, signature: Vec<u8> },
    /// A peer reported its head; the peer's signature is checked.
    Status { peer: NodeId, status: PeerStatus },
    /// What a peer said, holding one of the permits this peer has for the mailbox until its turn comes.
    FromPeer { command: Box<Self>, arrived: Instant, permit: OwnedSemaphorePermit },
    /// Blocks fetched from a peer, ascending.
    Import { peer: NodeId, blocks: Vec<Block>, reply: oneshot::Sender<ImportEnd> },
    /// This node's producer wants a header to sign.
    Prepare { parent: Hash, slot: Slot, producer: NodeId, stamp: TimestampMs, reply: Reply<Prepared> },
    /// This node's producer has signed.
    Submit { header: Vec<u8>, signature: Vec<u8>, transactions: Vec<Vec<u8>>, reply: Reply<StoredBlock> },
    /// Transactions come in; those worth verifying go back.
    Screen { batch: Vec<Incoming>, reply: Reply<ScreenedBatch> },
    /// Transactions come in whose signatures are right.
    Admit { batch: Vec<Incoming> },
    /// The service has stopped; nobody asks any more.
    Stop,
    /// Somebody reads.
    Read(Box<dyn FnOnce(&Importer) + Send>),
}

/// A command and the span it was sent in, which what it causes is below.
pub(crate) struct Envelope {
    /// The command.
    pub command: Command,
    /// The span.
    pub span: Span,
}

impl From<Command> for Envelope {
    fn from(command: Command) -> Self {
        Self { command, span: Span::current() }
    }
}

/// Sends commands to the chain's owner. Cheap to clone.
#[derive(Clone)]
pub(crate) struct CommandSender(mpsc::Sender<Envelope>);

impl CommandSender {
    /// A sender and the mailbox it fills.
    pub(crate) fn new() -> (Self, mpsc::Receiver<Envelope>) {
        let (sender, mailbox) = mpsc::channel(MAILBOX_COMMANDS);
        (Self(sender), mailbox)
    }

    /// Commands that wait.
    pub(crate) fn depth(&self) -> usize {
        self.0.max_capacity() - self.0.capacity()
    }

    /// Sends what has no answer; waits for room.
    pub(crate) async fn send(&self, command: Command) {
        // The owner has gone only when the service is going too.
        let _ = self.0.send(command.into()).await;
    }

    /// Asks and waits for the answer.
    pub(crate) async fn ask<T>(&self, command: impl FnOnce(Reply<T>) -> Command) -> Result<T, Status> {
        let stopping = || vision_wire::status(Reason::ShuttingDown, "the chain service is stopping", &[]);
        let (reply, answer) = oneshot::channel();
        self.0.send(command(reply).into()).await.map_err(|_| stopping())?;
        answer.await.map_err(|_| stopping())?
    }

    /// Reads from what the owner has.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        look: impl FnOnce(&Importer) -> Result<T, Status> + Send + 'static,
    ) -> Result<T, Status> {
        self.ask(|reply| {
            Command::Read(Box::new(move |importer| {
                // Whoever asked may have gone.
                let _ = reply.send(look(importer));
            }))
        })
        .await
    }

    /// Imports fetched blocks.
    pub(crate) async fn import(&self, peer: NodeId, blocks: Vec<Block>) -> ImportEnd {
        let (reply, end) = oneshot::channel();
        self.send(Command::Import { peer, blocks, reply }).await;
        end.await.unwrap_or(ImportEnd::Stopped(0))
    }

    /// Whether a block is known, be it of a turn that nobody has heard of yet.
    pub(crate) async fn knows(&self, hash: Hash) -> bool {
        self.read(move |importer| Ok(importer.tree().get(&hash).is_some())).await.unwrap_or_default()
    }

    /// Hashes of the head's chain for finding the last block in common.
    pub(crate) async fn locator(&self) -> Vec<Hash> {
        self.read(|importer| Ok(importer.locator())).await.unwrap_or_default()
    }
}

/// Bytes of those of these transactions that still wait, from the first on and up to so many bytes, but one
/// at least; and how many have been passed.
pub(crate) fn waiting_part(importer: &Importer, hashes: &[Hash], max_bytes: usize) -> (usize, Vec<Bytes>) {
    let (mut passed, mut size, mut part) = (0, 0, Vec::new());
    for hash in hashes {
        if let Some(transaction) = importer.pool().get(hash) {
            size += transaction.bytes().len();
            if !part.is_empty() && (size > max_bytes || part.len() >= MAX_TRANSACTIONS_IN_MESSAGE) {
                break;
            }
            part.push(Bytes::copy_from_slice(transaction.bytes()));
        }
        passed += 1;
    }
    (passed, part)
}
