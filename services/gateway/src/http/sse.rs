//! Server-sent events: what all streams of them have in common.
//!
//! A browser gives up for good on any answer but 200, so a stream that finds no place is ended at once, to be
//! tried again later.

use std::convert::Infallible;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderName};
use axum::response::{IntoResponse as _, Response};
use futures::{Stream, StreamExt as _};
use tonic::Status;

pub(super) use crate::live::event_text as event;
use crate::live::gap_json;

/// The header with the cursor of the last event seen.
const LAST_EVENT_ID: &str = "last-event-id";
/// Makes nginx pass events on at once instead of collecting them.
const UNBUFFERED: (HeaderName, &str) = (HeaderName::from_static("x-accel-buffering"), "no");
/// After this a client whose stream ended comes back.
const RETRY: Duration = Duration::from_secs(1);
/// The same for one that found no place.
const RETRY_WHEN_FULL: Duration = Duration::from_secs(10);
/// A stream is never silent for longer.
const SILENCE: Duration = Duration::from_secs(15);
/// A text that is no cursor, and is refused as one.
const NO_CURSOR: &str = "-";

/// The cursor a client comes back with.
pub(super) fn last_event_id(headers: &HeaderMap) -> Option<&str> {
    headers.get(LAST_EVENT_ID).map(|value| value.to_str().unwrap_or(NO_CURSOR))
}

/// How a stream begins.
pub(super) fn begin(of_what: &str) -> Bytes {
    format!("retry: {}\n: {of_what}\n\n", RETRY.as_millis()).into()
}

/// Moves the client's cursor on without an event.
pub(super) fn cursor(cursor: &str) -> Bytes {
    format!("id: {cursor}\n\n").into()
}

/// What happened between the client's cursor and this one is not known here.
pub(super) fn gap(cursor: &str, cause: &Status) -> Bytes {
    event("gap", cursor, &gap_json(cause))
}

/// Moves the client's cursor on, and says that nothing happened.
pub(super) fn nothing(cursor: &str) -> Bytes {
    format!("id: {cursor}\n: nothing happened\n\n").into()
}

/// Why nothing comes for a while.
pub(super) fn away() -> Bytes {
    Bytes::from_static(b": the chain service is down: the stream continues when it is back\n\n")
}

/// The same texts, with a comment between them wherever none comes for too long.
pub(super) fn kept_alive(texts: impl Stream<Item = Bytes> + Send) -> impl Stream<Item = Bytes> + Send {
    futures::stream::unfold(Box::pin(texts), |mut texts| async move {
        let text = tokio::time::timeout(SILENCE, texts.next()).await;
        Some((text.unwrap_or_else(|_| Some(Bytes::from_static(b":\n\n")))?, texts))
    })
}

/// A stream of texts as an answer.
pub(super) fn respond(texts: impl Stream<Item = Bytes> + Send + 'static) -> Response {
    let head = [(CONTENT_TYPE, "text/event-stream"), (CACHE_CONTROL, "no-cache")];
    (head, [UNBUFFERED], Body::from_stream(texts.map(Ok::<_, Infallible>))).into_response()
}

/// The answer to a client that finds no place.
pub(super) fn full() -> Response {
    let text = format!("retry: {}\n: too many streams are open\n\n", RETRY_WHEN_FULL.as_millis());
    respond(futures::stream::iter([Bytes::from(text)]))
}
