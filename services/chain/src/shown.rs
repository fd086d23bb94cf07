//! Blocks as readers are shown them: decoded, with the slots that passed unused before them and when they
//! came.

mod arrivals;
mod pools;

use std::sync::Arc;

use vision_block_tree::ChainRules;
use vision_primitives::trace::HeightTrace;
use vision_primitives::{Hash, Header, NodeId, Pool, Slot, TimestampMs};
use vision_wire::chain as proto;

use arrivals::Arrivals;
use pools::MainPools;

/// What all who show blocks share. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Shown(Arc<Inner>);

struct Inner {
    rules: Arc<ChainRules>,
    pools: MainPools,
    arrivals: Arrivals,
}

/// What is shown of a block besides its header.
pub(crate) struct About {
    /// Number of its transactions.
    pub tx_count: u32,
    /// Its size as `max_block_bytes` counts it.
    pub size_bytes: u64,
    /// Whether it is on the head's chain.
    pub canonical: bool,
    /// Whether it is final.
    pub finalized: bool,
    /// Its parent's time stamp.
    pub parent_timestamp: TimestampMs,
    /// The slots before its own that passed unused.
    pub missed: Vec<(Slot, NodeId)>,
}

impl Shown {
    /// Of a chain.
    pub(crate) fn new(rules: Arc<ChainRules>) -> Self {
        Self(Arc::new(Inner { rules, pools: MainPools::default(), arrivals: Arrivals::default() }))
    }

    /// Block 0.
    pub(crate) fn genesis(&self) -> proto::BlockInfo {
        let rules = &self.0.rules;
        let info = vision_wire::genesis_info(&rules.genesis_hash, rules.genesis.time_ms);
        let trace_id = HeightTrace::of(&rules.genesis_hash, vision_primitives::Height::GENESIS).to_string();
        proto::BlockInfo { trace_id, ..info }
    }

    /// A block without its bytes.
    pub(crate) fn block(&self, hash: &Hash, header: &Header, about: About) -> proto::BlockInfo {
        let missed = about
            .missed
            .iter()
            .map(|(slot, owner)| proto::MissedSlot { slot: slot.get(), node_id: owner.to_string() });
        proto::BlockInfo {
            tx_count: about.tx_count,
            size_bytes: about.size_bytes,
            canonical: about.canonical,
            finalized: about.finalized,
            trace_id: HeightTrace::of(&self.0.rules.genesis_hash, header.height).to_string(),
            missed: missed.collect(),
            interval_ms: header.timestamp_ms.since_ms(about.parent_timestamp),
            arrived_ms: self.arrived(header, hash).map(TimestampMs::get),
            ..vision_wire::header_info(hash, header)
        }
    }

    /// The slots that passed unused before a block, given the pool that the first m slots of its height were
    /// dealt over.
    pub(crate) fn missed(&self, header: &Header, main_pool: &Pool) -> Vec<(Slot, NodeId)> {
        // Nearly all blocks are made by the primary: no owner need be drawn.
        if header.slot == Slot(0) {
            return Vec::new();
        }
        let below = vision_primitives::Height(header.height.get().saturating_sub(1));
        // Who owns a slot does not depend on the time.
        let schedule =
            self.0.rules.schedule_on(&header.parent, below, TimestampMs(0), (main_pool, main_pool));
        let missed = |schedule| vision_ledger::missed_slots(&schedule, header.height, header.slot);
        schedule.map(missed).unwrap_or_default()
    }

    /// The pool with this root that the first m slots of a height are dealt over, if it is remembered.
    pub(crate) fn main_pool(&self, pool_root: &Hash) -> Option<Pool> {
        self.0.pools.get(pool_root)
    }

    /// Remembers an active pool. An empty one says nothing of what the first slots were dealt over.
    pub(crate) fn remember(&self, active: &Pool) {
        if !active.is_empty() {
            self.0.pools.insert(active);
        }
    }

    /// Notes when a block came.
    pub(crate) fn came(&self, header: &Header, hash: Hash, at: TimestampMs) {
        self.0.arrivals.note(header.height, hash, at);
    }

    /// When a block came, if that is remembered.
    pub(crate) fn arrived(&self, header: &Header, hash: &Hash) -> Option<TimestampMs> {
        self.0.arrivals.of(header.height, hash)
    }
}
