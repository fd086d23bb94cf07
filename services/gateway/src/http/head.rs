//! What a request's head may be: smaller than what the connection refuses by itself, without a word.

use axum::extract::Request;
use axum::http::header::CONTENT_ENCODING;
use axum::http::{HeaderMap, HeaderValue};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use vision_host::text::cut;
use vision_wire::Reason;

use super::problem::Problem;

/// Headers of a request. hyper refuses more than 100.
const MAX_HEADERS: usize = 64;
/// Path, names and values of a request together. The connection refuses more than 16 KiB over HTTP/2.
const MAX_HEAD_BYTES: usize = 12 << 10;

/// Answers 431 to a head that is too large.
pub(super) async fn bounded(request: Request, next: Next) -> Response {
    let (headers, uri) = (request.headers(), request.uri());
    let path_bytes = uri.path_and_query().map_or(0, |path| path.as_str().len());
    let bytes: usize = headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
    if headers.len() > MAX_HEADERS || path_bytes + bytes > MAX_HEAD_BYTES {
        let detail = format!(
            "at most {MAX_HEADERS} headers and {MAX_HEAD_BYTES} bytes of path, names and values are taken, \
             given are {} headers and {} bytes",
            headers.len(),
            path_bytes + bytes
        );
        return Problem::new(Reason::HeadersTooLarge, detail).into_response();
    }
    next.run(request).await
}

/// Refuses a body that would have to be unpacked.
pub(super) fn as_it_is(headers: &HeaderMap) -> Result<(), Problem> {
    let packed = |value: &&HeaderValue| !value.as_bytes().trim_ascii().eq_ignore_ascii_case(b"identity");
    match headers.get_all(CONTENT_ENCODING).iter().find(packed) {
        None => Ok(()),
        Some(value) => {
            let shown = cut(&String::from_utf8_lossy(value.as_bytes()));
            let detail = format!("the body is encoded as {shown:?}: send it as it is");
            Err(Problem::new(Reason::UnknownEncoding, detail))
        }
    }
}
