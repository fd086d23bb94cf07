//! The decisions of the chain's thread. Everything it learns about time comes from its clock.

mod duties;
mod fork_tree;
mod hearsay;
mod kept;
mod news;
mod pace;
mod pool;
mod publish;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;
use tonic::Status;
use vision_block_tree::{BlockTree, ChainRules, Refusal};
use vision_host::Clock;
use vision_host::health::Condition;
use vision_host::metrics::time;
use vision_host::telemetry;
use vision_mempool::{Limits, Mempool, Moment};
use vision_primitives::trace::HeightTrace;
use vision_primitives::{Block, Hash, Header, Height, NodeId, SignedTransaction, TimestampMs};
use vision_wire::{EventLog, Reason};

use duties::refusal_status;
use kept::Kept;
use pace::Pace;

use super::held::{Early, Orphans, Waiting};
use super::turn::{Origin, Turn};
use super::view::{HeadEvent, HeadView, StoredBlocks};
use super::{Command, Letter, Reply, StoredBlock, Verdict};
use crate::events::Events;
use crate::metrics::{ChainMetrics, Tally};
use crate::peers::PeerTable;
use crate::shown::Shown;
use crate::store::{Fate, Store};
use crate::trace::{self, Roots};
use crate::transactions::{DroppedLog, Happenings, RecentHashes};

/// A span about a block, if it gets any.
macro_rules! span {
    ($spans:expr, $name:literal, $block:expr) => {
        match &$spans {
            None => tracing::Span::none(),
            Some(genesis_hash) => {
                let (height, hash) = ($block.header().height, $block.hash());
                let span = tracing::info_span!(
                    $name,
                    "vision.height" = $crate::trace::number(height.get()),
                    "vision.slot" = $crate::trace::number($block.header().slot.get()),
                    "vision.block.hash" = %hash,
                );
                $crate::trace::under(span, genesis_hash, height)
            }
        }
    };
}
pub(super) use span;

pub use news::News;

/// Prepared blocks kept for their signature.
const MAX_PREPARED: usize = 8;
/// Why a block is not taken that the tree has no room for, as it is counted.
const NO_ROOM: &str = "NO_ROOM";
/// Pause between tries to write what the disk did not take, milliseconds.
const STORE_RETRY_MS: u64 = 1_000;

/// What [`Core::new`] needs.
pub struct Parts {
    /// The chain's rules.
    pub rules: Arc<ChainRules>,
    /// Known blocks.
    pub tree: BlockTree,
    /// Their store.
    pub store: Store,
    /// The clock.
    pub clock: Clock,
    /// The connections.
    pub peers: Arc<PeerTable>,
    /// Where moves of the head are told.
    pub heads: EventLog<HeadEvent>,
    /// Where every stored block is told.
    pub stored: StoredBlocks,
    /// Where is told what happens to the chain.
    pub events: Events,
    /// What all who show blocks share.
    pub shown: Shown,
    /// Where is told what happens to transactions.
    pub happenings: Happenings,
    /// How many transactions may wait.
    pub pool_limits: Limits,
    /// How long the node had run before this start, milliseconds.
    pub ran_ms: u64,
    /// Where the head is shown.
    pub view: watch::Sender<Arc<HeadView>>,
    /// What the oracle told last.
    pub verdict: watch::Receiver<Option<Verdict>>,
    /// Whether the store takes writes.
    pub store_condition: Condition,
    /// What is counted.
    pub metrics: ChainMetrics,
    /// How many transactions wait, for whoever tells it.
    pub pending: Arc<AtomicU64>,
}

