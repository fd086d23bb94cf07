//! The traces of heights, as far as the oracle has a part in them.

use tracing::Span;
use vision_host::telemetry;
use vision_primitives::trace::HeightTrace;
use vision_primitives::{Hash, Height};
use vision_wire::chain::WatchHeadResponse;

/// The name of this service in traces.
pub(crate) const SERVICE: &str = "sync-oracle";

/// Heights of a reorganisation whose traces are kept at most, the highest.
const MAX_KEPT_HEIGHTS: u64 = 64;

/// Puts a new span under the root of its height.
pub(crate) fn under(span: Span, genesis_hash: &Hash, height: Height) -> Span {
    if !span.is_disabled() {
        let trace = HeightTrace::of(genesis_hash, height);
        telemetry::join(&span, SERVICE, trace.trace_id, trace.root_span_id);
    }
    span
}

/// Keeps the traces of heights on which something happened, as the watch of the head tells it: blocks were left, or a slot
/// was missed. Every service does so by itself, so that all have the same heights to show.
pub(crate) fn keep_remarkable(genesis_hash: &Hash, event: &WatchHeadResponse) {
    let Some(head) = &event.head else { return };
    let left = event.reorg_depth.min(MAX_KEPT_HEIGHTS);
    if left > 0 || head.slot > 0 {
        for height in head.height.saturating_sub(left)..=head.height {
            telemetry::keep(HeightTrace::of(genesis_hash, Height(height)).trace_id);
        }
    }
}

/// A number as attributes bear it.
pub(crate) fn number(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
