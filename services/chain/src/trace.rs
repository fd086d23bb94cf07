//! The traces of heights, as far as the chain has a part in them.

use std::collections::BTreeMap;

use tracing::Span;
use vision_block_tree::BlockTree;
pub(crate) use vision_host::telemetry::number;
use vision_host::telemetry::{self, KeyValue};
use vision_primitives::trace::HeightTrace;
use vision_primitives::{Block, Hash, Header, Height, NodeId, Slot, TimestampMs};

/// The name of this service in traces.
pub(crate) const SERVICE: &str = "chain";
/// What is done with a block becomes spans only if its time stamp is not further from now than this,
/// milliseconds: who catches up would fill the traces of long ago.
const RECENT_MS: u64 = 60_000;
/// And only if its height is not further from the head's than this: anybody may invent heights.
const NEAR_BLOCKS: u64 = 256;
/// Heights of a reorganisation whose traces are kept at most, the highest first.
const MAX_KEPT_HEIGHTS: usize = 64;
/// Own blocks that may wait for a block on top of them.
const MAX_OWN: usize = 256;

/// Puts a new span under the root of its height, or leaves it in a span of the same height.
pub(crate) fn under(span: Span, genesis_hash: &Hash, height: Height) -> Span {
    telemetry::under(span, SERVICE, || HeightTrace::of(genesis_hash, height).ids())
}

/// Whether a block is of a height that somebody may be looking at now.
pub(crate) fn is_recent(header: &Header, head: Height, now: TimestampMs) -> bool {
    header.timestamp_ms.get().abs_diff(now.get()) <= RECENT_MS
        && header.height.get().abs_diff(head.get()) <= NEAR_BLOCKS
}

/// Keeps the trace of a height, whatever the sampler says.
pub(crate) fn keep(genesis_hash: &Hash, height: Height) {
    telemetry::keep(HeightTrace::of(genesis_hash, height).trace_id);
}

/// Keeps the traces of the heights that a reorganisation has changed.
pub(crate) fn keep_changed(genesis_hash: &Hash, changed: &[(Height, Option<Hash>)]) {
    let mut heights: Vec<Height> = changed.iter().map(|(height, _)| *height).collect();
    heights.sort_unstable();
    heights.dedup();
    heights.into_iter().rev().take(MAX_KEPT_HEIGHTS).for_each(|height| keep(genesis_hash, height));
}

/// A block of this node.
struct Own {
    hash: Hash,
    slot: Slot,
    producer: NodeId,
    /// When its height began, and when the block was announced, milliseconds since the Unix epoch.
    span_ms: (u64, u64),
}

/// This node's own blocks whose heights have no root span yet. Whose block is on the head's chain when that
/// gets beyond it records the root, so that there is one.
#[derive(Default)]
pub(crate) struct Roots(BTreeMap<Height, Own>);

impl Roots {
    /// Notes a block that has been announced.
    pub(crate) fn announced(&mut self, block: &Block, parent: Option<TimestampMs>, now: TimestampMs) {
        let header = block.header();
        let began = parent.unwrap_or(header.timestamp_ms);
        let own = Own {
            hash: block.hash(),
            slot: header.slot,
            producer: header.producer,
            span_ms: (began.get(), now.get()),
        };
        self.0.insert(header.height, own);
        if self.0.len() > MAX_OWN {
            self.0.pop_first();
        }
    }

    /// Records the roots of heights that are decided: those below the head, or also the head's own when the
    /// node stops.
    pub(crate) fn settle(&mut self, tree: &BlockTree, genesis_hash: &Hash, stopping: bool) {
        let head = tree.head().height();
        while let Some(first) = self.0.first_entry() {
            let height = *first.key();
            if height > head || (height == head && !stopping) {
                return;
            }
            let own = first.remove();
            if tree.canonical(height).is_some_and(|entry| entry.hash() == own.hash) {
                record(genesis_hash, height, &own);
            }
        }
    }
}

fn record(genesis_hash: &Hash, height: Height, own: &Own) {
    let trace = HeightTrace::of(genesis_hash, height);
    let attributes = vec![
        KeyValue::new("vision.height", number(height.get())),
        KeyValue::new("vision.slot", number(own.slot.get())),
        KeyValue::new("vision.block.hash", own.hash.to_string()),
        KeyValue::new("vision.producer", own.producer.to_string()),
    ];
    telemetry::root("height", SERVICE, (trace.trace_id, trace.root_span_id), own.span_ms, attributes);
}
