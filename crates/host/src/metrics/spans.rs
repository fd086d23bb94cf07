//! What became of the process's spans.

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::metrics::MetricType;

use super::process::NO_EXEMPLAR;

/// Shows the counters of [`crate::telemetry`]; without tracing they are all 0.
#[derive(Debug)]
pub(super) struct Spans;

impl Collector for Spans {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let counts = crate::telemetry::counters().unwrap_or_default();
        let (name, help) = ("vision_telemetry_spans_exported", "Spans that the collector accepted.");
        encoder
            .encode_descriptor(name, help, None, MetricType::Counter)?
            .encode_counter(&counts.exported, NO_EXEMPLAR)?;
        let (name, help) = ("vision_telemetry_spans_dropped", "Spans lost, by cause.");
        let mut dropped = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
        let causes = [
            ("queue_full", counts.queue_full),
            ("export_failed", counts.export_failed),
            ("shutdown", counts.shutdown),
            ("waiting_full", counts.waiting_full),
        ];
        for (cause, count) in causes {
            dropped.encode_family(&[("cause", cause)])?.encode_counter(&count, NO_EXEMPLAR)?;
        }
        let (name, help) = ("vision_telemetry_spans_unsampled", "Spans left out by sampling.");
        encoder
            .encode_descriptor(name, help, None, MetricType::Counter)?
            .encode_counter(&counts.unsampled, NO_EXEMPLAR)?;
        let (name, help) = ("vision_telemetry_queue_spans", "Spans waiting to be sent.");
        encoder.encode_descriptor(name, help, None, MetricType::Gauge)?.encode_gauge(&counts.queue_spans)
    }
}
