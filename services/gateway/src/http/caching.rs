//! What caches may keep: a final block by its hash, for a day; one by its height and the files of the page,
//! as long as they are the same.

use axum::http::header::{CACHE_CONTROL, ETAG, IF_NONE_MATCH};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Response};
use vision_primitives::hash;

use crate::ports::BlockId;

/// For a final block by its hash, which never changes. Not longer: another version of this program may show
/// more of it, and the tag, by which caches ask then, names the version.
const A_DAY: &str = "public, max-age=86400";
/// For what another version of this program may have another of: caches ask whether it is still the same.
pub(super) const ASK_AGAIN: &str = "no-cache";

/// Distinguishes one state of a thing from all others.
#[derive(Clone)]
pub(super) struct Tag(HeaderValue);

impl Tag {
    fn of(text: &str) -> Option<Self> {
        HeaderValue::from_str(&format!("\"{text}\"")).ok().map(Self)
    }

    /// Of what the bytes are.
    pub(super) fn of_bytes(bytes: &[u8]) -> Option<Self> {
        Self::of(&hash(&[b"vision/file/v1", bytes]).to_string())
    }

    /// Whether the caller has this state already.
    pub(super) fn is_known(&self, asked: &HeaderMap) -> bool {
        let tag = self.0.as_bytes();
        asked.get_all(IF_NONE_MATCH).iter().any(|value| names(value.as_bytes(), tag))
    }

    /// Lets caches keep an answer, this long.
    pub(super) fn mark(&self, mut answer: Response, cache_control: &'static str) -> Response {
        answer.headers_mut().insert(ETAG, self.0.clone());
        answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static(cache_control));
        answer
    }
}

/// The tag of an answer about what never changes, and how long caches keep it.
pub(super) struct Final(Tag, &'static str);

impl Final {
    /// Of a final block that was asked for in this way. Another version of this program may show it in
    /// another way; and at a height another chain, begun anew at the same address, has another block.
    pub(super) fn block(hash: &str, asked_for: BlockId, version: &str) -> Option<Self> {
        let kept = match asked_for {
            BlockId::Hash(_) => A_DAY,
            BlockId::Height(_) => ASK_AGAIN,
        };
        Tag::of(&format!("{hash}.{version}")).map(|tag| Self(tag, kept))
    }

    /// The answer to a caller that has it already.
    pub(super) fn unchanged(&self, asked: &HeaderMap) -> Option<Response> {
        self.0.is_known(asked).then(|| self.mark(StatusCode::NOT_MODIFIED.into_response()))
    }

    /// Lets caches keep an answer.
    pub(super) fn mark(&self, answer: Response) -> Response {
        self.0.mark(answer, self.1)
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
