//! Errors as `application/problem+json` (RFC 9457).

use std::collections::BTreeMap;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::extract::rejection::BytesRejection;
use axum::http::header::{ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use tonic::{Code, Status};
use vision_host::telemetry::current_trace_id;
use vision_host::text::cut;
use vision_host::{RandomError, Randomness};
use vision_primitives::hash;
use vision_wire::{Reason, all_metadata_of, reason_of};

use super::request_id::RequestId;
use crate::views::to_json;

/// An error answer.
#[derive(Debug)]
pub(super) struct Problem {
    status: StatusCode,
    reason: String,
    detail: String,
    metadata: BTreeMap<String, String>,
}

#[derive(Serialize)]
struct Body<'a> {
    r#type: String,
    title: String,
    status: u16,
    detail: &'a str,
    reason: &'a str,
    trace_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<&'a str>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    metadata: &'a BTreeMap<String, String>,
}

impl Problem {
    pub(super) fn new(reason: Reason, detail: impl Into<String>) -> Self {
        Self {
            status: http_status(reason),
            reason: reason.as_str().to_owned(),
            detail: detail.into(),
            metadata: BTreeMap::new(),
        }
    }

    /// A query parameter or part of the path that does not fit.
    pub(super) fn field(reason: Reason, field: &str, detail: &str) -> Self {
        Self::new(reason, format!("{field}: {detail}")).with("field", field)
    }

    pub(super) fn with(mut self, key: &str, value: impl Into<String>) -> Self {
        self.metadata.insert(key.to_owned(), value.into());
        self
    }

    pub(super) fn no_route(path: &str) -> Self {
        Self::new(Reason::RouteNotFound, format!("there is no route {}", cut(path)))
    }

    pub(super) fn wrong_method(method: &str, path: &str) -> Self {
        Self::new(Reason::MethodNotAllowed, format!("{} does not take {}", cut(path), cut(method)))
    }
}

fn http_status(reason: Reason) -> StatusCode {
    StatusCode::from_u16(reason.http_status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

/// For a status without a reason of ours: HTTP status and the name of the code.
fn by_code(code: Code) -> (u16, &'static str) {
    match code {
        Code::InvalidArgument => (400, "INVALID_ARGUMENT"),
        Code::OutOfRange => (400, "OUT_OF_RANGE"),
        Code::Unauthenticated => (401, "UNAUTHENTICATED"),
        Code::PermissionDenied => (403, "PERMISSION_DENIED"),
        Code::NotFound => (404, "NOT_FOUND"),
        Code::AlreadyExists => (409, "ALREADY_EXISTS"),
        Code::Aborted => (409, "ABORTED"),
        Code::FailedPrecondition => (409, "FAILED_PRECONDITION"),
        Code::ResourceExhausted => (429, "RESOURCE_EXHAUSTED"),
        Code::Unimplemented => (501, "UNIMPLEMENTED"),
        Code::Unavailable => (503, "UNAVAILABLE"),
        Code::DeadlineExceeded | Code::Cancelled => (504, "DEADLINE_EXCEEDED"),
        Code::Ok | Code::Unknown | Code::Internal | Code::DataLoss => (500, "INTERNAL"),
    }
}

impl From<Status> for Problem {
    fn from(error: Status) -> Self {
        let (code_status, code_name) = by_code(error.code());
        let reason = reason_of(&error).unwrap_or_else(|| code_name.to_owned());
        let status = Reason::from_text(&reason).map_or(code_status, Reason::http_status);
        Self {
            status: StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
            reason,
            detail: error.message().to_owned(),
            metadata: all_metadata_of(&error),
        }
    }
}

impl From<BytesRejection> for Problem {
    fn from(rejection: BytesRejection) -> Self {
        let reason = match rejection.status() {
            StatusCode::PAYLOAD_TOO_LARGE => Reason::MessageTooLarge,
            _ => Reason::InvalidArgument,
        };
        Self::new(reason, cut(&rejection.body_text()))
    }
}

/// `Tip changed` for `TIP_CHANGED`.
fn title(reason: &str) -> String {
    let words = reason.to_ascii_lowercase().replace('_', " ");
    let mut letters = words.chars();
    letters.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(letters).collect()
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let request_id = RequestId::current();
        let body = Body {
            r#type: format!("urn:vision:error:{}", self.reason),
            title: title(&self.reason),
            status: self.status.as_u16(),
            detail: &self.detail,
            reason: &self.reason,
            // The request's own trace, or at least an id to look for in logs.
            trace_id: current_trace_id().unwrap_or_else(fresh_id),
            request_id: request_id.as_ref().map(RequestId::as_str),
            metadata: &self.metadata,
        };
        let headers = [(CONTENT_TYPE, "application/problem+json"), (CACHE_CONTROL, "no-store")];
        let mut response = (self.status, headers, to_json(&body)).into_response();
        // A block makes room, and one comes about every two seconds; a service is back when it is back.
        let retry_after_s = match self.status {
            StatusCode::UNSUPPORTED_MEDIA_TYPE => {
                response.headers_mut().insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
                return response;
            }
            StatusCode::TOO_MANY_REQUESTS => "2",
            StatusCode::SERVICE_UNAVAILABLE => "1",
            _ => return response,
        };
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static(retry_after_s));
        response
    }
}

static TRACE_SEED: OnceLock<[u8; 32]> = OnceLock::new();
static TRACES: AtomicU64 = AtomicU64::new(0);

/// Draws what makes this process's trace ids differ from any other's.
pub(super) fn seed_trace_ids(randomness: &Randomness) -> Result<(), RandomError> {
    let seed = randomness.bytes()?;
    TRACE_SEED.get_or_init(|| seed);
    Ok(())
}

/// An id of 32 hex digits that no other answer bears.
pub(super) fn fresh_id() -> String {
    let seed = TRACE_SEED.get().copied().unwrap_or_default();
    let number = TRACES.fetch_add(1, Ordering::Relaxed);
    hex::encode(&hash(&[b"vision/request/v1", &seed, &number.to_le_bytes()]).as_bytes()[..16])
}

#[cfg(test)]
mod tests {
    use super::*;
    use vision_wire::status;

    #[test]
    fn statuses_become_problems() {
        let cases = [
            ("a reason", status(Reason::HeightNotFound, "x", &[]), 404, "HEIGHT_NOT_FOUND"),
            ("a conflict", status(Reason::TipChanged, "x", &[]), 409, "TIP_CHANGED"),
            ("no reason", Status::unavailable("x"), 503, "UNAVAILABLE"),
            ("unknown", Status::unknown("x"), 500, "INTERNAL"),
            ("late", Status::deadline_exceeded("x"), 504, "DEADLINE_EXCEEDED"),
        ];
        for (desc, error, expect, reason) in cases {
            let problem = Problem::from(error);
            assert_eq!((problem.status.as_u16(), problem.reason.as_str()), (expect, reason), "{desc}");
        }
        assert_eq!(title("TIP_CHANGED"), "Tip changed");
        assert_eq!(title(""), "");
        assert_ne!(fresh_id(), fresh_id());
    }
}
