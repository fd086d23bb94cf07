//! What caches may keep: blocks that are final, for ever, and nothing else.

use axum::http::header::{CACHE_CONTROL, ETAG, IF_NONE_MATCH};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Response};

const FOR_EVER: &str = "public, max-age=31536000, immutable";

/// The tag of an answer that never changes.
pub(super) struct Final(HeaderValue);

impl Final {
    /// Of a final block. Another version of this program may show it in another way.
    pub(super) fn block(hash: &str, version: &str) -> Option<Self> {
        HeaderValue::from_str(&format!("\"{hash}.{version}\"")).ok().map(Self)
    }

    /// The answer to a caller that has it already.
    pub(super) fn unchanged(&self, asked: &HeaderMap) -> Option<Response> {
        let tag = self.0.as_bytes();
        let known = asked.get_all(IF_NONE_MATCH).iter().any(|value| names(value.as_bytes(), tag));
        known.then(|| self.mark(StatusCode::NOT_MODIFIED.into_response()))
    }

    /// Lets caches keep an answer.
    pub(super) fn mark(&self, mut answer: Response) -> Response {
        answer.headers_mut().insert(ETAG, self.0.clone());
        answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static(FOR_EVER));
        answer
    }
}

/// Whether a list of tags has this one, weak or not, or is `*`.
fn names(list: &[u8], tag: &[u8]) -> bool {
    list.split(|byte| *byte == b',')
        .map(<[u8]>::trim_ascii)
        .any(|given| given == b"*" || given.strip_prefix(b"W/").unwrap_or(given) == tag)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_tags() {
        for (list, expect) in [
            ("\"a\"", true),
            ("W/\"a\"", true),
            ("\"b\", W/\"a\"", true),
            ("*", true),
            ("\"b\"", false),
            ("a", false),
            ("", false),
        ] {
            assert_eq!(names(list.as_bytes(), b"\"a\""), expect, "{list}");
        }
    }
}
