//! The machine's surroundings: bodies from the store, and spans, counts and log lines of what it does.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::time::Instant;
use tracing::Span;
use tracing::span::EnteredSpan;
use vision_block_tree::Refusal;
use vision_host::metrics::Histogram;
use vision_host::{Clock, telemetry};
use vision_importer::{Blame, Bodies, Note, Now, Observer, Origin, Step};
use vision_primitives::trace::HeightTrace;
use vision_primitives::{Block, Hash, Height, Invariant, SignedTransaction, TimestampMs};

use crate::metrics::ChainMetrics;
use crate::peers::PeerTable;
use crate::shown::Shown;
use crate::store::Store;
use crate::trace;

/// Why a block is not taken that the tree has no room for, as it is counted.
const NO_ROOM: &str = "NO_ROOM";

/// A span about a block, if it gets any.
macro_rules! block_span {
    ($is_recent:expr, $name:literal, $genesis_hash:expr, $block:expr) => {
        match $is_recent {
            false => tracing::Span::none(),
            true => {
                let (height, hash) = ($block.header().height, $block.hash());
                let span = tracing::info_span!(
                    $name,
                    "vision.height" = $crate::trace::number(height.get()),
                    "vision.slot" = $crate::trace::number($block.header().slot.get()),
                    "vision.block.hash" = %hash,
                );
                $crate::trace::under(span, $genesis_hash, height)
            }
        }
    };
}
pub(super) use block_span;

/// A block that was entered into the tree in this turn.
#[derive(Clone, Copy)]
pub(super) struct Insertion {
    /// When it came out of the network, or was taken.
    pub came: Instant,
    /// When it was in the tree.
    pub at: TimestampMs,
}

/// What observing needs and what it has seen.
pub(super) struct Observed {
    genesis_hash: Hash,
    clock: Clock,
    store: Store,
    peers: Arc<PeerTable>,
    shown: Shown,
    metrics: ChainMetrics,
    /// When what a peer says now has come out of the network.
    pub arrived: Option<Instant>,
    /// Blocks of which nothing has been reported yet.
    pub insertions: BTreeMap<Hash, Insertion>,
}

impl Observed {
    /// Nothing seen yet.
    pub(super) fn new(
        genesis_hash: Hash,
        clock: Clock,
        store: Store,
        peers: Arc<PeerTable>,
        shown: Shown,
        metrics: ChainMetrics,
    ) -> Self {
        let insertions = BTreeMap::new();
        Self { genesis_hash, clock, store, peers, shown, metrics, arrived: None, insertions }
    }

    fn trace(&self, height: Height) -> HeightTrace {
        HeightTrace::of(&self.genesis_hash, height)
    }

    fn refused(&self, block: &Block, origin: Origin, refusal: &Refusal, blame: Blame) {
        let (hash, height) = (block.hash(), block.header().height);
        if !matches!(refusal, Refusal::UnknownParent(_) | Refusal::AlreadyKnown) {
            self.metrics.blocks_refused.get([refusal.reason()]).inc();
        }
        match blame {
            Blame::Nobody => {
                tracing::debug!(
                    height = height.get(),
                    %hash,
                    trace_id = %self.trace(height),
                    reason = refusal.reason(),
                    "block not accepted"
                );
            }
            Blame::Peer(peer) => {
                if let Some(left_out) = self.peers.may_log(&peer, "block") {
                    tracing::warn!(
                        height = height.get(),
                        %hash,
                        trace_id = %self.trace(height),
                        peer = %peer.short(),
                        reason = refusal.reason(),
                        %refusal,
                        left_out,
                        "block refused"
                    );
                }
            }
            Blame::Own => {
                debug_assert_eq!(origin, Origin::Own, "only an own block is this node's fault");
                tracing::error!(
                    height = height.get(),
                    %hash,
                    trace_id = %self.trace(height),
                    reason = refusal.reason(),
                    %refusal,
                    "own block refused"
                );
            }
        }
    }
}

/// A step that has begun.
struct Ongoing {
    span: EnteredSpan,
    phase: Histogram,
    began: Instant,
}

