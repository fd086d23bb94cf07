//! The traces of heights, as far as the oracle has a part in them.

use tracing::Span;
use vision_host::telemetry;
use vision_primitives::trace::HeightTrace;
use vision_primitives::{Hash, Height};
use vision_wire::chain::WatchHeadResponse;

/// The name of this service in traces.
pub(crate) const SERVICE: &str = "sync-oracle";

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
