//! The loop: receive, ask the machine, perform. Sole owner of the machine and the claim book.

mod floor;
mod heard;

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use futures::stream::BoxStream;
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{Interval, MissedTickBehavior};
use tracing::Instrument as _;
use vision_authoring::{Event, Input, Machine, Now, Op, Output, Proposal};
use vision_host::health::Condition;
use vision_host::telemetry::number;
use vision_host::{Drain, Health};
use vision_primitives::{Hash, Height, TimestampMs};
use vision_wire::EventLog;
use vision_wire::chain::{WatchBlocksResponse, WatchHeadResponse};
use vision_wire::producer::MiningStatus;
use vision_wire::sync_oracle::{Snapshot, WatchSnapshotResponse};
use vision_wire::watch::WatchItem;

use crate::perform::{Done, Executor, Pools, ShellEvent, is_unavailable};
use crate::ports::Neighbours;
use crate::reporter::Report;
use crate::signer::{Claim, ClaimBook, Write};
use crate::status::{Bars, Trouble, compose, judge};
use crate::trace::{Duty, task_span};
use crate::{Error, adapters, log_line};
use floor::FloorWrites;

/// Tasks under way at once; with more, no new head is taken in until some have ended.
const MAX_TASKS: usize = 64;
/// Longest sleep towards a slot; the clock is looked at again after it.
const MAX_SLEEP: Duration = Duration::from_secs(1);

/// Where the actor publishes what it knows.
pub(crate) struct Outlets {
    pub health: Health,
    pub statuses: EventLog<MiningStatus>,
    pub claims: watch::Sender<Arc<ClaimBook>>,
    /// Why this node makes no block, and that the actor lives.
    pub report: watch::Sender<Report>,
}

/// The claims are older than the key's last use.
pub(crate) struct Stale {
    pub highest_own: Height,
    pub highest_claimed: Height,
}

/// What must hold for the service to serve.
struct Conditions {
    chain: Condition,
    sync_oracle: Condition,
    selection: Condition,
    claims: Condition,
}

pub(crate) struct Actor<N> {
    executor: Executor<N>,
    machine: Machine,
    book: ClaimBook,
    outlets: Outlets,
    conditions: Conditions,
    trouble: Trouble,
    heads: BoxStream<'static, WatchItem<WatchHeadResponse>>,
    snapshots: BoxStream<'static, WatchItem<WatchSnapshotResponse>>,
    /// Blocks that bear this key, as they are stored.
    stored: BoxStream<'static, WatchItem<WatchBlocksResponse>>,
    tick: Interval,
    tasks: JoinSet<Done>,
    /// The head last heard.
    head: Option<Hash>,
    /// The questions that a new head makes pointless.
    about_this_head: Vec<AbortHandle>,
    pools: Option<Arc<Pools>>,
    snapshot: Option<Snapshot>,
    /// The chain from its beginning to this block was looked through, as far as it is.
    audited_to: Option<Hash>,
    /// Blocks seen that bear this key and are not of its claims.
    foreign_blocks: u64,
    floor: FloorWrites,
    shown: Option<MiningStatus>,
    stale: Option<Stale>,
    /// The span of the height to be produced.
    duty: Option<Duty>,
}

impl<N: Neighbours> Actor<N> {
    pub(crate) fn new(
        executor: Executor<N>,
        machine: Machine,
        book: ClaimBook,
        tick_ms: u64,
        outlets: Outlets,
    ) -> Self {
        let condition = |name: &str| outlets.health.condition(name);
        let conditions = Conditions {
            chain: condition(adapters::CHAIN),
            sync_oracle: condition(adapters::SYNC_ORACLE),
            selection: condition(adapters::SELECTION),
            claims: condition("claims"),
        };
        conditions.claims.ok();
        outlets.health.set_serving();
        let mut tick = tokio::time::interval(Duration::from_millis(tick_ms));
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self {
            heads: executor.neighbours.watch_head(),
            snapshots: executor.neighbours.watch_snapshot(),
            stored: executor.neighbours.watch_blocks_of(executor.signer.id()),
            executor,
            machine,
            book,
            outlets,
            conditions,
            trouble: Trouble::default(),
            tick,
            tasks: JoinSet::new(),
            head: None,
            about_this_head: Vec::new(),
            pools: None,
            snapshot: None,
            audited_to: None,
            foreign_blocks: 0,
            floor: FloorWrites::default(),
            shown: None,
            stale: None,
            duty: None,
        }
    }

