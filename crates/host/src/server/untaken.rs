//! Answers that a client must take: over HTTP/2 it can stop one of them, and answer pings, and so hold its
//! place and its memory for as long as it likes.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use axum::body::Body as AxumBody;
use axum::response::Response;
use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use tokio::sync::Notify;
use tokio::time::Instant;

use super::slow_reader::{MIN_BYTES, PATIENCE};
use crate::Clock;

/// What the answers of one connection are waiting for. Cheap to clone; all clones are one.
#[derive(Clone)]
pub(super) struct Untaken(Arc<Shared>);

struct Shared {
    clock: Clock,
    table: Mutex<Table>,
    /// Notified when the first piece comes while none waits.
    begun: Notify,
}

#[derive(Default)]
struct Table {
    /// Answers of which something is to be sent, by number.
    answers: BTreeMap<u64, Waiting>,
    next: u64,
}

struct Waiting {
    /// Pieces that are to be sent.
    pieces: usize,
    /// When one was last sent, or the first one came.
    since: Instant,
}

impl Untaken {
    /// Nothing waits.
    pub(super) fn new(clock: Clock) -> Self {
        Self(Arc::new(Shared { clock, table: Mutex::default(), begun: Notify::new() }))
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        // Every holder leaves the table whole.
        self.0.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Watches whether the client takes an answer.
    pub(super) fn watch(&self, answer: Response) -> Response {
        let number = {
            let mut table = self.lock();
            table.next += 1;
            table.next
        };
        let of = self.clone();
        answer.map(|inner| AxumBody::new(TakenBody { inner, rest: Bytes::new(), number, of }))
    }

    /// Waits until the client has taken too little of some answer for too long.
    pub(super) async fn overdue(&self) {
        loop {
            let oldest = self.lock().answers.values().map(|waiting| waiting.since).min();
            match oldest {
                None => self.0.begun.notified().await,
                Some(since) if self.0.clock.instant() >= since + PATIENCE => return,
                Some(since) => tokio::time::sleep_until(since + PATIENCE).await,
            }
        }
    }

    fn piece(&self, bytes: Bytes, number: u64) -> Bytes {
        let mut table = self.lock();
        if table.answers.is_empty() {
            self.0.begun.notify_one();
        }
        let now = self.0.clock.instant();
        let waiting = table.answers.entry(number).or_insert(Waiting { pieces: 0, since: now });
        waiting.pieces += 1;
        drop(table);
        Bytes::from_owner(Piece { bytes, number, of: self.clone() })
    }
}

/// A part of an answer. The server drops it when it is sent, or its stream is gone.
struct Piece {
    bytes: Bytes,
    number: u64,
    of: Untaken,
}

impl AsRef<[u8]> for Piece {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Piece {
    fn drop(&mut self) {
        let mut table = self.of.lock();
        let Some(waiting) = table.answers.get_mut(&self.number) else { return };
        waiting.pieces -= 1;
        waiting.since = self.of.0.clock.instant();
        if waiting.pieces == 0 {
            table.answers.remove(&self.number);
        }
    }
}

/// Gives the body in pieces of at most [`MIN_BYTES`], each of which must be taken within [`PATIENCE`] of the
/// one before.
struct TakenBody {
    inner: AxumBody,
    rest: Bytes,
    number: u64,
    of: Untaken,
}

impl Body for TakenBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if self.rest.is_empty() {
            match ready!(Pin::new(&mut self.inner).poll_frame(cx)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => self.rest = data,
                    Err(other) => return Poll::Ready(Some(Ok(other))),
                },
                end => return Poll::Ready(end),
            }
        }
        let length = self.rest.len().min(MIN_BYTES);
        let bytes = self.rest.split_to(length);
        Poll::Ready(Some(Ok(Frame::data(self.of.piece(bytes, self.number)))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let (inner, rest) = (self.inner.size_hint(), self.rest.len() as u64);
        let mut hint = SizeHint::new();
        hint.set_lower(inner.lower().saturating_add(rest));
        if let Some(upper) = inner.upper() {
            hint.set_upper(upper.saturating_add(rest));
        }
        hint
    }
}
