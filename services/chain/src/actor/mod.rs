//! The one thread that owns the chain: receive, decide, store, tell.
//!
//! It takes what waits in its mailbox, lets the block tree decide, writes everything the turn has
//! changed in one transaction that is synced to disk, and only then publishes, announces and replies.

mod core;
mod held;
mod turn;
mod verdict;
mod view;

use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};
use tokio::time::Instant;
use tonic::Status;
use tracing::Span;
use vision_primitives::{Block, Hash, NodeId, Slot, TimestampMs};
use vision_wire::Reason;
use vision_wire::p2p::Status as PeerStatus;

use crate::intake::Handed;

pub use self::core::{Core, Parts};
pub use self::turn::Turn;
pub use self::verdict::{ORACLE_SILENT, Verdict};
pub use self::view::{HeadEvent, HeadView, StoredBlocks};

/// Commands that may wait.
const MAILBOX_COMMANDS: usize = 1024;
/// Commands taken in one turn, and so covered by one sync to disk.
const MAX_TURN_COMMANDS: usize = 64;
/// Transactions of new blocks after which a turn ends.
const MAX_TURN_TRANSACTIONS: usize = 1000;
/// The longest sleep: what is due by the clock is looked at so often even if the clock jumps.
const MAX_SLEEP: Duration = Duration::from_millis(250);

/// A header to sign and what belongs to it.
pub struct PreparedBlock {
    /// Canonical header bytes.
    pub header: Vec<u8>,
    /// Block hash.
    pub hash: Hash,
    /// Height.
    pub height: u64,
    /// Signed bytes of its transactions.
    pub transactions: Vec<Vec<u8>>,
}

/// A block of this node's producer that is stored.
pub struct StoredBlock {
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

/// How the import of a chunk of fetched blocks ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ImportEnd {
    /// All of it is stored; so many were new.
    Imported(usize),
    /// It cannot go on; so many were new and are stored.
    Stopped(usize),
}

/// A call that has an answer.
pub type Reply<T> = oneshot::Sender<Result<T, Status>>;

/// What the thread is asked.
pub enum Command {
    /// A peer sent a new block.
    Announced { peer: NodeId, block: Box<Block> },
    /// A peer announced a new block by its header.
    Header { peer: NodeId, header: Vec<u8>, signature: Vec<u8> },
    /// A peer told its head; the peer's signature is checked.
    Claim { peer: NodeId, status: PeerStatus },
    /// What a peer said, holding one of the places this peer has in the mailbox until its turn comes.
    FromPeer { command: Box<Self>, arrived: Instant, place: OwnedSemaphorePermit },
    /// Blocks fetched from a peer, ascending.
    Import { peer: NodeId, blocks: Vec<Block>, reply: oneshot::Sender<ImportEnd> },
    /// This node's producer wants a header to sign.
    Prepare { parent: Hash, slot: Slot, producer: NodeId, stamp: TimestampMs, reply: Reply<PreparedBlock> },
    /// This node's producer has signed.
    Submit { header: Vec<u8>, signature: Vec<u8>, transactions: Vec<Vec<u8>>, reply: Reply<StoredBlock> },
    /// Transactions come in; those worth verifying go back, first those verified before.
    Screen { batch: Vec<Handed>, reply: Reply<(Vec<Handed>, Vec<Handed>)> },
    /// Transactions come in whose signatures are right.
    Admit { batch: Vec<Handed> },
    /// The service has stopped; nobody asks any more.
    Stop,
    /// Somebody reads.
    Read(Box<dyn FnOnce(&Core) + Send>),
}

/// A command and the span it was sent in, which what it causes is below.
pub struct Letter {
    command: Command,
    span: Span,
}

impl From<Command> for Letter {
    fn from(command: Command) -> Self {
        Self { command, span: Span::current() }
    }
}

/// The way to the thread. Cheap to clone.
#[derive(Clone)]
pub struct CoreHandle(mpsc::Sender<Letter>);

impl CoreHandle {
    /// A handle and the mailbox it fills.
    pub fn new() -> (Self, mpsc::Receiver<Letter>) {
        let (sender, mailbox) = mpsc::channel(MAILBOX_COMMANDS);
        (Self(sender), mailbox)
    }

    /// Commands that wait.
    pub fn depth(&self) -> usize {
        self.0.max_capacity() - self.0.capacity()
    }

    /// Tells something that has no answer; waits for room.
    pub async fn tell(&self, command: Command) {
        // The thread has gone only when the service is going too.
        let _ = self.0.send(command.into()).await;
    }

    /// Asks and waits for the answer.
    pub async fn ask<T>(&self, command: impl FnOnce(Reply<T>) -> Command) -> Result<T, Status> {
        let stopping = || vision_wire::status(Reason::ShuttingDown, "the chain service is stopping", &[]);
        let (reply, answer) = oneshot::channel();
        self.0.send(command(reply).into()).await.map_err(|_| stopping())?;
        answer.await.map_err(|_| stopping())?
    }

    /// Reads from what the thread owns.
    pub async fn read<T: Send + 'static>(
        &self,
        look: impl FnOnce(&Core) -> Result<T, Status> + Send + 'static,
    ) -> Result<T, Status> {
        self.ask(|reply| {
            Command::Read(Box::new(move |core| {
                // Whoever asked may have gone.
                let _ = reply.send(look(core));
            }))
        })
        .await
    }

    /// Imports fetched blocks.
    pub async fn import(&self, peer: NodeId, blocks: Vec<Block>) -> ImportEnd {
        let (reply, end) = oneshot::channel();
        self.tell(Command::Import { peer, blocks, reply }).await;
        end.await.unwrap_or(ImportEnd::Stopped(0))
    }

    /// Whether a block is known, be it of a turn that nobody has heard of yet.
    pub async fn knows(&self, hash: Hash) -> bool {
        self.read(move |core| Ok(core.tree().get(&hash).is_some())).await.unwrap_or_default()
    }

    /// Hashes of the head's chain for finding the last block in common.
    pub async fn locator(&self) -> Vec<Hash> {
        self.read(|core| Ok(core.locator())).await.unwrap_or_default()
    }
}

/// Runs the thread until it is told to stop or the store is found corrupt.
pub fn run(
    mut core: Core,
    mut mailbox: mpsc::Receiver<Letter>,
    runtime: &tokio::runtime::Handle,
) -> Result<(), crate::error::Error> {
    loop {
        let sleep = core.sleep().min(MAX_SLEEP);
        let first = runtime.block_on(async { tokio::time::timeout(sleep, mailbox.recv()).await });
        let mut turn = Turn::default();
        match first {
            Ok(None) => return Ok(()),
            Ok(Some(letter)) => core.open(letter, &mut turn),
            Err(_) => {}
        }
        let mut taken = 1;
        while taken < MAX_TURN_COMMANDS && turn.transactions() < MAX_TURN_TRANSACTIONS {
            let Ok(letter) = mailbox.try_recv() else { break };
            core.open(letter, &mut turn);
            taken += 1;
        }
        core.release_early(&mut turn);
        core.finish(turn)?;
        if core.is_stopping() {
            return Ok(());
        }
    }
}
