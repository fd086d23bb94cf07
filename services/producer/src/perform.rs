//! Doing what the machine asks for. Each task ends in an input for the machine, and perhaps in an event for
//! the shell.

use std::sync::Arc;

use tonic::{Code, Status};
use tracing::Span;
use vision_authoring::{Ask, Failure, Head, Input, Op, OwnRecord, Proposal, Standing, verify_prepared};
use vision_host::metrics::time;
use vision_host::telemetry::number;
use vision_host::{Clock, Threads};
use vision_primitives::{Hash, Height, Pool, Slot, TimestampMs};
use vision_schedule::{SlotTiming, SlotWindow};
use vision_wire::chain::{PrepareBlockRequest, SubmitBlockRequest, producer::Status as Registered};
use vision_wire::selection::{GetScheduleRequest, ScheduleParams, ScheduledSlot};
use vision_wire::{Reason, parse_hash, reason_of};

use crate::metrics::ProducerMetrics;
use crate::ports::Neighbours;
use crate::signer::{Signer, Write};

/// What became of a task.
pub(crate) struct Done {
    pub input: Input,
    pub event: ShellEvent,
}

/// What the shell should know besides.
pub(crate) enum ShellEvent {
    Nothing,
    /// The selection service answered, with these pools.
    Scheduled(Arc<Pools>),
    /// Someone did not answer: who and what.
    Unavailable(&'static str, Status),
    /// The chain was looked through.
    Audited {
        /// Its tip; none if it has no block but block 0.
        tip: Option<Hash>,
        /// The blocks of this key.
        own: Vec<Hash>,
    },
    /// The chain service follows another chain.
    OtherChain(Hash),
    /// These rows are on disk.
    Written(Write),
    /// The claims cannot be written.
    NotWritten(String),
}

/// The pools of a height, as texts for the selection service.
pub(crate) struct Pools {
    active: Vec<String>,
    registered: Vec<String>,
    /// Commitments to both.
    roots: (Hash, Hash),
}

impl Pools {
    pub(crate) fn fit(&self, head: &Head) -> bool {
        self.roots == (head.pool_root, head.registered_root)
    }

    fn read(answer: vision_wire::sync_oracle::GetEligiblePoolResponse, head: &Head) -> Result<Self, Status> {
        let root = |field: &str, ids: &[String]| {
            let ids: Result<Vec<_>, _> = ids.iter().map(|id| parse_hash(field, id)).collect();
            Ok::<_, Status>(Pool::new(ids?).root())
        };
        let roots = (root("active", &answer.active)?, root("registered", &answer.registered)?);
        let pools = Self { active: answer.active, registered: answer.registered, roots };
        if answer.parent != head.hash.to_string() || !pools.fit(head) {
            return Err(Status::failed_precondition("the pools reported are not those of the head"));
        }
        Ok(pools)
    }
}

/// What every task needs. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Executor<N> {
    pub neighbours: N,
    pub signer: Arc<Signer>,
    pub clock: Clock,
    pub threads: Threads,
    pub chain_id: Arc<str>,
    pub timing: SlotTiming,
    pub genesis_hash: Hash,
    pub metrics: ProducerMetrics,
}

