//! Takes ended spans from whoever ends them, without ever making anybody wait.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use opentelemetry::trace::Span as _;
use opentelemetry::{Context, KeyValue, TraceId};
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{Span, SpanData, SpanProcessor};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::kept::Kept;
use super::names;
use super::sampling::Ratio;

/// What has become of the spans so far.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counters {
    /// Taken by the collector.
    pub exported: u64,
    /// Dropped because the collector did not keep up and the queue was full.
    pub queue_full: u64,
    /// Dropped because the collector did not take them.
    pub export_failed: u64,
    /// Dropped because the process ended before the collector took them.
    pub shutdown: u64,
    /// Dropped before their time because too many spans waited for a late decision.
    pub waiting_full: u64,
    /// Of traces that the sampler leaves out and nobody wanted to keep.
    pub unsampled: u64,
    /// In the queue now.
    pub queue_spans: u64,
}

/// The counters while they count.
#[derive(Default, Debug)]
pub(super) struct Counts {
    pub exported: AtomicU64,
    pub queue_full: AtomicU64,
    pub export_failed: AtomicU64,
    pub shutdown: AtomicU64,
    pub waiting_full: AtomicU64,
    pub unsampled: AtomicU64,
}

pub(super) fn count(counter: &AtomicU64, more: usize) {
    counter.fetch_add(more as u64, Ordering::Relaxed);
}

/// What the worker is given.
#[expect(clippy::large_enum_variant, reason = "nearly all of them are spans")]
pub(super) enum Item {
    Span(SpanData),
    /// A trace is to be kept.
    Keep(TraceId),
}

/// Which service of the process a span is of; passed down from a span to those below it.
pub(super) struct Service(pub &'static str);

/// What callers and the worker share.
pub(super) struct Shared {
    pub ratio: Ratio,
    pub counts: Counts,
    kept: Mutex<Kept>,
    /// The end has begun: nothing is taken any more.
    pub ending: CancellationToken,
    /// Whether the worker has ended.
    ended: Mutex<bool>,
    end_signal: Condvar,
}

impl Shared {
    pub(super) fn new(ratio: Ratio) -> Self {
        Self {
            ratio,
            counts: Counts::default(),
            kept: Mutex::default(),
            ending: CancellationToken::new(),
            ended: Mutex::new(false),
            end_signal: Condvar::new(),
        }
    }

    /// Says that the worker has ended.
    pub(super) fn end(&self) {
        *self.ended.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.end_signal.notify_all();
    }

    pub(super) fn kept(&self) -> MutexGuard<'_, Kept> {
        // No code that can panic runs under this lock.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The processor. Cheap to clone; all clones are one.
#[derive(Clone)]
pub(super) struct Processor {
    queue: mpsc::Sender<Item>,
    shared: Arc<Shared>,
}

impl Processor {
    /// A processor and the queue that its worker empties.
    pub(super) fn new(ratio: Ratio, queue_spans: usize) -> (Self, mpsc::Receiver<Item>, Arc<Shared>) {
        let (queue, items) = mpsc::channel(queue_spans);
        let shared = Arc::new(Shared::new(ratio));
        (Self { queue, shared: shared.clone() }, items, shared)
    }

    /// Keeps a trace that the ratio leaves out.
    pub(super) fn keep(&self, trace: TraceId) {
        if self.shared.ratio.takes(trace) || !self.shared.kept().add(trace) {
            return;
        }
        // Without room its spans of before are lost; those that come are still kept.
        let _ = self.queue.try_send(Item::Keep(trace));
    }

    /// The traces kept last, as sent to other services.
    pub(super) fn advertised(&self) -> Option<String> {
        self.shared.kept().advertised()
    }

    pub(super) fn take(&self, span: SpanData) {
        if self.shared.ending.is_cancelled() {
            return count(&self.shared.counts.shutdown, 1);
        }
        match self.queue.try_send(Item::Span(span)) {
            Ok(()) => {}
            Err(mpsc::error::TrySendError::Full(_)) => count(&self.shared.counts.queue_full, 1),
            Err(mpsc::error::TrySendError::Closed(_)) => count(&self.shared.counts.shutdown, 1),
        }
    }

    pub(super) fn counters(&self) -> Counters {
        let counts = &self.shared.counts;
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Counters {
            exported: read(&counts.exported),
            queue_full: read(&counts.queue_full),
            export_failed: read(&counts.export_failed),
            shutdown: read(&counts.shutdown),
            waiting_full: read(&counts.waiting_full),
            unsampled: read(&counts.unsampled),
            queue_spans: (self.queue.max_capacity() - self.queue.capacity()) as u64,
        }
    }

    /// Ends the worker, which sends what it still can; returns when it has, or after `deadline`.
    pub(super) fn flush(&self, deadline: Duration) {
        self.shared.ending.cancel();
        let ended = self.shared.ended.lock().unwrap_or_else(PoisonError::into_inner);
        // Nobody is left to learn that it took too long.
        let _ = self.shared.end_signal.wait_timeout_while(ended, deadline, |ended| !*ended);
    }
}

impl fmt::Debug for Processor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Processor").field("counters", &self.counters()).finish()
    }
}

impl SpanProcessor for Processor {
    fn on_start(&self, span: &mut Span, context: &Context) {
        if let Some(Service(name)) = context.get() {
            span.set_attribute(KeyValue::new(names::SERVICE, *name));
        }
    }

    fn on_end(&self, span: SpanData) {
        self.take(span);
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.flush(timeout);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
