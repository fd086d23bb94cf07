//! The one owner of the chain: receive, ask the machine, store, publish.
//!
//! It takes what waits in its mailbox and gives it to the machine (`vision_importer`), writes everything the
//! turn has changed in one transaction that is synced to disk, and only then publishes, announces and
//! replies. The machine knows ids only: who waits for an answer, and whose room a transaction takes, is kept
//! here. Spans, counts and log lines are made here too.

mod chain_events;
mod observe;
mod perform;
mod write;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use vision_block_tree::BlockTree;
use vision_host::health::Condition;
use vision_host::{Clock, Threads};
use vision_importer::{
    Arrival, ImportEnd, Importer, Input, Now, Output, PeerClock, Prepared, RequestId, Ticket, TipClaim,
};
use vision_mempool::Limits;
use vision_primitives::{Hash, NodeId, TimestampMs};
use vision_wire::p2p::Status as PeerStatus;

use crate::error::Error;
use crate::incoming::{Incoming, Permit, Source};
use crate::logs::Logs;
use crate::mailbox::{Command, Envelope, Reply, ScreenedBatch, StoredBlock};
use crate::metrics::{ChainMetrics, Tally};
use crate::peers::PeerTable;
use crate::shown::Shown;
use crate::store::{Commit, Store};
use crate::trace::Roots;
use crate::verdict::Verdict;
use crate::view::HeadView;
use observe::{Observed, Observing};

/// Commands taken in one turn, and so covered by one sync to disk.
const MAX_TURN_COMMANDS: usize = 64;
/// Transactions of new blocks after which a turn ends.
const MAX_TURN_TRANSACTIONS: usize = 1000;
/// The longest sleep: what is due by the clock is looked at so often even if the clock jumps.
const MAX_SLEEP: Duration = Duration::from_millis(250);

/// What [`Actor::new`] needs.
pub(crate) struct Parts {
    /// Known blocks.
    pub tree: BlockTree,
    /// Their store.
    pub store: Store,
    /// The clock.
    pub clock: Clock,
    /// The connections.
    pub peers: Arc<PeerTable>,
    /// Logs that watchers follow.
    pub logs: Logs,
    /// What all who show blocks share.
    pub shown: Shown,
    /// How many transactions may wait.
    pub pool_limits: Limits,
    /// Where the head is shown.
    pub view: watch::Sender<Arc<HeadView>>,
    /// What the oracle last reported.
    pub verdict: watch::Receiver<Option<Verdict>>,
    /// Whether the store takes writes.
    pub store_condition: Condition,
    /// What is counted.
    pub metrics: ChainMetrics,
    /// How many transactions wait, for whoever reports it.
    pub pending: Arc<AtomicU64>,
}

/// Who waits for an answer of the machine.
enum Asked {
    Prepare(Reply<Prepared>),
    Submit(Reply<StoredBlock>),
    Import(oneshot::Sender<ImportEnd>),
    Screen(Reply<ScreenedBatch>),
}

/// The machine and all that is kept for it.
pub(crate) struct Actor {
    importer: Importer,
    observed: Observed,
    out: Vec<Output>,
    asked: BTreeMap<RequestId, Asked>,
    /// Transactions that are in the machine.
    incoming: BTreeMap<Ticket, (Source, Permit)>,
    next_id: u64,
    /// A commit that the disk did not take yet.
    unwritten: Option<Commit>,
    /// The commit that is being reported.
    written: Option<Commit>,
    roots: Roots,
    tally: Tally,
    stopping: bool,
    genesis_hash: Hash,
    clock: Clock,
    /// How long the node had run before this start, milliseconds.
    ran_ms: u64,
    store: Store,
    peers: Arc<PeerTable>,
    logs: Logs,
    shown: Shown,
    view: watch::Sender<Arc<HeadView>>,
    verdict: watch::Receiver<Option<Verdict>>,
    store_condition: Condition,
    metrics: ChainMetrics,
    pending: Arc<AtomicU64>,
}