impl<N: Neighbours> Executor<N> {
    pub(crate) async fn schedule(
        self,
        op: Op,
        head: Head,
        slots: Vec<Slot>,
        known: Option<Arc<Pools>>,
    ) -> Done {
        let failed = |service: &'static str, error: Status| Done {
            input: Input::ScheduleFailed { op },
            event: ShellEvent::Unavailable(service, error),
        };
        let pools = match known.filter(|pools| pools.fit(&head)) {
            Some(pools) => pools,
            None => {
                match self.neighbours.pools(head.hash).await.and_then(|answer| Pools::read(answer, &head)) {
                    Ok(pools) => Arc::new(pools),
                    Err(error) => return failed(crate::adapters::SYNC_ORACLE, error),
                }
            }
        };
        let question = self.question(&head, &slots, &pools);
        let answer = self.neighbours.schedule(question).await;
        let windows = answer.and_then(|answer| read_windows(&answer.slots, &slots));
        match windows {
            Ok(slots) => {
                let me = self.signer.id().to_string();
                let active = pools.active.binary_search(&me).is_ok();
                let active_pool_size = pools.active.len() as u64;
                let input = Input::Scheduled { op, slots, active, active_pool_size };
                Done { input, event: ShellEvent::Scheduled(pools) }
            }
            Err(error) => failed(crate::adapters::SELECTION, error),
        }
    }

    fn question(&self, head: &Head, slots: &[Slot], pools: &Pools) -> GetScheduleRequest {
        GetScheduleRequest {
            chain_id: self.chain_id.to_string(),
            entropy: head.entropy.to_string(),
            height: head.height.next().get(),
            active: pools.active.clone(),
            registered: pools.registered.clone(),
            slots: slots.iter().map(|slot| slot.get()).collect(),
            parent_timestamp_ms: head.timestamp_ms.get(),
            params: Some(ScheduleParams {
                block_interval_ms: Some(self.timing.block_interval_ms),
                claim_timeout_ms: Some(self.timing.claim_timeout_ms),
                backup_slots: Some(self.timing.main_slots - 1),
                jitter_min_ms: Some(self.timing.jitter_min_ms),
                jitter_max_ms: Some(self.timing.jitter_max_ms),
            }),
        }
    }

    pub(crate) async fn record(self, op: Op, head: Hash) -> Done {
        let me = self.signer.id().to_string();
        let record = self.neighbours.producers(head).await.map(|registry| {
            let mut all = registry.registered.iter().chain(&registry.candidates);
            all.find(|producer| producer.node_id == me).map_or(
                OwnRecord { standing: Standing::None, may_return_at: Height(0) },
                |producer| OwnRecord {
                    standing: match producer.status() {
                        Registered::Active => Standing::Active,
                        Registered::Suspended | Registered::Candidate => Standing::Waiting,
                        Registered::Exited | Registered::Unspecified => Standing::None,
                    },
                    may_return_at: Height(producer.may_return_at),
                },
            )
        });
        Done { input: Input::Record { op, record: record.ok() }, event: ShellEvent::Nothing }
    }

    pub(crate) async fn prepare(self, op: Op, ask: Ask) -> Done {
        let request = PrepareBlockRequest {
            parent: ask.parent.hash.to_string(),
            slot: ask.window.slot.get(),
            producer: ask.window.owner.to_string(),
            timestamp_ms: ask.stamp.get(),
        };
        let prepared = match self.neighbours.prepare(request).await {
            Ok(answer) => parse_hash("hash", &answer.hash)
                .map_err(|error| Failure::Refused(error.message().to_owned()))
                .and_then(|prepared_hash| {
                    verify_prepared(&ask, &answer.header, &prepared_hash, &self.genesis_hash)
                        .map_err(|fault| Failure::Refused(fault.to_string()))?;
                    Ok(Arc::new(Proposal {
                        height: ask.parent.height.next(),
                        parent: ask.parent.hash,
                        slot: ask.window.slot,
                        hash: prepared_hash,
                        header: answer.header.to_vec(),
                        transactions: answer.transactions.into_iter().map(Into::into).collect(),
                        claimed_at: TimestampMs(self.clock.now_ms()),
                    }))
                }),
            Err(error) => Err(failure(&error)),
        };
        let input = match prepared {
            Ok(proposal) => Input::Prepared { op, proposal },
            Err(failure) => Input::PrepareFailed { op, failure },
        };
        Done { input, event: ShellEvent::Nothing }
    }

    /// Blocks the thread until the disk has it.
    pub(crate) fn commit(self, op: Op, write: Write) -> Done {
        match time(&self.metrics.claim_commit, || self.signer.commit(&write)) {
            Ok(()) => Done { input: Input::Committed { op }, event: ShellEvent::Written(write) },
            Err(error) => {
                Done { input: Input::CommitFailed { op }, event: ShellEvent::NotWritten(error.to_string()) }
            }
        }
    }

    /// Blocks the thread until the disk has it. What fails is written with the next claim.
    pub(crate) fn save_floor(self, write: Write) -> Done {
        let event = match self.signer.commit(&write) {
            Ok(()) => ShellEvent::Written(write),
            Err(error) => ShellEvent::NotWritten(error.to_string()),
        };
        Done { input: Input::Tick, event }
    }

    pub(crate) async fn submit(self, op: Op, proposal: Arc<Proposal>) -> Done {
        let input = match self.try_submit(&proposal).await {
            Ok((became_head, sent_to, send_failed)) => {
                Input::Submitted { op, proposal, became_head, sent_to, send_failed }
            }
            Err(failure) => Input::SubmitFailed { op, proposal, failure },
        };
        Done { input, event: ShellEvent::Nothing }
    }

    async fn try_submit(&self, proposal: &Proposal) -> Result<(bool, u32, u32), Failure> {
        let signing = sign_span(proposal);
        let signature = signing
            .in_scope(|| self.signer.sign_block(proposal))
            .map_err(|error| Failure::Refused(error.to_string()))?;
        drop(signing);
        // The chain service keeps the bodies it has prepared, unless it has restarted since.
        let block = SubmitBlockRequest {
            header: proposal.header.clone().into(),
            signature: signature.0.to_vec().into(),
            transactions: Vec::new(),
        };
        let submitted = match self.neighbours.submit(block.clone()).await {
            Err(error) if reason_of(&error).as_deref() == Some(Reason::PreparedBlockGone.as_str()) => {
                let transactions = proposal.transactions.iter().cloned().map(Into::into).collect();
                self.neighbours.submit(SubmitBlockRequest { transactions, ..block }).await
            }
            submitted => submitted,
        };
        match submitted {
            Ok(answer) => Ok((answer.became_head, answer.sent_to, answer.send_failed)),
            // Submitted before, and the answer was lost.
            Err(error) if reason_of(&error).as_deref() == Some(Reason::BlockKnown.as_str()) => {
                let canonical = self.neighbours.is_canonical(proposal.hash).await;
                Ok((matches!(canonical, Ok(Some(true))), 0, 0))
            }
            Err(error) => Err(failure(&error)),
        }
    }

    pub(crate) async fn sync_proof(self, op: Op, height: Height, hash: Hash) -> Done {
        let bytes = self.signer.sync_proof(height, hash);
        match self.neighbours.submit_transaction(bytes).await {
            Ok(()) => tracing::debug!(height = height.get(), "sync proof sent"),
            Err(error) => {
                tracing::debug!(height = height.get(), error = error.message(), "sync proof refused")
            }
        }
        Done { input: Input::SyncProofSent { op }, event: ShellEvent::Nothing }
    }
}

