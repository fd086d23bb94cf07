//! Answers as the caller can take them: compressed with gzip if that is asked for and worth it.
//!
//! Only whole bodies are compressed: a stream of events has no length and passes as it is.

use std::io::Write as _;

use axum::body::{Body, Bytes, HttpBody as _};
use axum::extract::Request;
use axum::http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, ETAG, VARY};
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use flate2::Compression;
use flate2::write::GzEncoder;
use tokio::sync::Semaphore;
use vision_host::metrics::wants_gzip;
use vision_wire::Reason;

use super::limits::Admission;
use super::problem::Problem;

/// Bodies below this are sent as they are: they fit into one packet.
const MIN_BYTES: usize = 1 << 10;
/// Answers that are compressed at once, about 300 KiB of state each; beyond that they are sent as they are.
const MAX_AT_ONCE: usize = 4;
/// So much is compressed at one go; then others get their turn.
const STEP_BYTES: usize = 64 << 10;

static PACKERS: Semaphore = Semaphore::const_new(MAX_AT_ONCE);

/// Compresses what is asked for compressed, and then lets the answer hold its admission until it is sent.
pub(super) async fn packed(request: Request, next: Next) -> Response {
    // Of HEAD too: its answer has the body that GET would have, up to here, and its length.
    let wanted = wants_gzip(request.headers());
    let mut answer = next.run(request).await;
    let admission = answer.extensions_mut().remove::<Admission>();
    let is_worth_it = is_worth_it(&answer);
    // Of what the caller has already, it is not known how long it is.
    if is_worth_it || answer.status() == StatusCode::NOT_MODIFIED {
        answer.headers_mut().append(VARY, HeaderValue::from_name(ACCEPT_ENCODING));
    }
    if is_worth_it && wanted {
        answer = pack(admission.as_ref(), answer).await;
    }
    match admission {
        Some(admission) => admission.hold(answer).await,
        None => answer,
    }
}

/// Text of a known length that is not compressed yet.
fn is_worth_it(answer: &Response) -> bool {
    let headers = answer.headers();
    let kind = headers.get(CONTENT_TYPE).map_or(&b""[..], HeaderValue::as_bytes);
    let is_text = kind.starts_with(b"text/")
        || [&b"json"[..], b"javascript", b"svg+xml"]
            .iter()
            .any(|word| kind.windows(word.len()).any(|at| at == *word));
    let length = answer.body().size_hint().exact();
    is_text
        && !headers.contains_key(CONTENT_ENCODING)
        && length.is_some_and(|length| length >= MIN_BYTES as u64)
}

async fn pack(admission: Option<&Admission>, answer: Response) -> Response {
    let Ok(_permit) = PACKERS.try_acquire() else { return answer };
    let length = answer
        .body()
        .size_hint()
        .exact()
        .map_or(usize::MAX, |length| usize::try_from(length).unwrap_or(usize::MAX));
    if let Some(admission) = admission
        && let Err(problem) = admission.at_least(length.saturating_mul(3) / 2).await
    {
        return problem.into_response();
    }
    let (mut parts, body) = answer.into_parts();
    let bytes = match axum::body::to_bytes(body, length).await {
        Ok(bytes) => bytes,
        Err(error) => return Problem::new(Reason::Internal, error.to_string()).into_response(),
    };
    let packed = match gzip(&bytes).await {
        Some(packed) if packed.len() < bytes.len() => packed,
        _ => return Response::from_parts(parts, Body::from(bytes)),
    };
    parts.headers.remove(CONTENT_LENGTH);
    parts.headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    if let Some(weak) = parts.headers.get(ETAG).and_then(weak) {
        parts.headers.insert(ETAG, weak);
    }
    Response::from_parts(parts, Body::from(packed))
}

/// The tag of the same facts in other bytes.
fn weak(tag: &HeaderValue) -> Option<HeaderValue> {
    let strong = tag.as_bytes().starts_with(b"\"");
    HeaderValue::from_bytes(&[if strong { &b"W/"[..] } else { b"" }, tag.as_bytes()].concat()).ok()
}

/// None if it fails, which a buffer in memory does not.
async fn gzip(bytes: &Bytes) -> Option<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(bytes.len() / 4), Compression::fast());
    for (at, piece) in bytes.chunks(STEP_BYTES).enumerate() {
        if at > 0 {
            tokio::task::yield_now().await;
        }
        encoder.write_all(piece).ok()?;
    }
    encoder.finish().ok()
}
