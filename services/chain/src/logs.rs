//! Logs for watchers, each with room for those who come back.

use std::sync::Arc;

use vision_host::Clock;
use vision_wire::EventLog;
use vision_wire::chain::{Node, Peer};

use crate::events::Events;
use crate::nodes::NODE_EVENTS;
use crate::transaction_events::TransactionEvents;
use crate::view::{HeadEvent, HeadView, StoredBlocks};

/// Moves of the head kept for watchers that reconnect.
const HEAD_EVENTS: usize = 256;
/// Stored blocks kept for watchers that come back.
const STORED_EVENTS: usize = 512;
/// Tables of peers kept for watchers that reconnect.
const PEER_EVENTS: usize = 8;
/// Turns kept in which something happened to transactions.
const TRANSACTION_EVENTS: usize = 64;

/// All logs. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Logs {
    /// Moves of the head.
    pub heads: EventLog<HeadEvent>,
    /// Every stored block.
    pub stored: StoredBlocks,
    /// What happens to the chain and its peers.
    pub events: Events,
    /// What happens to transactions.
    pub transactions: TransactionEvents,
    /// Tables of peers.
    pub peers: EventLog<Vec<Peer>>,
    /// Lists of nodes.
    pub nodes: EventLog<Vec<Node>>,
}

impl Logs {
    /// Those of a start of the service with this head.
    pub(crate) fn new(clock: &Clock, head: &HeadView) -> Self {
        let start_id = clock.now_ms();
        let logs = Self {
            heads: EventLog::new(start_id, HEAD_EVENTS),
            stored: EventLog::new(start_id, STORED_EVENTS),
            events: Events::new(start_id, clock.clone()),
            transactions: EventLog::new(start_id, TRANSACTION_EVENTS),
            peers: EventLog::new(start_id, PEER_EVENTS),
            nodes: EventLog::new(start_id, NODE_EVENTS),
        };
        logs.heads.publish(HeadEvent { head: head.to_proto(), reorg_depth: 0 });
        // A watch begins at the last event, of which there must be one.
        logs.transactions.publish(Arc::default());
        logs.stored.publish(Arc::default());
        logs
    }
}