/// Everything the thread owns.
pub struct Core {
    parts: Parts,
    pool: Mempool,
    /// Root of the state that the pool was last told.
    pool_root: Option<Hash>,
    verified: RecentHashes,
    dropped: DroppedLog,
    kept: Kept,
    /// Found out at start, to be written with the next commit.
    unsaved_fates: BTreeMap<Hash, Fate>,
    /// How many the store has.
    stored_fates: u64,
    pace: Pace,
    early: Early,
    orphans: Orphans,
    faulty: BTreeSet<Hash>,
    faulty_order: VecDeque<Hash>,
    prepared: VecDeque<(Header, Vec<SignedTransaction>)>,
    /// A turn the disk did not take yet, and when to try again.
    unwritten: Option<(Turn, u64)>,
    roots: Roots,
    replaced: fork_tree::Replaced,
    /// Events held back.
    pending: news::Pending,
    stopping: bool,
    tally: Tally,
    /// When what a peer says now has come out of the network.
    arrived: Option<Instant>,
}

impl Core {
    /// A core over a restored tree.
    pub fn new(parts: Parts) -> Self {
        Self {
            pool: Mempool::new(parts.pool_limits),
            pool_root: None,
            verified: RecentHashes::default(),
            dropped: DroppedLog::default(),
            kept: Kept::default(),
            unsaved_fates: BTreeMap::new(),
            stored_fates: parts.store.fate_count().unwrap_or(u64::MAX),
            pace: Pace::new(parts.rules.genesis.params.claim_timeout_ms),
            early: Early::default(),
            orphans: Orphans::default(),
            faulty: BTreeSet::new(),
            faulty_order: VecDeque::new(),
            prepared: VecDeque::new(),
            unwritten: None,
            roots: Roots::default(),
            replaced: fork_tree::Replaced::default(),
            pending: news::Pending::default(),
            stopping: false,
            tally: Tally::new(parts.metrics.clone(), &parts.tree, |height| {
                parts.store.hash_at(height).ok().flatten()
            }),
            arrived: None,
            parts,
        }
    }

    /// Whether the thread was told to stop.
    pub const fn is_stopping(&self) -> bool {
        self.stopping
    }

    /// The known blocks.
    pub const fn tree(&self) -> &BlockTree {
        &self.parts.tree
    }

    /// Hashes of the head's chain, highest first, thinning out.
    pub fn locator(&self) -> Vec<Hash> {
        self.parts.tree.locator()
    }

    fn now(&self) -> TimestampMs {
        TimestampMs(self.parts.clock.now_ms())
    }

    /// Now by the wall clock, and by how long this node has run over all its starts.
    fn moment(&self) -> Moment {
        let running_ms = self.parts.ran_ms.saturating_add(self.parts.clock.monotonic_ms());
        Moment { wall: self.now(), running_ms }
    }

    /// Now by a peer's clock if that is ahead of ours: between clocks far apart nobody can say whose is
    /// wrong, and the oracle can tell CLOCK_SKEW only while the peer counts.
    fn now_of(&self, peer: &NodeId) -> TimestampMs {
        self.now().plus_ms(self.parts.peers.clock_ahead_ms(peer))
    }

    /// How long nothing is due.
    pub fn sleep(&self) -> Duration {
        let due = self.early.next_due().unwrap_or(TimestampMs(u64::MAX));
        Duration::from_millis(due.since_ms(self.now()))
    }

    /// What is answered while the disk does not take writes.
    pub fn store_unavailable() -> Status {
        let why = "the disk does not take writes; nothing is lost, the node tries again every second";
        vision_wire::status(Reason::StoreUnavailable, why, &[])
    }

    /// Takes one command, in the span it was sent in.
    pub fn open(&mut self, Letter { command, span }: Letter, turn: &mut Turn) {
        let _inside = span.entered();
        self.handle(command, turn);
    }

