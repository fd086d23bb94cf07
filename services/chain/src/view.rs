//! What the rest of the service may see of the head: only blocks that lie in the store.

use std::sync::Arc;

use bytes::Bytes;
use vision_block_tree::Entry;
use vision_ledger::State;
use vision_primitives::{Hash, Height, NodeId, Slot, TimestampMs};
use vision_wire::EventLog;
use vision_wire::chain::Head;

/// The head as published.
#[derive(Clone)]
pub(crate) struct HeadView {
    /// Its height.
    pub height: Height,
    /// Its hash.
    pub hash: Hash,
    /// Its parent.
    pub parent: Hash,
    /// Its time stamp.
    pub timestamp_ms: TimestampMs,
    /// The slot it used.
    pub slot: Slot,
    /// Its producer; none at height 0.
    pub producer: Option<NodeId>,
    /// Weight of the chain up to it.
    pub weight: u64,
    /// Its number of transactions.
    pub tx_count: u32,
    /// Canonical header bytes; empty at height 0.
    pub header_bytes: Bytes,
    /// The producer's signature; empty at height 0.
    pub signature: Bytes,
    /// State after it.
    pub state: State,
    /// Highest final height.
    pub finalized_height: Height,
    /// When it became the head, milliseconds since the Unix epoch; none if it was when the service started.
    pub arrived_ms: Option<u64>,
}

impl HeadView {
    /// The view of a tree's entry.
    pub(crate) fn of(entry: &Entry, finalized_height: Height) -> Self {
        let at_genesis = entry.header().is_none();
        Self {
            height: entry.height(),
            hash: entry.hash(),
            parent: entry.parent(),
            timestamp_ms: entry.timestamp_ms(),
            slot: entry.slot(),
            producer: entry.header().map(|header| header.producer),
            weight: entry.weight(),
            tx_count: u32::try_from(entry.tx_count()).unwrap_or(u32::MAX),
            header_bytes: Bytes::copy_from_slice(entry.header_bytes()),
            signature: if at_genesis { Bytes::new() } else { Bytes::copy_from_slice(&entry.signature().0) },
            state: entry.state().clone(),
            finalized_height,
            arrived_ms: None,
        }
    }

    /// The same, become the head at this instant.
    pub(crate) fn arrived_at(self, now: TimestampMs) -> Self {
        Self { arrived_ms: Some(now.get()), ..self }
    }

    /// As others see it.
    pub(crate) fn to_proto(&self) -> Head {
        Head {
            height: self.height.get(),
            hash: self.hash.to_string(),
            parent: self.parent.to_string(),
            timestamp_ms: self.timestamp_ms.get(),
            slot: self.slot.get(),
            producer: self.producer.map(|id| id.to_string()).unwrap_or_default(),
            weight: self.weight,
            tx_count: self.tx_count,
            entropy: self.hash.to_string(),
            pool_root: self.state.active().root().to_string(),
            registered_root: self.state.registered().root().to_string(),
            finalized_height: self.finalized_height.get(),
            safe_height: self.finalized_height.get(),
        }
    }
}

/// A move of the head.
#[derive(Clone)]
pub(crate) struct HeadEvent {
    /// The head after it.
    pub head: Head,
    /// Blocks of the old branch that were left; 0 when the head was extended.
    pub reorg_depth: u64,
}

/// A block that was stored, as watchers of stored blocks see it.
#[derive(Clone, Debug)]
pub(crate) struct StoredHeader {
    /// Who made it.
    pub producer: NodeId,
    /// Canonical bytes of its header.
    pub header: Bytes,
    /// Its signature.
    pub signature: Bytes,
}

/// Blocks in the order they were stored; the first event stands for all before the start.
pub(crate) type StoredBlocks = EventLog<Arc<Option<StoredHeader>>>;