    /// Works until the drain begins or the machine refuses to go on.
    pub(crate) async fn run(mut self, drain: Drain) -> Result<(), Stale> {
        self.outlets.claims.send_replace(Arc::new(self.book.clone()));
        while self.stale.is_none() {
            let nap = self.nap();
            tokio::select! {
                biased;
                () = drain.begun() => break,
                Some(done) = self.tasks.join_next(), if !self.tasks.is_empty() => self.on_done(done),
                Some(item) = self.heads.next(), if self.tasks.len() < MAX_TASKS => self.on_head(item),
                Some(item) = self.stored.next() => self.on_stored(item),
                Some(item) = self.snapshots.next() => self.on_snapshot(item),
                () = tokio::time::sleep(nap) => self.give(Input::Tick),
                _ = self.tick.tick() => self.give(Input::Tick),
            }
            self.publish();
        }
        self.stop().await;
        self.stale.map_or(Ok(()), Err)
    }

    /// Lets a commit under way end, and saves which claims are done, and the floor if it has risen.
    async fn stop(&mut self) {
        self.tasks.abort_all();
        while self.tasks.join_next().await.is_some() {}
        let write = self.write(None, self.machine.guard().floor());
        // A write of the floor that had not begun is called off with the rest.
        if !write.claims.is_empty() || self.floor.ever_rose() {
            let signer = Arc::clone(&self.executor.signer);
            let saved = self.executor.threads.work(move || signer.commit(&write)).await;
            if let Ok(Err(error)) = saved {
                tracing::warn!(%error, "the claims are not marked as done on disk");
            }
        }
    }

    fn now(&self) -> Now {
        let clock = &self.executor.clock;
        Now { wall: TimestampMs(clock.now_ms()), mono_ms: clock.monotonic_ms() }
    }

    fn nap(&self) -> Duration {
        let now = self.now();
        let wake_at = self.machine.wake_at(now);
        wake_at.map_or(MAX_SLEEP, |at| Duration::from_millis(at.since_ms(now.wall)).min(MAX_SLEEP))
    }

    fn on_done(&mut self, done: Result<Done, tokio::task::JoinError>) {
        match done {
            Ok(Done { input, event }) => {
                self.executor.metrics.input(&input);
                if let (Input::Audited { op, .. }, ShellEvent::Audited { tip, .. }) = (&input, &event)
                    && self.machine.is_auditing(*op)
                {
                    self.audited_to = *tip;
                }
                self.on_shell_event(event);
                self.give(input);
            }
            // Called off; or a fault of ours, whose answer the machine gives up by itself.
            Err(error) if error.is_cancelled() => {}
            Err(error) => tracing::error!(%error, "a task did not end"),
        }
        self.save_floor();
    }

    fn on_shell_event(&mut self, event: ShellEvent) {
        match event {
            ShellEvent::Nothing => {}
            ShellEvent::Scheduled(pools) => {
                self.pools = Some(pools);
                self.conditions.selection.ok();
                self.trouble.selection = None;
            }
            ShellEvent::Unavailable(service, error) => {
                tracing::debug!(service, error = error.message(), "no answer");
                if service == adapters::SELECTION && is_unavailable(&error) {
                    let why = error.message().to_owned();
                    self.conditions.selection.failed(why.clone());
                    self.trouble.selection = Some(why);
                }
            }
            ShellEvent::Audited { own: blocks, .. } => {
                if self.trouble.other_chain.take().is_some() {
                    self.conditions.chain.ok();
                }
                let changed = blocks.iter().filter(|block| self.book.mark_done(block)).count();
                if changed > 0 {
                    self.publish_claims();
                }
            }
            ShellEvent::OtherChain(other) => {
                let ours = self.executor.genesis_hash;
                let why = format!(
                    "the chain service follows the chain {other}, the genesis file is of chain {ours}"
                );
                self.conditions.chain.failed(why.clone());
                self.trouble.other_chain = Some(why);
            }
            ShellEvent::Written(write) => {
                self.book.saved(&write.claims);
                self.executor.metrics.claims.inc_by(u64::from(write.proposal.is_some()));
                self.conditions.claims.ok();
                self.trouble.claims = None;
            }
            ShellEvent::NotWritten(why) => {
                self.conditions.claims.failed(why.clone());
                self.trouble.claims = Some(why);
            }
        }
    }

    fn give(&mut self, input: Input) {
        let now = self.now();
        for output in self.machine.handle(input, now) {
            self.perform(output);
        }
    }

