//! One id for every request: the caller's own if it is a plain short word, else a new one.

use axum::extract::{MatchedPath, Request};
use axum::http::header::ALLOW;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::Response;
use tracing::{debug, warn};

use super::problem::fresh_id;

/// The header that bears it, both ways.
pub(super) const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Longest id that is taken from a caller.
pub(super) const MAX_ID_BYTES: usize = 64;

tokio::task_local! {
    static CURRENT: RequestId;
}

/// An id of letters, digits and `._-`, at most [`MAX_ID_BYTES`] long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RequestId(String);

impl RequestId {
    /// The caller's id, if it gives exactly one that is sane; else a new one.
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let mut given = headers.get_all(&X_REQUEST_ID).iter();
        let one = given.next().filter(|_| given.next().is_none()).and_then(|value| value.to_str().ok());
        Self(one.filter(|text| is_sane(text)).map_or_else(fresh_id, str::to_owned))
    }

    /// That of the request in progress.
    pub(super) fn current() -> Option<Self> {
        CURRENT.try_with(Self::clone).ok()
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    /// Marks an answer with it.
    pub(super) fn mark(&self, answer: &mut Response) {
        if let Ok(value) = HeaderValue::from_str(&self.0) {
            answer.headers_mut().insert(X_REQUEST_ID, value);
        }
    }

    /// Runs what answers the request with this id.
    pub(super) async fn within<F: Future>(&self, answering: F) -> F::Output {
        CURRENT.scope(self.clone(), answering).await
    }

    /// The same for what is no future.
    pub(super) fn within_sync<T>(&self, answering: impl FnOnce() -> T) -> T {
        CURRENT.sync_scope(self.clone(), answering)
    }
}

fn is_sane(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    (1..=MAX_ID_BYTES).contains(&text.len()) && text.bytes().all(fits)
}

/// Writes to the log what became of a request.
pub(super) async fn logged(request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>().cloned();
    let answer = next.run(request).await;
    let (status, route) = (answer.status(), route.as_ref().map_or("", MatchedPath::as_str));
    let id = RequestId::current();
    let request_id = id.as_ref().map(RequestId::as_str);
    if status == StatusCode::INTERNAL_SERVER_ERROR {
        warn!(request_id, route, status = status.as_u16(), "a request failed");
    } else {
        debug!(request_id, route, status = status.as_u16(), "answered");
    }
    answer
}

/// Gives every request its id, and every answer that of its request. Stands around the router, which names
/// the methods of a route last.
pub(super) async fn identified(request: Request, next: Next) -> Response {
    let id = RequestId::of(request.headers());
    let mut answer = id.within(next.run(request)).await;
    id.mark(&mut answer);
    // Every route answers OPTIONS: `wrong_method`.
    if let Some(allowed) = answer.headers().get(ALLOW).and_then(|allowed| allowed.to_str().ok())
        && let Ok(all) = HeaderValue::from_str(&format!("{allowed},OPTIONS"))
    {
        answer.headers_mut().insert(ALLOW, all);
    }
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_short_plain_word_is_taken_over() {
        let (longest, too_long) = ("a".repeat(MAX_ID_BYTES), "a".repeat(MAX_ID_BYTES + 1));
        let cases: [(&str, &[&str], bool); 8] = [
            ("none", &[], false),
            ("a word", &["A1.b_c-d"], true),
            ("the longest", &[&longest], true),
            ("too long", &[&too_long], false),
            ("empty", &[""], false),
            ("a space", &["a b"], false),
            ("markup", &["<b>"], false),
            ("two", &["a", "b"], false),
        ];
        for (desc, given, taken) in cases {
            let headers = given.iter().map(|text| (X_REQUEST_ID, text.parse().expect("a header"))).collect();
            let id = RequestId::of(&headers);
            assert_eq!(given.first().is_some_and(|text| *text == id.as_str()), taken, "{desc}");
            assert!(is_sane(id.as_str()), "{desc}: {id:?}");
        }
    }
}
