//! The dashboard: a few files that lie in the program, at `/` and beside it.

use axum::Router;
use axum::body::Bytes;
use axum::http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;

use super::caching::{ASK_AGAIN, Tag};

/// Nothing but what this gateway serves: no other host, no inline script or style, no frame around it.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// A file of the page.
struct File {
    path: &'static str,
    content_type: &'static str,
    bytes: &'static [u8],
}

macro_rules! file {
    ($path:literal, $name:literal, $content_type:literal) => {
        File {
            path: $path,
            content_type: $content_type,
            bytes: include_bytes!(concat!("../../page/", $name)),
        }
    };
}

const FILES: [File; 5] = [
    file!("/", "index.html", "text/html; charset=utf-8"),
    file!("/app.css", "app.css", "text/css; charset=utf-8"),
    file!("/app.js", "app.js", "text/javascript; charset=utf-8"),
    file!("/panels.js", "panels.js", "text/javascript; charset=utf-8"),
    file!("/hash.js", "hash.js", "text/javascript; charset=utf-8"),
];

/// The routes of the page's files.
pub(super) fn routes<S: Clone + Send + Sync + 'static>() -> Router<S> {
    FILES.iter().fold(Router::new(), |router, file| {
        let tag = Tag::of_bytes(file.bytes);
        router.route(
            file.path,
            get(move |asked: HeaderMap| std::future::ready(answer(file, tag.as_ref(), &asked))),
        )
    })
}

fn answer(file: &File, tag: Option<&Tag>, asked: &HeaderMap) -> Response {
    let headers = [
        (CONTENT_TYPE, file.content_type),
        (CONTENT_SECURITY_POLICY, POLICY),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (REFERRER_POLICY, "no-referrer"),
    ];
    match tag {
        Some(tag) if tag.is_known(asked) => tag.mark(StatusCode::NOT_MODIFIED.into_response(), ASK_AGAIN),
        Some(tag) => tag.mark((headers, Bytes::from_static(file.bytes)).into_response(), ASK_AGAIN),
        None => (headers, Bytes::from_static(file.bytes)).into_response(),
    }
}
