//! What listeners of the node's events hear: one hub, which asks each service once, renders each event once,
//! and hands the same bytes to all who listen.
//!
//! Events have cursors of this gateway's start and are kept in a bounded ring. The status is no event but a
//! state: a listener that was away or slow gets it whole, others what has changed.

mod board;
mod chain;
mod event;
mod follow;
mod listener;
mod mining;
mod status;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use tokio::sync::watch;
use tonic::Status;
use vision_host::Clock;
use vision_wire::EventLog;

use crate::adapters::Backends;

use board::Board;
pub(crate) use chain::brief;
pub(crate) use event::{EventName, Happened, NoEvent, Wanted, event_text, gap_json};
pub(crate) use follow::{Followed, follow};
pub(crate) use listener::{Heard, Listener};
pub(crate) use mining::MiningStatusBody;
pub(crate) use status::Frame;
use status::{Missing, Part};

/// Events kept for listeners that come back.
const KEPT_EVENTS: usize = 512;

/// Events noted for pages that open later.
const NOTED_EVENTS: usize = 200;

/// An event and its cursor.
type Noted = (String, Arc<Happened>);

/// The hub. Cheap to clone; all clones are one.
#[derive(Clone)]
pub(crate) struct Live {
    events: EventLog<Arc<Happened>>,
    /// The last events, oldest first. Of what happens with every block only the newest of its kind: else
    /// nothing else would be left after minutes.
    noted: Arc<Mutex<VecDeque<Noted>>>,
    status: watch::Sender<Arc<Frame>>,
    board: Arc<Board>,
    clock: Clock,
}

impl Live {
    /// `start_id` distinguishes the cursors of this start from others.
    pub(crate) fn new(start_id: u64, clock: Clock) -> Self {
        let events = EventLog::new(start_id, KEPT_EVENTS);
        // A listener begins at the last event, of which there must be one.
        events.publish(Arc::new(Happened::nothing()));
        Self {
            events,
            noted: Arc::default(),
            status: watch::Sender::new(Arc::default()),
            board: Arc::default(),
            clock,
        }
    }

    /// The clock of those who listen.
    pub(crate) const fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Sends an event to all listeners.
    pub(crate) fn publish(&self, event: Happened) {
        let event = Arc::new(event);
        let mut noted = self.noted.lock().unwrap_or_else(PoisonError::into_inner);
        let cursor = self.events.publish(Arc::clone(&event)).to_string();
        if event.name.comes_with_every_block() {
            noted.retain(|(_, earlier)| earlier.name != event.name);
        }
        if noted.len() >= NOTED_EVENTS {
            noted.pop_front();
        }
        noted.push_back((cursor, event));
    }

    /// Whether anybody listens.
    fn is_heard(&self) -> bool {
        self.status.receiver_count() > 0
    }

    /// How the node stands now, as one JSON object, and why parts of it are null. Asks for what is known only
    /// while somebody listens.
    pub(crate) async fn status(&self, backends: &Backends, now_ms: u64) -> (Bytes, Missing) {
        if !self.is_heard() {
            chain::ask(backends, &self.board).await;
        }
        self.board.all(now_ms)
    }

    /// Sends all listeners how the node stands now.
    pub(crate) fn show(&self, frame: Frame) {
        self.status.send_replace(Arc::new(frame));
    }

    /// Listens after a cursor, or from now on if it is empty.
    ///
    /// # Errors
    /// As [`EventLog::subscribe`].
    pub(crate) fn listen(&self, cursor: &str, wanted: Wanted) -> Result<Listener, Status> {
        let events = self.events.subscribe(cursor)?;
        Ok(Listener::new(events, self.status.subscribe(), wanted, self.clock.clone()))
    }

    /// Listens after a cursor; if what followed it is not known any more, from now on, and says why.
    pub(crate) fn listen_or_skip(
        &self,
        cursor: &str,
        wanted: Wanted,
    ) -> Result<(Listener, Option<Status>), Status> {
        match self.listen(cursor, wanted) {
            Ok(listener) => Ok((listener, None)),
            Err(cause) => Ok((self.listen("", wanted)?, Some(cause))),
        }
    }

    /// The cursor from which nothing that happens from now on is missed.
    pub(crate) fn cursor(&self) -> String {
        self.events.last_cursor().map(|cursor| cursor.to_string()).unwrap_or_default()
    }

    /// The events noted, newest first, with their cursors.
    pub(crate) fn noted(&self) -> Vec<Noted> {
        self.noted.lock().unwrap_or_else(PoisonError::into_inner).iter().rev().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_happens_with_every_block_drives_nothing_out() {
        use EventName::{Block, Claim, Finalized, MissedSlot, Suspended};
        let live = Live::new(1, vision_host::Clock::system(0));
        let published = [MissedSlot, Block, Suspended, Block, Claim, MissedSlot, Finalized, Block, Finalized];
        for name in published {
            live.publish(Happened::new(name, Bytes::from_static(b"{}")));
        }
        let noted = |live: &Live| live.noted().iter().map(|(_, event)| event.name).collect::<Vec<_>>();
        assert_eq!(noted(&live), [Finalized, Block, MissedSlot, Claim, Suspended, MissedSlot]);
        for _ in 0..KEPT_EVENTS * 2 {
            live.publish(Happened::new(Block, Bytes::from_static(b"{}")));
        }
        assert_eq!(noted(&live), [Block, Finalized, MissedSlot, Claim, Suspended, MissedSlot]);
        for _ in 0..NOTED_EVENTS {
            live.publish(Happened::new(MissedSlot, Bytes::from_static(b"{}")));
        }
        assert_eq!(noted(&live), [MissedSlot; NOTED_EVENTS]);
    }
}
