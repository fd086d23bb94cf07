//! Which pages of other origins may read the answers: those of `[gateway] allowed_origins`, and none by
//! default.

use std::fmt;
use std::str::FromStr;

use axum::extract::{Request, State};
use axum::http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD, ORIGIN, VARY,
};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use serde::Deserialize;
use vision_host::text::cut;

use super::AppState;

/// What a page may send besides what every page may.
const ALLOWED_HEADERS: &str = "content-type, if-none-match, last-event-id, x-request-id";
/// What a page may read besides what every page may.
const EXPOSED_HEADERS: &str = "etag, retry-after, x-request-id";
const ALLOWED_METHODS: &str = "GET, HEAD, POST, OPTIONS";
/// How long a browser may remember the answer to its question, in seconds.
const MAX_AGE_SECONDS: &str = "600";

/// Where a page comes from, as browsers write it: `https://wallet.example.org`, `http://localhost:3000`.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(try_from = "String")]
pub struct Origin(String);

/// A text that is no origin.
#[derive(Debug, thiserror::Error)]
#[error(
    "{0:?} is not an origin: expected a scheme and a host in lower case, such as https://wallet.example.org, \
     without the default port"
)]
pub struct NoOrigin(String);

impl FromStr for Origin {
    type Err = NoOrigin;

    fn from_str(text: &str) -> Result<Self, NoOrigin> {
        let wrong = || NoOrigin(cut(text));
        let uri: Uri = text.parse().map_err(|_| wrong())?;
        let is_web = matches!(uri.scheme_str(), Some("http" | "https"));
        // What a browser sends is compared byte for byte: it must be written as browsers do.
        let written =
            format!("{}://{}", uri.scheme_str().unwrap_or_default(), uri.authority().ok_or_else(wrong)?);
        let plain = !text.contains(|c: char| c.is_ascii_uppercase() || c == '@');
        let usual_port = matches!(
            (uri.scheme_str(), uri.port_u16()),
            (Some("http"), Some(80)) | (Some("https"), Some(443))
        );
        if is_web && plain && !usual_port && written == text { Ok(Self(written)) } else { Err(wrong()) }
    }
}

impl TryFrom<String> for Origin {
    type Error = NoOrigin;

    fn try_from(text: String) -> Result<Self, NoOrigin> {
        text.parse()
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The origin of a request, if it is on the list.
fn allowed<'a>(origins: &[Origin], headers: &'a HeaderMap) -> Option<&'a HeaderValue> {
    let origin = headers.get(ORIGIN)?;
    origins.iter().any(|allowed| allowed.0.as_bytes() == origin.as_bytes()).then_some(origin)
}

/// Whether a request names an origin that is on the list.
pub(super) fn is_allowed(origins: &[Origin], headers: &HeaderMap) -> bool {
    allowed(origins, headers).is_some()
}

/// Lets pages of allowed origins read the answers, and answers their browsers' questions before a request.
pub(super) async fn shared(State(state): State<AppState>, request: Request, next: Next) -> Response {
    if state.allowed_origins.is_empty() {
        return next.run(request).await;
    }
    let origin = allowed(&state.allowed_origins, request.headers()).cloned();
    let asks_first =
        request.method() == Method::OPTIONS && request.headers().contains_key(ACCESS_CONTROL_REQUEST_METHOD);
    let mut answer = if asks_first && origin.is_some() {
        let granted = [
            (ACCESS_CONTROL_ALLOW_METHODS, ALLOWED_METHODS),
            (ACCESS_CONTROL_ALLOW_HEADERS, ALLOWED_HEADERS),
            (ACCESS_CONTROL_MAX_AGE, MAX_AGE_SECONDS),
        ];
        (StatusCode::NO_CONTENT, granted).into_response()
    } else {
        next.run(request).await
    };
    let headers = answer.headers_mut();
    headers.append(VARY, HeaderValue::from_name(ORIGIN));
    if let Some(origin) = origin {
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(EXPOSED_HEADERS));
    }
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_written_as_browsers_do() {
        for (text, expect) in [
            ("https://wallet.example.org", true),
            ("http://localhost:3000", true),
            ("http://[::1]:3000", true),
            ("https://wallet.example.org:80", true),
            ("https://wallet.example.org:443", false),
            ("http://wallet.example.org:80", false),
            ("https://wallet.example.org/", false),
            ("https://wallet.example.org/app", false),
            ("https://Wallet.example.org", false),
            ("https://me@wallet.example.org", false),
            ("wallet.example.org", false),
            ("ftp://wallet.example.org", false),
            ("*", false),
            ("null", false),
            ("", false),
        ] {
            assert_eq!(text.parse::<Origin>().is_ok(), expect, "{text}");
        }
    }
}
