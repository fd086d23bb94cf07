//! What the selection service counts. See docs/metrics.md.

use vision_host::metrics::{Counter, Histogram, Metrics, SHORT_SECONDS};

/// The selection service's metrics. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct SelectionMetrics {
    /// Schedules answered.
    pub(crate) schedules: Counter,
    /// How long dealing took.
    pub(crate) deal: Histogram,
}

impl SelectionMetrics {
    pub(crate) fn new(metrics: &Metrics) -> Self {
        Self {
            schedules: metrics.counter("vision_selection_schedules", "Schedules computed and answered"),
            deal: metrics.histogram("vision_selection_deal_seconds", "Computing one schedule", SHORT_SECONDS),
        }
    }
}
