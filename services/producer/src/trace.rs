//! The traces of heights, as far as the producer has a part in them.

use tracing::Span;
use vision_host::telemetry;
use vision_primitives::trace::HeightTrace;
use vision_primitives::{Hash, Height};
use vision_wire::chain::WatchHeadResponse;

/// The name of this service in traces.
pub(crate) const SERVICE: &str = "producer";

/// Puts a new span under the root of its height.
pub(crate) fn under(span: Span, genesis_hash: &Hash, height: Height) -> Span {
    if !span.is_disabled() {
        let trace = HeightTrace::of(genesis_hash, height);
        telemetry::join(&span, SERVICE, trace.trace_id, trace.root_span_id);
    }
    span
}

/// Keeps the traces of the heights on which something happened, as the watch of the head tells it.
pub(crate) fn keep_remarkable(genesis_hash: &Hash, event: &WatchHeadResponse) {
    for height in vision_wire::remarkable_heights(event) {
        telemetry::keep(HeightTrace::of(genesis_hash, Height(height)).trace_id);
    }
}

/// A number as attributes bear it.
pub(crate) fn number(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// What this node does towards one height: from the head below it to the head at it.
pub(crate) struct Duty {
    height: Height,
    pub span: Span,
    /// The wait for a slot, while it lasts.
    pub wait: Span,
}

impl Duty {
    pub(crate) fn new(genesis_hash: &Hash, height: Height) -> Self {
        let height_number = number(height.get());
        let span = tracing::info_span!(parent: None, "producer.height.duty", "vision.height" = height_number);
        Self { height, span: under(span, genesis_hash, height), wait: Span::none() }
    }

    pub(crate) fn is_of(&self, height: Height) -> bool {
        self.height == height
    }
}

/// A span of a height: below the duty if it is of this height, else directly below the root.
macro_rules! deed_span {
    ($duty:expr, $genesis_hash:expr, $height:expr, $name:literal $(, $key:literal = $value:expr)*) => {{
        let height: vision_primitives::Height = $height;
        let number = $crate::trace::number(height.get());
        match &$duty {
            Some(duty) if duty.is_of(height) => {
                tracing::info_span!(parent: &duty.span, $name, "vision.height" = number $(, $key = $value)*)
            }
            _ => $crate::trace::under(
                tracing::info_span!(parent: None, $name, "vision.height" = number $(, $key = $value)*),
                $genesis_hash,
                height,
            ),
        }
    }};
}
pub(crate) use deed_span;