    fn handle(&mut self, command: Command, turn: &mut Turn) {
        match command {
            Command::FromPeer { command, arrived, place } => {
                drop(place);
                self.arrived = Some(arrived);
                self.handle(*command, turn);
                self.arrived = None;
            }
            Command::Announced { peer, block } => self.announced(peer, *block, turn),
            Command::Header { peer, header, signature } => self.header(peer, &header, &signature),
            Command::Claim { peer, status } => self.claim(peer, &status),
            Command::Import { peer, blocks, reply } => {
                let end = self.import_chunk(peer, blocks, turn);
                turn.imports.push((reply, end));
            }
            Command::Prepare { parent, slot, producer, stamp, reply } => {
                // Whoever asked may have gone.
                let _ = reply.send(self.prepare(parent, slot, producer, stamp));
            }
            Command::Submit { header, signature, transactions, reply } => {
                let made = if self.unwritten.is_some() {
                    Err(Self::store_unavailable())
                } else {
                    self.assemble(header, &signature, transactions)
                };
                match made {
                    Ok(block) => drop(self.take(block, Origin::Own, Some(reply), turn)),
                    Err(status) => drop(reply.send(Err(status))),
                }
            }
            Command::Screen { batch, reply } => {
                let _ = reply.send(Ok(self.screen(batch, turn)));
            }
            Command::Admit { batch } => self.admit(batch, turn),
            Command::Read(look) => look(self),
            Command::Stop => {
                self.stopping = true;
                self.roots.settle(&self.parts.tree, &self.parts.rules.genesis_hash, true);
            }
        }
    }

    /// Takes blocks whose time has come.
    pub fn release_early(&mut self, turn: &mut Turn) {
        while let Some(Waiting { peer, block, .. }) = self.early.pop_due(self.now()) {
            self.announced(peer, block, turn);
        }
    }

    /// Checks a block, enters it into the tree and then whatever waited for it. An error without a refusal: the tree has no
    /// room for it.
    fn take(
        &mut self,
        block: Block,
        origin: Origin,
        reply: Option<Reply<StoredBlock>>,
        turn: &mut Turn,
    ) -> Result<(), Option<Refusal>> {
        let mut parents = vec![self.take_one(block, origin, self.now(), reply, turn)?];
        while let Some(parent) = parents.pop() {
            for Waiting { peer, block, arrived } in self.orphans.take_children(&parent) {
                if let Ok(hash) = self.take_one(block, Origin::Announced(peer), arrived, None, turn) {
                    parents.push(hash);
                }
            }
        }
        Ok(())
    }

    fn take_one(
        &mut self,
        block: Block,
        origin: Origin,
        arrived: TimestampMs,
        reply: Option<Reply<StoredBlock>>,
        turn: &mut Turn,
    ) -> Result<Hash, Option<Refusal>> {
        turn.began_at(self.parts.clock.monotonic_ms());
        let came = self.arrived.unwrap_or_else(Instant::now);
        let verified = &self.verified;
        let spans = self.spans_of(&block);
        let span = span!(spans, "chain.block.check", block).entered();
        let (tree, is_fetched) = (&self.parts.tree, matches!(origin, Origin::Fetched(_)));
        let known = |hash: &Hash| verified.contains(hash);
        let check = || match is_fetched {
            true => tree.check_with(&block, &known),
            false => tree.check_announced(&block, &known),
        };
        let checked = match time(&self.parts.metrics.phases.check, check) {
            Ok(checked) => checked,
            Err(refusal) => {
                if refusal.is_fault() {
                    telemetry::fail(&span, refusal.reason());
                }
                if let Some(reply) = reply {
                    let _ = reply.send(Err(refusal_status(&refusal)));
                }
                self.refused(block, origin, arrived, &refusal);
                return Err(Some(refusal));
            }
        };
        drop(span);
        let late = matches!(origin, Origin::Announced(_)) && checked.closes_at() <= arrived && self.in_sync();
        let (hash, changes) = (block.hash(), checked.changes().clone());
        if let Origin::Announced(_) = origin {
            let delay_ms = arrived.since_ms(block.header().timestamp_ms);
            self.parts.metrics.propagation.observe(delay_ms as f64 / 1000.0);
        }
        let span = span!(spans, "chain.block.insert", block).entered();
        let sides = self.sides(&block);
        let insert = &self.parts.metrics.phases.insert;
        let tree = &mut self.parts.tree;
        let inserted = time(insert, || match is_fetched {
            true => tree.insert_fetched(checked),
            false => tree.insert(checked, late),
        });
        drop(span);
        let tree = &self.parts.tree;
        let head = HeadView::of(tree.head(), tree.final_entry().height()).arrived_at(self.now());
        let news = self.news((&block, origin, arrived), &changes, (&inserted, &sides));
        turn.news.extend(news);
        self.replaced.note(&inserted, self.now());
        if !inserted.stored {
            // It was the worst tip of a full tree, or what it made final conflicts with it.
            turn.follow(&inserted, &head);
            self.parts.metrics.blocks_refused.get([NO_ROOM]).inc();
            if let Some(reply) = reply {
                let _ = reply.send(Err(vision_wire::status(Reason::Overloaded, "too many open blocks", &[])));
            }
            return Err(None);
        }
        block.transactions().iter().for_each(|transaction| self.verified.insert(transaction.hash()));
        let became_head = inserted.change.head.as_ref().is_some_and(|change| change.new.hash() == hash);
        turn.accept(block, changes, origin, became_head, came, reply);
        turn.follow(&inserted, &head);
        Ok(hash)
    }

