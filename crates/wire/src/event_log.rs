//! The server's side of a watch: a bounded ring of events with cursors.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use futures::Stream;
use tokio::sync::watch;
use tonic::Status;

use crate::{Cursor, Reason, status};

/// A watch that had nothing to send for so long repeats its last event as a heartbeat.
const HEARTBEAT: Duration = Duration::from_secs(10);

/// What an item of a watch is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum EventKind {
    /// The last event at the time a watch without a cursor began.
    Current,
    /// An event that happened since the last item.
    New,
    /// Nothing happened: the last event again, sent at once to a watch that resumes with nothing
    /// missed, and after every 10 s without an event.
    Heartbeat,
}

/// An item of a watch.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LogEvent<T> {
    /// Resume from here to get what follows.
    pub cursor: String,
    /// What the item is.
    pub kind: EventKind,
    /// The event.
    pub event: T,
}

/// The last events of one kind, for any number of watchers. Cheap to clone; all clones are one log.
/// A watcher never holds up the publisher: one that falls out of the ring gets an error, and ends.
#[derive(Debug)]
pub struct EventLog<T>(Arc<Shared<T>>);

impl<T> Clone for EventLog<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

#[derive(Debug)]
struct Shared<T> {
    start_id: u64,
    capacity: usize,
    ring: Mutex<Ring<T>>,
    /// Number of events published so far.
    published: watch::Sender<u64>,
}

#[derive(Debug)]
struct Ring<T> {
    /// Sequence number of the next event.
    next: u64,
    /// The events before `next`, oldest first.
    kept: VecDeque<Arc<T>>,
}

impl<T> Ring<T> {
    /// Sequence number of the oldest event kept.
    fn first(&self) -> u64 {
        self.next - self.kept.len() as u64
    }

    fn get(&self, sequence: u64) -> Option<&Arc<T>> {
        let index = sequence.checked_sub(self.first())?;
        self.kept.get(usize::try_from(index).ok()?)
    }
}

impl<T: Clone + Send + Sync + 'static> EventLog<T> {
    /// A log that keeps the last `capacity_events` (at least 1). `start_id` must differ from that of
    /// earlier starts of the service, for example its starting time: cursors of another start are refused.
    #[must_use]
    pub fn new(start_id: u64, capacity_events: usize) -> Self {
        Self(Arc::new(Shared {
            start_id,
            capacity: capacity_events.max(1),
            ring: Mutex::new(Ring { next: 0, kept: VecDeque::new() }),
            published: watch::Sender::new(0),
        }))
    }

    fn ring(&self) -> MutexGuard<'_, Ring<T>> {
        // No code that can panic runs under this lock.
        self.0.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn cursor(&self, sequence: u64) -> Cursor {
        Cursor { start_id: self.0.start_id, sequence }
    }

    /// Appends an event and wakes all watchers; returns its cursor.
    pub fn publish(&self, event: T) -> Cursor {
        let mut ring = self.ring();
        let sequence = ring.next;
        ring.kept.push_back(Arc::new(event));
        ring.next += 1;
        if ring.kept.len() > self.0.capacity {
            ring.kept.pop_front();
        }
        // Sent under the lock, so that the number never goes backwards.
        self.0.published.send_replace(sequence + 1);
        drop(ring);
        self.cursor(sequence)
    }

    /// The last event; `None` before the first.
    #[must_use]
    pub fn latest(&self) -> Option<T> {
        self.ring().kept.back().map(|event| T::clone(event))
    }

    /// Cursor of the last event; `None` before the first.
    #[must_use]
    pub fn last_cursor(&self) -> Option<Cursor> {
        self.ring().next.checked_sub(1).map(|sequence| self.cursor(sequence))
    }

    /// The last events that are kept, newest first, at most `count`.
    #[must_use]
    pub fn recent(&self, count: usize) -> Vec<(Cursor, T)> {
        let ring = self.ring();
        let sequences = (ring.first()..ring.next).rev();
        let events = ring.kept.iter().rev().map(|event| T::clone(event));
        sequences.map(|sequence| self.cursor(sequence)).zip(events).take(count).collect()
    }

    /// Starts a watch: after the event of the cursor, or with the last event if the cursor is empty.
    ///
    /// # Errors
    /// `INVALID_CURSOR` for a text that is no cursor, `CURSOR_TOO_OLD` (OUT_OF_RANGE) when events after it
    /// are no longer kept or it is of an earlier start, `NOT_READY` when there is no event yet.
    pub fn subscribe(&self, cursor: &str) -> Result<Subscription<T>, Status> {
        let ring = self.ring();
        let Some(last) = ring.next.checked_sub(1) else {
            return Err(status(Reason::NotReady, "nothing has happened yet: try again shortly", &[]));
        };
        let (next, greeting) = match cursor {
            "" => (last, Some(EventKind::Current)),
            text => {
                let cursor: Cursor = text.parse().map_err(|error: crate::CursorError| {
                    status(Reason::InvalidCursor, error.to_string(), &[("field", "cursor".to_owned())])
                })?;
                let known = cursor.start_id == self.0.start_id && cursor.sequence <= last;
                if !known || cursor.sequence + 1 < ring.first() {
                    return Err(too_old());
                }
                let next = cursor.sequence + 1;
                (next, (next == ring.next).then_some(EventKind::Heartbeat))
            }
        };
        drop(ring);
        let state = Watcher { log: self.clone(), next, greeting, published: self.0.published.subscribe() };
        let items = futures::stream::unfold(Some(state), |state| async move { step(state?).await });
        Ok(Subscription(Box::pin(items)))
    }
}