impl Actor {
    /// An actor over what was restored; what waited when the process ended waits again.
    pub(crate) fn new(parts: Parts) -> Result<Self, Error> {
        let Parts { tree, store, clock, metrics, peers, shown, .. } = parts;
        let ran_ms = store.running_ms()?;
        let checkpoint = |height| store.hash_at(height).ok().flatten();
        let tally = Tally::new(metrics.clone(), &tree, checkpoint);
        let genesis_hash = tree.rules().genesis_hash;
        let fates = write::count_fates(&store);
        let now = now(&clock, ran_ms);
        let mut importer =
            Importer::new(vision_importer::Parts { tree, pool_limits: parts.pool_limits, fates, now });
        let waiting = store.waiting()?.into_iter().map(|(hash, record)| (hash, record.into())).collect();
        let (kept, forgotten) = importer.restore_waiting(waiting);
        if kept + forgotten > 0 {
            tracing::info!(kept, forgotten, "pending transactions restored");
        }
        let observed = Observed::new(
            genesis_hash,
            clock.clone(),
            store.clone(),
            peers.clone(),
            shown.clone(),
            metrics.clone(),
        );
        Ok(Self {
            importer,
            observed,
            out: Vec::new(),
            asked: BTreeMap::new(),
            incoming: BTreeMap::new(),
            next_id: 0,
            unwritten: None,
            written: None,
            roots: Roots::default(),
            tally,
            stopping: false,
            genesis_hash,
            clock,
            ran_ms,
            store,
            peers,
            logs: parts.logs,
            shown,
            view: parts.view,
            verdict: parts.verdict,
            store_condition: parts.store_condition,
            metrics,
            pending: parts.pending,
        })
    }

    /// Takes one command, in the span it was sent in.
    fn open(&mut self, Envelope { command, span }: Envelope) -> Result<(), Error> {
        let _inside = span.entered();
        self.take(command)
    }

    fn take(&mut self, command: Command) -> Result<(), Error> {
        match command {
            Command::FromPeer { command, arrived, permit } => {
                drop(permit);
                self.observed.arrived = Some(arrived);
                let taken = self.take(*command);
                self.observed.arrived = None;
                taken
            }
            Command::Announced { peer, block } => {
                let clock = self.clock_of(&peer);
                self.step(Input::Announced { peer, clock, block: Arc::from(block) })
            }
            Command::Header { peer, header, signature } => {
                self.step(Input::Header { peer, header, signature })
            }
            Command::Status { peer, status } => match self.tip_of(peer, &status) {
                Some(tip) => self.step(tip),
                None => Ok(()),
            },
            Command::Import { peer, blocks, reply } => {
                let (id, clock) = (self.ask(Asked::Import(reply)), self.clock_of(&peer));
                self.step(Input::Fetched { id, peer, clock, blocks })
            }
            Command::Prepare { parent, slot, producer, stamp, reply } => {
                let id = self.ask(Asked::Prepare(reply));
                self.step(Input::Prepare { id, parent, slot, producer, stamp })
            }
            Command::Submit { header, signature, transactions, reply } => {
                let id = self.ask(Asked::Submit(reply));
                self.step(Input::Submit { id, header, signature, transactions })
            }
            Command::Screen { batch, reply } => {
                let batch = self.arrivals(batch);
                let id = self.ask(Asked::Screen(reply));
                self.step(Input::Screen { id, batch })
            }
            Command::Admit { batch } => {
                let batch = self.arrivals(batch);
                self.step(Input::Admit { batch })
            }
            Command::Read(look) => {
                look(&self.importer);
                Ok(())
            }
            Command::Stop => {
                self.stopping = true;
                self.roots.settle(self.importer.tree(), &self.genesis_hash, true);
                Ok(())
            }
        }
    }

    /// Ends the turn: what it has changed is stored, then published.
    fn close(&mut self) -> Result<(), Error> {
        self.step(Input::Tick)?;
        self.decide(Input::CloseBatch);
        let pool = self.importer.pool();
        self.metrics.transactions.pool(pool.len(), pool.bytes());
        self.pending.store(pool.len() as u64, Ordering::Relaxed);
        self.perform_all()?;
        if self.unwritten.is_none() {
            self.observed.insertions.clear();
        }
        self.roots.settle(self.importer.tree(), &self.genesis_hash, false);
        Ok(())
    }

