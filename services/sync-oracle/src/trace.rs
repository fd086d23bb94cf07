//! The traces of heights, as far as the oracle has a part in them.

use tracing::Span;
use vision_host::telemetry;
use vision_primitives::trace::HeightTrace;
use vision_primitives::{Hash, Height};

/// The name of this service in traces.
pub(crate) const SERVICE: &str = "sync-oracle";

/// Puts a new span under the root of its height.
pub(crate) fn under(span: Span, genesis_hash: &Hash, height: Height) -> Span {
    telemetry::under(span, SERVICE, || HeightTrace::of(genesis_hash, height).ids())
}
