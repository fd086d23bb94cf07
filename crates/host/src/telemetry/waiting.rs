//! Spans of traces that the ratio leaves out, held for a while: somebody may say that theirs is to be kept.

use std::collections::VecDeque;
use std::time::Duration;

use opentelemetry::TraceId;
use opentelemetry_sdk::trace::SpanData;
use tokio::time::Instant;

/// How long a span waits: a reorganisation or a slot that was missed shows within a few blocks.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);
/// Spans that wait at most, about a kilobyte each; the oldest go first.
pub(super) const MAX_SPANS: usize = 16_384;

/// The spans, oldest first.
pub(super) struct Waiting {
    spans: VecDeque<(Instant, SpanData)>,
    max_spans: usize,
}

impl Waiting {
    pub(super) const fn new(max_spans: usize) -> Self {
        Self { spans: VecDeque::new(), max_spans }
    }

    pub(super) fn len(&self) -> usize {
        self.spans.len()
    }

    /// Adds a span; false if another one had to go for it.
    pub(super) fn push(&mut self, now: Instant, span: SpanData) -> bool {
        self.spans.push_back((now, span));
        if self.spans.len() <= self.max_spans {
            return true;
        }
        self.spans.pop_front();
        false
    }

    /// Lets those go that have waited long enough; says how many.
    pub(super) fn expire(&mut self, now: Instant) -> usize {
        let stay = self
            .spans
            .iter()
            .position(|(since, _)| now.duration_since(*since) < PATIENCE)
            .unwrap_or(self.len());
        self.spans.drain(..stay).count()
    }

    /// Takes out the spans of a trace.
    pub(super) fn take(&mut self, trace: TraceId) -> Vec<SpanData> {
        let (mut taken, mut left) = (Vec::new(), VecDeque::with_capacity(self.spans.len()));
        for (since, span) in self.spans.drain(..) {
            if span.span_context.trace_id() == trace {
                taken.push(span);
            } else {
                left.push_back((since, span));
            }
        }
        self.spans = left;
        taken
    }
}
