//! The thread that decides which spans are sent, and sends them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use opentelemetry::trace::Status;
use opentelemetry_sdk::trace::SpanData;
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval, timeout};

use super::names;
use super::processor::{Item, Shared, count};
use super::waiting::Waiting;
use crate::Clock;

/// How often the queue is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// How long the last exports may take altogether.
const LAST_EXPORTS: Duration = Duration::from_millis(1500);

/// Where spans go.
pub(super) trait Export: Send + 'static {
    /// Sends spans of one service.
    fn export(&mut self, service: &str, spans: Vec<SpanData>) -> impl Future<Output = Result<(), String>>;
}

pub(super) struct Worker<E> {
    pub items: mpsc::Receiver<Item>,
    pub shared: Arc<Shared>,
    pub exporter: E,
    pub clock: Clock,
    pub waiting: Waiting,
    pub batch_spans: usize,
    pub delay: Duration,
    pub timeout: Duration,
    /// To be sent, by service.
    pub ready: BTreeMap<String, Vec<SpanData>>,
    /// Whether the last export failed, which is logged once.
    pub failing: bool,
}

impl<E: Export> Worker<E> {
    /// Works until the end begins and everything is sent or given up.
    pub(super) async fn run(mut self) {
        let ending = self.shared.ending.clone();
        let mut look = interval(LOOK_EVERY.min(self.delay));
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut due = self.clock.instant() + self.delay;
        // Looking at the queue now and then, instead of waiting for it, spares whoever ends a span waking
        // this thread, which would cost more than all the rest of the span.
        while tokio::select! { biased; () = ending.cancelled() => false, _ = look.tick() => true } {
            // No more than the queue holds, however fast it is filled again.
            for _ in 0..self.items.max_capacity() {
                let Ok(item) = self.items.try_recv() else { break };
                self.take(item);
            }
            let now = self.clock.instant();
            let full = self.ready.values().any(|spans| spans.len() >= self.batch_spans);
            if full || now >= due {
                count(&self.shared.counts.unsampled, self.waiting.expire(now));
                self.export_until_ending().await;
                due = now + self.delay;
            }
        }
        self.end().await;
    }

    async fn end(mut self) {
        self.items.close();
        while let Ok(item) = self.items.try_recv() {
            self.take(item);
        }
        count(&self.shared.counts.unsampled, self.waiting.len());
        let _ = timeout(LAST_EXPORTS, self.export_all()).await;
        let left: usize = self.ready.values().map(Vec::len).sum();
        count(&self.shared.counts.shutdown, left);
        self.shared.end();
    }

    fn take(&mut self, item: Item) {
        match item {
            Item::Keep(trace) => {
                let spans = self.waiting.take(trace);
                spans.into_iter().for_each(|span| self.make_ready(span));
            }
            Item::Span(span) => {
                let trace = span.span_context.trace_id();
                if self.shared.ratio.takes(trace) || self.shared.kept().contains(trace) {
                    return self.make_ready(span);
                }
                let failed = matches!(span.status, Status::Error { .. });
                if !self.waiting.push(self.clock.instant(), span) {
                    count(&self.shared.counts.waiting_full, 1);
                }
                if failed {
                    self.shared.kept().add(trace);
                    self.take(Item::Keep(trace));
                }
            }
        }
    }

    fn make_ready(&mut self, mut span: SpanData) {
        let at = span.attributes.iter().position(|pair| pair.key.as_str() == names::SERVICE);
        let service = at.map_or_else(String::new, |at| span.attributes.swap_remove(at).value.to_string());
        self.ready.entry(service).or_default().push(span);
    }

    /// Sends what is ready. When the end begins, what is under way gets as long as the last exports do.
    async fn export_until_ending(&mut self) {
        let ending = self.shared.ending.clone();
        let patience = async {
            ending.cancelled().await;
            tokio::time::sleep(LAST_EXPORTS).await;
        };
        tokio::select! {
            biased;
            () = self.export_all() => {}
            () = patience => {}
        }
    }

    async fn export_all(&mut self) {
        while let Some((service, mut spans)) = self.ready.pop_first() {
            if spans.len() > self.batch_spans {
                self.ready.insert(service.clone(), spans.split_off(self.batch_spans));
            }
            let batch = Batch { shared: self.shared.clone(), spans: spans.len() };
            let sent = timeout(self.timeout, self.exporter.export(&service, spans)).await;
            let late = |_| Err(format!("no answer within {} ms", self.timeout.as_millis()));
            self.sent(batch, sent.unwrap_or_else(late));
        }
    }

    fn sent(&mut self, mut batch: Batch, result: Result<(), String>) {
        let spans = std::mem::take(&mut batch.spans);
        match result {
            Ok(()) => {
                count(&self.shared.counts.exported, spans);
                if std::mem::take(&mut self.failing) {
                    tracing::info!("traces are exported again");
                }
            }
            Err(why) => {
                // Who does not take one batch would not take the next one now either.
                let left: usize = std::mem::take(&mut self.ready).values().map(Vec::len).sum();
                count(&self.shared.counts.export_failed, spans + left);
                if !std::mem::replace(&mut self.failing, true) {
                    tracing::warn!(why, "traces cannot be exported and are lost; nothing else is affected");
                }
            }
        }
    }
}

/// Spans on their way. Given up on the way, as at the end of the process, they count as dropped by it.
struct Batch {
    shared: Arc<Shared>,
    spans: usize,
}

impl Drop for Batch {
    fn drop(&mut self) {
        count(&self.shared.counts.shutdown, self.spans);
    }
}
