//! The gRPC face: decode, compute, encode.

use std::sync::Arc;

use tokio::sync::Semaphore;
use tonic::{Request, Response, Status};
use tracing::Span;
use vision_host::Threads;
use vision_host::metrics::time;
use vision_primitives::{Slot, TimestampMs};
use vision_schedule::SlotWindow;
use vision_wire::selection::selection_service_server::SelectionService;
use vision_wire::selection::{
    GetScheduleRequest, GetScheduleResponse, ScheduledSlot, VerifySlotRequest, VerifySlotResponse,
};
use vision_wire::{Reason, parse_hash, status};

use crate::decode::Question;
use crate::metrics::SelectionMetrics;

/// Hashes and ids up to which an answer is worked out at once; about a millisecond.
const MAX_WORK_AT_ONCE: usize = 4096;
/// Larger answers worked out at the same time.
const MAX_LARGE_AT_ONCE: usize = 2;

/// Answers calls.
#[derive(Clone, Debug)]
pub(crate) struct Rpc {
    places: Arc<Semaphore>,
    metrics: SelectionMetrics,
    threads: Threads,
}

impl Rpc {
    pub(crate) fn new(metrics: SelectionMetrics, threads: Threads) -> Self {
        Self { places: Arc::new(Semaphore::new(MAX_LARGE_AT_ONCE)), metrics, threads }
    }

    /// Works an answer out: a small one here, a large one off the threads that serve everybody.
    async fn work<T: Send + 'static>(
        &self,
        question: Question,
        answer: impl FnOnce(Question) -> Result<T, Status> + Send + 'static,
    ) -> Result<T, Status> {
        if question.work() <= MAX_WORK_AT_ONCE {
            return answer(question);
        }
        let broken = |_| status(Reason::Internal, "the answer could not be computed", &[]);
        // The place is held until the work is done, also when nobody waits for it any more.
        let place = Arc::clone(&self.places).acquire_owned().await;
        let work = self.threads.work(move || {
            let _place = place;
            answer(question)
        });
        work.await.map_err(broken)?
    }
}

#[tonic::async_trait]
impl SelectionService for Rpc {
    async fn get_schedule(
        &self,
        request: Request<GetScheduleRequest>,
    ) -> Result<Response<GetScheduleResponse>, Status> {
        let request = request.into_inner();
        let span = deal_span(&request);
        let question = Question::new(request, None)?;
        let dealing = self.metrics.deal.clone();
        let deal = move |question| span.in_scope(|| time(&dealing, || schedule(question)));
        let answer = self.work(question, deal).await?;
        self.metrics.schedules.inc();
        Ok(Response::new(answer))
    }

    async fn verify_slot(
        &self,
        request: Request<VerifySlotRequest>,
    ) -> Result<Response<VerifySlotResponse>, Status> {
        let VerifySlotRequest { schedule, slot, node_id, timestamp_ms } = request.into_inner();
        let Some(schedule) = schedule else {
            let message = "schedule: the pools, entropy and height are missing";
            return Err(status(Reason::InvalidArgument, message, &[("field", "schedule".into())]));
        };
        let node_id = parse_hash("node_id", &node_id)?;
        let question = Question::new(schedule, Some(Slot(slot)))?;
        let verify = move |question: Question| {
            let subject = question.resolve()?;
            let window = subject.schedule.window(Slot(slot));
            let verdict = subject.schedule.check(Slot(slot), &node_id, TimestampMs(timestamp_ms));
            Ok(VerifySlotResponse {
                valid: verdict.is_ok(),
                reason: verdict.err().map(|error| error.reason().to_owned()).unwrap_or_default(),
                slot: Some(encode(&window)),
            })
        };
        self.work(question, verify).await.map(Response::new)
    }
}

/// The span of a schedule, in the trace of whoever asks for it. This service knows no chain, so it has no
/// trace of its own.
fn deal_span(request: &GetScheduleRequest) -> Span {
    if Span::current().is_disabled() {
        return Span::none();
    }
    tracing::info_span!(
        "selection.schedule.deal",
        "vision.height" = i64::try_from(request.height).unwrap_or(i64::MAX),
        "vision.slots" = i64::try_from(request.slots.len()).unwrap_or(i64::MAX),
    )
}

fn schedule(question: Question) -> Result<GetScheduleResponse, Status> {
    let subject = question.resolve()?;
    Ok(GetScheduleResponse {
        seed: subject.schedule.seed().to_string(),
        epoch_salt: subject.epoch_salt.to_string(),
        slots: subject.schedule.windows(&subject.slots).iter().map(encode).collect(),
    })
}

fn encode(window: &SlotWindow) -> ScheduledSlot {
    ScheduledSlot {
        slot: window.slot.get(),
        node_id: window.owner.to_string(),
        jitter_ms: window.jitter_ms,
        opens_at_ms: window.opens_at.get(),
        closes_at_ms: window.closes_at.get(),
    }
}
