//! What happens to the chain and its peers, reported in order to any number of watchers.

use std::sync::Arc;

use futures::StreamExt;
use tonic::Status;
use vision_host::Clock;
use vision_wire::chain::ChainEvent;
use vision_wire::chain::chain_event::What;
use vision_wire::{EventKind, EventLog, ResponseStream};

/// Events kept for watchers that come back.
const MAX_EVENTS: usize = 1024;

/// The log of events. Cheap to clone; whoever learns of something publishes it here.
#[derive(Clone)]
pub(crate) struct Events {
    log: EventLog<Arc<ChainEvent>>,
    clock: Clock,
}

impl Events {
    /// An empty log of a start of the service.
    pub(crate) fn new(start_id: u64, clock: Clock) -> Self {
        let log = EventLog::new(start_id, MAX_EVENTS);
        // A watch begins at the last event, of which there must be one.
        log.publish(Arc::default());
        Self { log, clock }
    }

    /// Publishes what has happened.
    pub(crate) fn publish(&self, what: What) {
        let at_ms = self.clock.now_ms();
        self.log.publish(Arc::new(ChainEvent { at_ms, what: Some(what), ..ChainEvent::default() }));
    }

    /// What follows after a cursor, or from now on.
    pub(crate) async fn watch(&self, cursor: &str) -> Result<ResponseStream<ChainEvent>, Status> {
        let mut events = self.log.subscribe(cursor)?;
        // Without a cursor, the place to begin at is taken before the call is answered: whatever happens then
        // is reported.
        let first = if cursor.is_empty() { events.next().await } else { None };
        let clock = self.clock.clone();
        let answers = futures::stream::iter(first).chain(events).map(move |item| {
            item.map(|item| match item.kind {
                EventKind::New => ChainEvent { cursor: item.cursor, ..ChainEvent::clone(&item.event) },
                EventKind::Current | EventKind::Heartbeat => {
                    ChainEvent { cursor: item.cursor, heartbeat: true, at_ms: clock.now_ms(), what: None }
                }
            })
        });
        Ok(Box::pin(answers))
    }
}