    /// The trace of a height of this chain.
    fn trace(&self, height: Height) -> HeightTrace {
        HeightTrace::of(&self.parts.rules.genesis_hash, height)
    }

    /// The chain whose traces get what is done with a block; none for blocks of long ago.
    fn spans_of(&self, block: &Block) -> Option<Hash> {
        let recent = trace::is_recent(block.header(), self.parts.tree.head().height(), self.now());
        recent.then_some(self.parts.rules.genesis_hash)
    }

    fn refused(&mut self, block: Block, origin: Origin, arrived: TimestampMs, refusal: &Refusal) {
        let (hash, height) = (block.hash(), block.header().height);
        if !matches!(refusal, Refusal::UnknownParent(_) | Refusal::AlreadyKnown) {
            self.parts.metrics.blocks_refused.get([refusal.reason()]).inc();
        }
        match (refusal, origin) {
            (Refusal::UnknownParent(_), Origin::Announced(peer)) => {
                let weight = self.possible_weight(block.header());
                let Some(verified) = self.vouched(&peer, &block) else { return };
                if self.orphans.hold(Waiting { peer, block, arrived }) {
                    self.parts.peers.tip_claimed(&peer, height, hash, weight, verified);
                }
            }
            // Nodes that were cut off announce what they built meanwhile: wrong, but in good faith.
            (refusal, origin)
                if !refusal.is_fault()
                    || matches!(
                        (refusal, origin),
                        (Refusal::ConflictsWithFinal(_), Origin::Announced(_))
                    ) =>
            {
                tracing::debug!(height = height.get(), %hash, trace_id = %self.trace(height), reason = refusal.reason(), "block not taken");
            }
            (refusal, Origin::Announced(peer) | Origin::Fetched(peer)) => {
                if let Some(left_out) = self.parts.peers.may_say(&peer, "block") {
                    tracing::warn!(height = height.get(), %hash, trace_id = %self.trace(height), peer = %peer.short(), reason = refusal.reason(), %refusal, left_out, "block refused");
                }
                if refusal.is_header_fault() {
                    self.remember_faulty(hash);
                }
                self.parts.peers.charge(&peer, 50, refusal.reason());
            }
            (refusal, Origin::Own) => {
                tracing::error!(height = height.get(), %hash, trace_id = %self.trace(height), reason = refusal.reason(), %refusal, "own block refused");
            }
        }
    }

    /// Whether this node is in a position to call a block LATE (section 5): at the tip, with ready peers.
    fn in_sync(&self) -> bool {
        use vision_wire::sync_oracle::SyncState;
        let now = self.parts.clock.monotonic_ms();
        self.parts.verdict.borrow().as_ref().is_some_and(|verdict| {
            verdict.is_fresh(now)
                && verdict.snapshot.ready_peers > 0
                && matches!(verdict.snapshot.state(), SyncState::AtTip | SyncState::TooFarAhead)
        })
    }
}
