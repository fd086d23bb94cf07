//! The loop: what the chain service reports and the clock go in, snapshots come out. Sole owner of the
//! machine.

use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt};
use tokio::sync::watch;
use tokio::time::{Interval, MissedTickBehavior};
use tonic::Status;
use tracing::{Instrument as _, Span};
use vision_host::{Clock, Health, telemetry};
use vision_primitives::trace::HeightTrace;
use vision_primitives::{ConsensusParams, Hash, Height, TimestampMs};
use vision_sync_status::{
    Loss, NotEligible, Question, QuestionFailed, Readiness, SyncMachine, SyncParams, SyncState, TickInput,
};
use vision_wire::EventLog;
use vision_wire::chain::{Head, Peer, WatchHeadResponse, WatchPeersResponse};
use vision_wire::sync_oracle as proto;
use vision_wire::watch::WatchItem;

use crate::encode;
use crate::heard_heads::HeardHeads;
use crate::log_line::snapshot_line;
use crate::metrics::OracleMetrics;
use crate::pools::{PoolPair, Pools};
use crate::ports::Chain;
use crate::trace;

/// One tick in so many is logged at info level even if nothing changed.
const INFO_EVERY_TICKS: u64 = 10;
/// A head that stays ahead of this clock is warned of again after this time, milliseconds.
const WARN_EVERY_MS: u64 = 30_000;

/// The chain service's answer to a question.
enum Answer {
    Params(Result<(SyncParams, Option<Hash>), Status>),
    Pools(Result<(u64, Arc<PoolPair>), Status>),
}

/// The oracle.
pub(crate) struct Oracle<C> {
    chain: C,
    clock: Clock,
    health: Health,
    snapshots: EventLog<proto::Snapshot>,
    reports: watch::Sender<Option<proto::Snapshot>>,
    heads: HeardHeads,
    metrics: OracleMetrics,
    pools: Pools<C>,
    interval: Interval,
    machine: SyncMachine,
    params: Option<SyncParams>,
    /// Which chain's traces are meant.
    genesis_hash: Option<Hash>,
    readiness: Readiness,
    head: Head,
    peers: Vec<Peer>,
    /// The newest pools known; those of `head` unless its membership just changed.
    newest: Option<Arc<PoolPair>>,
    /// The question that is open.
    asking: Option<BoxFuture<'static, Answer>>,
    /// State and eligibility last logged at info level.
    logged: (SyncState, bool),
    /// When a head ahead of this clock was last warned of, by the clock that never jumps.
    warned_ms: Option<u64>,
}

/// What the oracle speaks to.
pub(crate) struct Outlets {
    pub health: Health,
    pub snapshots: EventLog<proto::Snapshot>,
    pub reports: watch::Sender<Option<proto::Snapshot>>,
    /// Where the heads heard are noted.
    pub heads: HeardHeads,
    pub metrics: OracleMetrics,
}

impl<C: Chain> Oracle<C> {
    /// An oracle that has heard nothing; its first snapshot says so.
    pub(crate) fn new(chain: C, pools: Pools<C>, clock: Clock, interval_ms: u64, outlets: Outlets) -> Self {
        let Outlets { health, snapshots, reports, heads, metrics } = outlets;
        let mut interval = tokio::time::interval(Duration::from_millis(interval_ms));
        interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let oracle = Self {
            chain,
            clock,
            health,
            snapshots,
            reports,
            heads,
            metrics,
            pools,
            interval,
            machine: SyncMachine::new(SyncParams::from(&ConsensusParams::default())),
            params: None,
            genesis_hash: None,
            readiness: Readiness::default(),
            head: Head::default(),
            peers: Vec::new(),
            newest: None,
            asking: None,
            logged: (SyncState::Behind, false),
            warned_ms: None,
        };
        oracle.publish(false);
        oracle.health.set_not_serving("chain: no answer yet");
        oracle
    }

    /// Works until dropped.
    pub(crate) async fn run(mut self) {
        let mut heads = self.heads.noting(self.chain.watch_head());
        let mut peers = self.chain.watch_peers();
        loop {
            self.ask();
            tokio::select! {
                biased;
                Some(item) = heads.next() => match item {
                    WatchItem::Event(event) => self.on_head(event),
                    WatchItem::Lost(error) => {
                        let loss = self.readiness.head_lost();
                        self.on_loss(loss, &error);
                    }
                },
                Some(item) = peers.next() => match item {
                    WatchItem::Event(event) => self.on_peers(event),
                    WatchItem::Lost(error) => {
                        let loss = self.readiness.peers_lost();
                        self.on_loss(loss, &error);
                    }
                },
                answer = answer(&mut self.asking) => self.on_answer(answer),
                _ = self.interval.tick() => {
                    if self.readiness.ticked() {
                        self.tick();
                    }
                }
            }
            self.become_ready();
        }
    }

    /// Asks what is missing, if anything is and no question is open.
    fn ask(&mut self) {
        match self.readiness.next_question() {
            None => {}
            Some(Question::Params) => {
                let chain = self.chain.clone();
                self.asking = Some(async move { Answer::Params(chain.sync_params().await) }.boxed());
            }
            Some(Question::Pools) => {
                let (pools, hash) = (self.pools.clone(), self.head.hash.clone());
                let span =
                    self.span(|next| tracing::info_span!("sync_oracle.pools.ask", "vision.height" = next));
                let asking = async move { Answer::Pools(pools.after(&hash).await) };
                self.asking = Some(asking.instrument(span).boxed());
            }
        }
    }