fn too_old() -> Status {
    status(Reason::CursorTooOld, "the events after this cursor are gone: watch again without a cursor", &[])
}

struct Watcher<T> {
    log: EventLog<T>,
    /// Sequence number of the event to send next.
    next: u64,
    /// Kind of the first item, when it is not simply the next event.
    greeting: Option<EventKind>,
    published: watch::Receiver<u64>,
}

type Step<T> = (Result<LogEvent<T>, Status>, Option<Watcher<T>>);

async fn step<T: Clone + Send + Sync + 'static>(mut watcher: Watcher<T>) -> Option<Step<T>> {
    let mut kind = EventKind::New;
    match watcher.greeting.take() {
        // The last event may have moved on between subscribing and now: start with the newest.
        Some(EventKind::Current) => {
            kind = EventKind::Current;
            watcher.next = watcher.log.ring().next.saturating_sub(1);
        }
        Some(greeting) if watcher.log.ring().next == watcher.next => kind = greeting,
        _ => {
            let next = watcher.next;
            let news = watcher.published.wait_for(|published| *published > next);
            match tokio::time::timeout(HEARTBEAT, news).await {
                Ok(Ok(_)) => {}
                Ok(Err(_)) => return None,
                Err(_) => kind = EventKind::Heartbeat,
            }
        }
    }
    let ring = watcher.log.ring();
    if kind == EventKind::Heartbeat && ring.next > watcher.next {
        // Something happened after all, just now.
        kind = EventKind::New;
    }
    let sequence = if kind == EventKind::Heartbeat { watcher.next.saturating_sub(1) } else { watcher.next };
    let Some(event) = ring.get(sequence).map(|event| T::clone(event)) else {
        drop(ring);
        return Some((Err(too_old()), None));
    };
    drop(ring);
    watcher.next = sequence + 1;
    let cursor = watcher.log.cursor(sequence).to_string();
    Some((Ok(LogEvent { cursor, kind, event }), Some(watcher)))
}

/// A running watch. Ends after its first error.
pub struct Subscription<T>(Pin<Box<dyn Stream<Item = Result<LogEvent<T>, Status>> + Send>>);

impl<T> Stream for Subscription<T> {
    type Item = Result<LogEvent<T>, Status>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.as_mut().poll_next(cx)
    }
}

impl<T: 'static> Subscription<T> {
    /// The stream that a server method gives back, each item turned into its message.
    pub fn respond<M>(
        self,
        mut encode: impl FnMut(LogEvent<T>) -> M + Send + 'static,
    ) -> crate::ResponseStream<M> {
        use futures::StreamExt;
        Box::pin(self.0.map(move |item| item.map(&mut encode)))
    }
}

#[cfg(test)]
mod tests;
