//! What became of the process's spans.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::metrics::MetricType;

use super::process::NO_EXEMPLAR;

/// Why a span was lost.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DropCause {
    /// The queue towards the exporter was full.
    QueueFull,
    /// The collector did not take it.
    ExportFailed,
    /// The process ended before it was sent.
    Shutdown,
    /// The buffer of those that may yet be kept was full.
    WaitingFull,
}

impl DropCause {
    const ALL: [Self; 4] = [Self::QueueFull, Self::ExportFailed, Self::Shutdown, Self::WaitingFull];

    const fn name(self) -> &'static str {
        match self {
            Self::QueueFull => "queue_full",
            Self::ExportFailed => "export_failed",
            Self::Shutdown => "shutdown",
            Self::WaitingFull => "waiting_full",
        }
    }
}

/// Counts of the process's spans.
#[derive(Debug, Default)]
pub struct SpanCounters {
    exported: AtomicU64,
    dropped: [AtomicU64; 4],
    unsampled: AtomicU64,
    queued: AtomicU64,
}

impl SpanCounters {
    /// None yet.
    #[must_use]
    pub const fn new() -> Self {
        let dropped = [const { AtomicU64::new(0) }; 4];
        let (exported, unsampled, queued) = (AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0));
        Self { exported, dropped, unsampled, queued }
    }

    /// So many have reached the collector.
    pub fn exported(&self, spans: u64) {
        self.exported.fetch_add(spans, Ordering::Relaxed);
    }

    /// So many are lost.
    pub fn dropped(&self, cause: DropCause, spans: u64) {
        self.dropped[cause as usize].fetch_add(spans, Ordering::Relaxed);
    }

    /// So many were not to be sent.
    pub fn unsampled(&self, spans: u64) {
        self.unsampled.fetch_add(spans, Ordering::Relaxed);
    }

    /// So many wait for being sent.
    pub fn queued(&self, spans: u64) {
        self.queued.store(spans, Ordering::Relaxed);
    }
}

/// The counts of this process.
#[must_use]
pub fn span_counters() -> &'static SpanCounters {
    static COUNTERS: SpanCounters = SpanCounters::new();
    &COUNTERS
}

/// Shows [`span_counters`].
#[derive(Debug)]
pub(super) struct Spans;

impl Collector for Spans {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let counts = span_counters();
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let (name, help) = ("vision_telemetry_spans_exported", "Spans that the collector has taken.");
        encoder
            .encode_descriptor(name, help, None, MetricType::Counter)?
            .encode_counter(&read(&counts.exported), NO_EXEMPLAR)?;
        let (name, help) = ("vision_telemetry_spans_dropped", "Spans lost, by cause.");
        let mut dropped = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
        for cause in DropCause::ALL {
            let count = read(&counts.dropped[cause as usize]);
            dropped.encode_family(&[("cause", cause.name())])?.encode_counter(&count, NO_EXEMPLAR)?;
        }
        let (name, help) = ("vision_telemetry_spans_unsampled", "Spans that sampling has left out.");
        encoder
            .encode_descriptor(name, help, None, MetricType::Counter)?
            .encode_counter(&read(&counts.unsampled), NO_EXEMPLAR)?;
        let (name, help) = ("vision_telemetry_queue_spans", "Spans that wait for being sent.");
        encoder.encode_descriptor(name, help, None, MetricType::Gauge)?.encode_gauge(&read(&counts.queued))
    }
}