/// Whether nobody answered, rather than somebody refusing.
pub(crate) fn is_unavailable(error: &Status) -> bool {
    matches!(
        error.code(),
        Code::Unavailable
            | Code::DeadlineExceeded
            | Code::Cancelled
            | Code::ResourceExhausted
            | Code::Internal
    )
}

fn failure(error: &Status) -> Failure {
    let reason = reason_of(error);
    let is = |wanted: Reason| reason.as_deref() == Some(wanted.as_str());
    if is(Reason::TipChanged) {
        Failure::TipChanged
    } else if is_unavailable(error) || is(Reason::PreparedBlockGone) {
        Failure::Unavailable(error.message().to_owned())
    } else {
        let code = reason.unwrap_or_else(|| format!("{:?}", error.code()));
        Failure::Refused(format!("{code}: {}", error.message()))
    }
}

/// Below the span of the submission, which is there whenever spans are made.
fn sign_span(proposal: &Proposal) -> Span {
    if Span::current().is_disabled() {
        return Span::none();
    }
    tracing::info_span!(
        "producer.block.sign",
        "vision.height" = number(proposal.height.get()),
        "vision.block.hash" = %proposal.hash,
    )
}

/// The windows reported, if they are of exactly the slots asked for.
fn read_windows(scheduled: &[ScheduledSlot], asked: &[Slot]) -> Result<Vec<SlotWindow>, Status> {
    let windows: Result<Vec<_>, Status> = scheduled
        .iter()
        .map(|slot| {
            Ok(SlotWindow {
                slot: Slot(slot.slot),
                owner: parse_hash("node_id", &slot.node_id)?,
                jitter_ms: slot.jitter_ms,
                opens_at: TimestampMs(slot.opens_at_ms),
                closes_at: TimestampMs(slot.closes_at_ms),
            })
        })
        .collect();
    let windows = windows?;
    if windows.iter().map(|window| window.slot).ne(asked.iter().copied()) {
        return Err(Status::failed_precondition("the slots returned are not those requested"));
    }
    Ok(windows)
}