    fn on_answer(&mut self, answer: Answer) {
        self.asking = None;
        match answer {
            Answer::Params(Ok((params, genesis_hash))) => {
                self.readiness.answered(Question::Params);
                self.genesis_hash = genesis_hash;
                if self.params.replace(params) != Some(params) {
                    self.machine = SyncMachine::new(params);
                }
            }
            Answer::Pools(Ok((_, pools))) => {
                self.readiness.answered(Question::Pools);
                self.newest = Some(pools);
                self.look_up_pools();
            }
            Answer::Params(Err(error)) | Answer::Pools(Err(error)) => {
                match self.readiness.question_failed() {
                    QuestionFailed::StillReady => {
                        tracing::debug!(
                            error = error.message(),
                            "the chain service does not report the pools"
                        );
                    }
                    QuestionFailed::Lost(loss) => self.on_loss(loss, &error),
                }
            }
        }
    }

    /// A span of the height above the head; none before it is known which chain that is of.
    fn span(&self, make: impl FnOnce(i64) -> Span) -> Span {
        let next = self.head.height.saturating_add(1);
        match &self.genesis_hash {
            None => Span::none(),
            Some(genesis_hash) => trace::under(make(telemetry::number(next)), genesis_hash, Height(next)),
        }
    }

    fn on_head(&mut self, event: WatchHeadResponse) {
        if let Some(genesis_hash) = &self.genesis_hash {
            vision_wire::remarkable_traces(genesis_hash, &event).for_each(telemetry::keep);
        }
        let Some(head) = event.head else { return };
        self.readiness.head_heard();
        if head == self.head {
            return;
        }
        self.head = head;
        let span =
            self.span(|next| tracing::info_span!("sync_oracle.snapshot.publish", "vision.height" = next));
        let _inside = span.entered();
        self.look_up_pools();
        self.machine.local_height_moved(Height(self.head.height));
        let changed = self.log_verdict(false);
        self.publish(changed);
    }

    fn on_peers(&mut self, event: WatchPeersResponse) {
        self.readiness.peers_heard();
        self.peers = event.peers;
    }

    fn look_up_pools(&mut self) {
        let known = self.pools.see(&self.head);
        self.readiness.pools_fit(known.is_some());
        self.newest = known.or_else(|| self.newest.take());
    }

    /// The chain service is not to be heard: nobody may rely on what it last said.
    fn on_loss(&mut self, loss: Loss, error: &Status) {
        self.health.set_not_serving(error.message().to_owned());
        if loss == Loss::New {
            self.machine.chain_unavailable(error.message());
            self.log_verdict(false);
            self.publish(true);
        }
    }

    fn become_ready(&mut self) {
        if self.readiness.becomes_ready() {
            self.health.set_serving();
            self.interval.reset();
            self.tick();
        }
    }

    fn tick(&mut self) {
        let now_ms = self.clock.now_ms();
        let input = TickInput {
            now_ms: TimestampMs(now_ms),
            monotonic_ms: self.clock.monotonic_ms(),
            local_height: Height(self.head.height),
            head_at: TimestampMs(self.head.timestamp_ms),
            registered: self.newest.as_ref().map_or(0, |pools| pools.registered.len() as u64),
            peers: self.peers.iter().filter_map(|peer| encode::peer_view(peer, now_ms)).collect(),
        };
        self.machine.tick(&input);
        self.log_verdict(true);
        self.warn_of_head_ahead(input.monotonic_ms);
        self.publish(true);
    }

    /// Sends it to the watchers, and to the chain service too if it matters to it.
    fn publish(&self, report: bool) {
        self.metrics.show(self.machine.snapshot());
        let active = self.newest.as_ref().map_or(0, |pools| pools.active.len() as u64);
        let snapshot = encode::snapshot(self.machine.snapshot(), &self.head.hash, active);
        if report {
            self.reports.send_replace(Some(snapshot.clone()));
        }
        self.snapshots.publish(snapshot);
    }

    /// Says now and then that nothing can be produced because the head is ahead of this clock.
    fn warn_of_head_ahead(&mut self, monotonic_ms: u64) {
        let Some(because @ NotEligible::HeadAhead { .. }) = &self.machine.snapshot().because else {
            if self.warned_ms.take().is_some() {
                tracing::info!("the head is no longer ahead of this clock");
            }
            return;
        };
        if self.warned_ms.is_none_or(|warned| monotonic_ms.saturating_sub(warned) >= WARN_EVERY_MS) {
            self.warned_ms = Some(monotonic_ms);
            tracing::warn!("{because}");
        }
    }

    /// One line per tick at debug level; at info level when the verdict changed (which is returned) and now
    /// and then.
    fn log_verdict(&mut self, ticked: bool) -> bool {
        let found = self.machine.snapshot();
        let trace_id =
            self.genesis_hash.map(|genesis_hash| HeightTrace::of(&genesis_hash, found.network_height));
        let verdict = (found.state, found.eligible);
        let changed = std::mem::replace(&mut self.logged, verdict) != verdict;
        if changed || ticked && found.tick.is_multiple_of(INFO_EVERY_TICKS) {
            snapshot_line!(tracing::Level::INFO, found, trace_id);
        } else if ticked {
            snapshot_line!(tracing::Level::DEBUG, found, trace_id);
        }
        changed
    }
}

/// The answer to the open question; for ever pending if there is none.
async fn answer(asking: &mut Option<BoxFuture<'static, Answer>>) -> Answer {
    match asking {
        Some(question) => question.await,
        None => std::future::pending().await,
    }
}