    fn perform(&mut self, output: Output) {
        let executor = self.executor.clone();
        let genesis_hash = executor.genesis_hash;
        match output {
            Output::AskSchedule { op, head, slots } => {
                let known = self.pools.clone();
                let span = task_span!(self.duty, &genesis_hash, head.height.next(), "producer.schedule.ask");
                let asking = self.tasks.spawn(executor.schedule(op, head, slots, known).instrument(span));
                self.about_this_head.push(asking);
            }
            Output::AskRecord { op, head } => drop(self.tasks.spawn(executor.record(op, head))),
            Output::Audit { op } => drop(self.tasks.spawn(executor.audit(op, self.audited_to))),
            Output::SaveFloor { .. } => {
                self.floor.has_risen();
                self.save_floor();
            }
            Output::Prepare { op, ask } => {
                let (height, slot) = (ask.parent.height.next(), number(ask.window.slot.get()));
                let span = task_span!(
                    self.duty,
                    &genesis_hash,
                    height,
                    "producer.block.prepare",
                    "vision.slot" = slot
                );
                let asking = self.tasks.spawn(executor.prepare(op, ask).instrument(span));
                self.about_this_head.push(asking);
            }
            Output::Commit { op, proposal, floor } => self.commit(op, proposal, floor),
            Output::Submit { op, proposal } => {
                let span = task_span!(
                    self.duty,
                    &genesis_hash,
                    proposal.height,
                    "producer.block.submit",
                    "vision.slot" = number(proposal.slot.get()),
                    "vision.block.hash" = proposal.hash.to_string()
                );
                drop(self.tasks.spawn(executor.submit(op, proposal).instrument(span)));
            }
            Output::MarkDone { block } => {
                if self.book.mark_done(&block) {
                    self.publish_claims();
                }
            }
            Output::SendSyncProof { op, height, hash } => {
                self.tasks.spawn(executor.sync_proof(op, height, hash));
            }
            Output::Refuse { highest_own, highest_claimed } => {
                self.stale = Some(Stale { highest_own, highest_claimed });
            }
            Output::Log(event) => {
                self.executor.metrics.event(&event);
                if let Event::KeyUsedElsewhere { blocks, .. } = &event {
                    self.foreign_blocks += blocks;
                }
                if let Some(duty) = &mut self.duty {
                    duty.on_event(&event);
                }
                log_line::write(&event, &genesis_hash);
            }
        }
    }

    /// Has a receipt, the promise and the whole proposal written; what is signed comes after it.
    fn commit(&mut self, op: Op, proposal: Arc<Proposal>, floor: Height) {
        let executor = self.executor.clone();
        self.book.add(Claim {
            height: proposal.height,
            winner_id: executor.signer.id(),
            tip_hash: proposal.parent,
            claimed_at: proposal.claimed_at,
            slot_idx: proposal.slot,
            block_hash: proposal.hash,
            done: false,
        });
        self.publish_claims();
        let span = task_span!(
            self.duty,
            &executor.genesis_hash,
            proposal.height,
            "producer.claim.commit",
            "vision.slot" = number(proposal.slot.get()),
            "vision.block.hash" = proposal.hash.to_string()
        );
        let write = self.write(Some(proposal), floor);
        let threads = executor.threads;
        threads.work_in(&mut self.tasks, move || span.in_scope(|| executor.commit(op, write)));
    }

    fn write(&self, proposal: Option<Arc<Proposal>>, floor: Height) -> Write {
        Write { claims: self.book.unsaved(), proposal, floor }
    }

    fn publish_claims(&self) {
        self.outlets.claims.send_replace(Arc::new(self.book.clone()));
    }

    /// Shows the status if it changed. While the schedule of a new head is not known yet, what is shown stays
    /// that of the head before.
    fn publish(&mut self) {
        let turn_ms = self.executor.clock.monotonic_ms();
        // A turn by itself changes nothing that is reported.
        self.outlets.report.send_if_modified(|report| {
            report.turn_ms = turn_ms;
            false
        });
        let snapshot = self.snapshot.as_ref();
        let whole = self.machine.view().zip(snapshot);
        if let Some((view, _)) = &whole {
            self.executor.metrics.show(view);
        }
        let me = self.executor.signer.id();
        let status = whole.map(|(view, snapshot)| compose(&view, snapshot, &me, &self.book));
        let Some(mut status) = status.or_else(|| self.shown.clone()) else { return };
        let elsewhere = self.machine.used_elsewhere();
        status.foreign_blocks = self.foreign_blocks;
        status.highest_foreign_block = elsewhere.map_or(0, Height::get);
        let bars = Bars { floor: self.machine.barred(), elsewhere };
        let (blocked, standing) = (self.machine.blocked(self.now()), self.machine.standing());
        judge(&mut status, blocked, bars, standing, snapshot, &self.trouble);
        if self.shown.as_ref() != Some(&status) {
            let because = status.not_eligible_because.clone();
            self.outlets.report.send_if_modified(|report| report.say(because));
            self.outlets.statuses.publish(status.clone());
            self.shown = Some(status);
        }
    }
}

impl Stale {
    pub(crate) fn into_error(self, home: &std::path::Path) -> Error {
        Error::ClaimsTooOld {
            path: crate::signer::state_path(home),
            home: home.to_owned(),
            highest_own: self.highest_own,
            highest_claimed: self.highest_claimed,
        }
    }
}