/// The surroundings of one input.
pub(super) struct Observing<'a> {
    of: &'a mut Observed,
    step: Option<Ongoing>,
    /// When the block came that is being checked.
    came: Option<Instant>,
}

impl<'a> Observing<'a> {
    /// For the next input.
    pub(super) fn new(of: &'a mut Observed) -> Self {
        Self { of, step: None, came: None }
    }
}

impl Bodies for Observing<'_> {
    fn body(&mut self, block: &Hash) -> Vec<SignedTransaction> {
        let record = self.of.store.block(block).unwrap_or_else(|error| {
            tracing::error!(%error, %block, "a block that the head has left or joined cannot be read");
            None
        });
        let bodies = record.into_iter().flat_map(|record| record.transactions);
        let genesis_hash = &self.of.genesis_hash;
        let decode = |bytes| match SignedTransaction::from_bytes(bytes, genesis_hash) {
            Ok(transaction) => Some(transaction),
            Err(error) => {
                // It was decoded before it was stored, and the store finds every flipped bit.
                tracing::error!(%error, %block, "a stored transaction does not decode");
                None
            }
        };
        bodies.filter_map(decode).collect()
    }
}

impl Observer for Observing<'_> {
    fn begin(&mut self, step: Step<'_>, head: Height, now: Now) {
        let (genesis_hash, phases) = (&self.of.genesis_hash, &self.of.metrics.phases);
        let is_recent = |block: &Block| trace::is_recent(block.header(), head, now.wall);
        let (span, phase) = match step {
            Step::Check(block) => {
                self.came = Some(self.of.arrived.unwrap_or_else(|| self.of.clock.instant()));
                let span = block_span!(is_recent(block), "chain.block.check", genesis_hash, block);
                (span, &phases.check)
            }
            Step::Insert(block) => {
                let span = block_span!(is_recent(block), "chain.block.insert", genesis_hash, block);
                (span, &phases.insert)
            }
            Step::Prepare { height, slot } => {
                let span = tracing::info_span!(
                    "chain.block.prepare",
                    "vision.height" = trace::number(height.get()),
                    "vision.slot" = trace::number(slot.get()),
                );
                (trace::under(span, genesis_hash, height), &phases.prepare)
            }
        };
        let phase = phase.clone();
        self.step = Some(Ongoing { span: span.entered(), phase, began: self.of.clock.instant() });
    }

    fn end(&mut self, fault: Option<&'static str>) {
        let Ongoing { span, phase, began } = self.step.take().invariant("every step begins before it ends");
        phase.observe((self.of.clock.instant() - began).as_secs_f64());
        let span: Span = span.exit();
        if let Some(fault) = fault {
            telemetry::fail(&span, fault);
        }
    }

    fn note(&mut self, note: Note<'_>) {
        let metrics = &self.of.metrics;
        match note {
            Note::BlockRefused { block, origin, refusal, blame } => {
                self.of.refused(block, origin, refusal, blame);
            }
            Note::NoRoom => drop(metrics.blocks_refused.get([NO_ROOM]).inc()),
            Note::Propagated { delay_ms } => metrics.propagation.observe(delay_ms as f64 / 1000.0),
            Note::Inserted(block) => {
                let clock = &self.of.clock;
                let (came, at) = (self.came.unwrap_or_else(|| clock.instant()), clock.now_ms());
                self.of.insertions.insert(block.hash(), Insertion { came, at: TimestampMs(at) });
            }
            Note::Arrived { block, at } => self.of.shown.came(block.header(), block.hash(), at),
            Note::TransactionAdmitted => drop(metrics.transactions.admitted.inc()),
            Note::TransactionRefused(rule) => drop(metrics.transactions.refused.get([rule]).inc()),
            Note::TransactionDropped(reason) => drop(metrics.transactions.dropped.get([reason]).inc()),
            Note::TransactionsIncluded(count) => drop(metrics.transactions.included.inc_by(count)),
            Note::DroppedAfterReorg(dropped) => {
                tracing::warn!(?dropped, "pending transactions are dropped after a reorganisation");
            }
        }
    }
}