    /// Gives the machine an input, and does what it says.
    fn step(&mut self, input: Input) -> Result<(), Error> {
        self.decide(input);
        self.perform_all()
    }

    /// Gives the machine an input; what it says waits to be done.
    fn decide(&mut self, input: Input) {
        let now = now(&self.clock, self.ran_ms);
        let mut outside = Observing::new(&mut self.observed);
        // Its sender is gone only when the service is going too.
        if self.verdict.has_changed().unwrap_or_default() {
            let verdict = self.verdict.borrow_and_update();
            let until_ms = verdict.as_ref().and_then(Verdict::in_sync_until_ms);
            self.importer.handle(Input::InSyncUntil(until_ms), now, &mut outside, &mut self.out);
        }
        self.importer.handle(input, now, &mut outside, &mut self.out);
    }

    fn new_id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }

    fn ask(&mut self, asked: Asked) -> RequestId {
        let id = RequestId(self.new_id());
        self.asked.insert(id, asked);
        id
    }

    /// Keeps who waits for these transactions; the machine gets numbers.
    fn arrivals(&mut self, batch: Vec<Incoming>) -> Vec<Arrival> {
        let arrival = |Incoming { transaction, source, permit }| {
            let (ticket, peer) = (Ticket(self.new_id()), source.peer());
            self.incoming.insert(ticket, (source, permit));
            Arrival { ticket, peer, transaction }
        };
        batch.into_iter().map(arrival).collect()
    }

    fn clock_of(&self, peer: &NodeId) -> PeerClock {
        PeerClock::of_offset(self.peers.clock_offset_ms(peer))
    }

    fn tip_of(&self, peer: NodeId, status: &PeerStatus) -> Option<Input> {
        let Ok(hash) = <[u8; 32]>::try_from(status.tip_hash.as_ref()).map(Hash) else {
            self.peers.charge(&peer, 20, "a tip hash that is not 32 bytes long");
            return None;
        };
        let (header, signature) = (status.header.to_vec(), status.header_signature.to_vec());
        let tip = TipClaim { height: status.height, hash, header, signature };
        Some(Input::Tip { peer, clock: self.clock_of(&peer), tip })
    }

    fn sleep(&self) -> Duration {
        let due_in = self.importer.due_in_ms(now(&self.clock, self.ran_ms)).map(Duration::from_millis);
        due_in.map_or(MAX_SLEEP, |due_in| due_in.min(MAX_SLEEP))
    }
}

/// Starts an actor; its end comes through the channel.
pub(crate) fn start(
    actor: Actor,
    mailbox: mpsc::Receiver<Envelope>,
    threads: Threads,
) -> Result<oneshot::Receiver<Result<(), Error>>, Error> {
    threads.run("chain-core", run(actor, mailbox)).map_err(|error| Error::Core(error.to_string()))
}

/// Now by all clocks.
fn now(clock: &Clock, ran_ms: u64) -> Now {
    let mono_ms = clock.monotonic_ms();
    Now { wall: TimestampMs(clock.now_ms()), mono_ms, running_ms: ran_ms.saturating_add(mono_ms) }
}

/// Runs until it is asked to stop or the store is found corrupt. Its writes to disk hold up its thread.
async fn run(mut actor: Actor, mut mailbox: mpsc::Receiver<Envelope>) -> Result<(), Error> {
    loop {
        match tokio::time::timeout(actor.sleep(), mailbox.recv()).await {
            Ok(None) => return Ok(()),
            Ok(Some(envelope)) => actor.open(envelope)?,
            Err(_) => {}
        }
        let mut taken = 1;
        while taken < MAX_TURN_COMMANDS && actor.importer.transactions_of_turn() < MAX_TURN_TRANSACTIONS {
            let Ok(envelope) = mailbox.try_recv() else { break };
            actor.open(envelope)?;
            taken += 1;
        }
        actor.close()?;
        if actor.stopping {
            return Ok(());
        }
    }
}
