//! Query strings and path parameters, read strictly: a misspelt key is an error, not a default.

use std::str::FromStr;

use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{FromRequestParts, Path, Query};
use axum::http::request::Parts;
use bytes::Bytes;
use vision_host::text::cut;
use vision_primitives::Hash;
use vision_wire::Reason;

use super::problem::Problem;
use crate::ports::{BlockId, Stretch};

/// Items of a list when the caller does not say.
const DEFAULT_LIMIT: u32 = 50;
/// Most items of a list; a larger wish is cut to this.
pub(super) const MAX_LIMIT: u32 = 500;

/// Bytes of data that transactions are found by.
const MAX_DATA_PREFIX_BYTES: usize = 64;

/// The pairs of a query string.
pub(super) struct Params(Vec<(String, String)>);

impl<S: Send + Sync> FromRequestParts<S> for Params {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let pairs: Result<Query<Vec<(String, String)>>, QueryRejection> =
            Query::from_request_parts(parts, state).await;
        let Query(pairs) =
            pairs.map_err(|error| Problem::new(Reason::InvalidArgument, cut(&error.body_text())))?;
        Ok(Self(pairs))
    }
}

impl Params {
    /// Refuses keys other than these, and any key given twice.
    pub(super) fn allow(self, known: &[&str]) -> Result<Self, Problem> {
        for (at, (key, _)) in self.0.iter().enumerate() {
            if !known.contains(&key.as_str()) {
                let shown = cut(key);
                let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
                let detail = format!("unknown query parameter {shown:?}; known: {known}");
                return Err(Problem::new(Reason::InvalidArgument, detail));
            }
            if self.0[..at].iter().any(|(earlier, _)| earlier == key) {
                return Err(Problem::field(Reason::InvalidArgument, key, "given twice"));
            }
        }
        Ok(self)
    }

    pub(super) fn pairs(&self) -> &[(String, String)] {
        &self.0
    }

    pub(super) fn text(&self, key: &str) -> Option<&str> {
        self.0.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str())
    }

    /// Where a list begins: upward from `from`, or below `before`, newest first.
    pub(super) fn stretch(&self) -> Result<Stretch, Problem> {
        match (self.height("from")?, self.height("before")?) {
            (Some(_), Some(_)) => {
                let detail = "give from or before, not both";
                Err(Problem::field(Reason::InvalidArgument, "before", detail))
            }
            (None, Some(height)) => Ok(Stretch::Before(height)),
            (from, None) => Ok(Stretch::From(from.unwrap_or(0))),
        }
    }

    pub(super) fn height(&self, key: &str) -> Result<Option<u64>, Problem> {
        let number = |text| decimal(text).ok_or_else(|| not_a_height(key));
        self.text(key).map(number).transpose()
    }

    /// What data shall begin with: hex digits of 1 to [`MAX_DATA_PREFIX_BYTES`] bytes; empty when it is not
    /// given.
    pub(super) fn data_prefix(&self) -> Result<Bytes, Problem> {
        let Some(text) = self.text("data_prefix") else { return Ok(Bytes::new()) };
        match hex::decode(text) {
            Ok(bytes) if (1..=MAX_DATA_PREFIX_BYTES).contains(&bytes.len()) => Ok(bytes.into()),
            _ => {
                let detail = format!("expected hex digits of 1 to {MAX_DATA_PREFIX_BYTES} bytes, without 0x");
                Err(Problem::field(Reason::InvalidArgument, "data_prefix", &detail))
            }
        }
    }

    /// `limit`, 1 to [`MAX_LIMIT`].
    pub(super) fn limit(&self) -> Result<u32, Problem> {
        let Some(text) = self.text("limit") else { return Ok(DEFAULT_LIMIT) };
        match decimal::<u64>(text) {
            None | Some(0) => {
                Err(Problem::field(Reason::InvalidPageSize, "limit", "expected a number of at least 1"))
            }
            Some(limit) => Ok(u32::try_from(limit).unwrap_or(MAX_LIMIT).min(MAX_LIMIT)),
        }
    }
}

fn not_a_height(field: &str) -> Problem {
    Problem::field(Reason::InvalidHeight, field, "expected a whole number from 0 to 2^64 - 1")
}

/// Digits only: no sign, no white space.
pub(super) fn decimal<T: FromStr>(text: &str) -> Option<T> {
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}

/// What may stand before the digits of a hash.
const HEX_PREFIX: &str = "0x";

/// A hash or address, with or without `0x`.
pub(super) fn parse_hash(field: &str, text: &str) -> Result<Hash, Problem> {
    let wrong = |_| Problem::field(Reason::InvalidHash, field, "expected 64 lowercase hex digits");
    text.strip_prefix(HEX_PREFIX).unwrap_or(text).parse().map_err(wrong)
}

/// A block's height or hash in a path.
pub(super) fn block_id(path: Result<Path<String>, PathRejection>) -> Result<BlockId, Problem> {
    let text = match &path {
        Ok(Path(text)) => text.as_str(),
        Err(_) => "",
    };
    // No height has 64 digits, and every hash has.
    if text.strip_prefix(HEX_PREFIX).unwrap_or(text).len() == 64 {
        return parse_hash("block", text).map(BlockId::Hash);
    }
    decimal(text).map(BlockId::Height).ok_or_else(|| {
        Problem::field(
            Reason::InvalidHeight,
            "block",
            "expected a height or a hash of 64 lowercase hex digits",
        )
    })
}

#[cfg(test)]
mod fuzz;
#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn block_ids() {
        let hash = "ab".repeat(32);
        let digits = "12".repeat(32);
        let cases = [
            ("0", Some(BlockId::Height(0))),
            ("18446744073709551615", Some(BlockId::Height(u64::MAX))),
            ("18446744073709551616", None),
            ("-1", None),
            ("+1", None),
            ("1.0", None),
            ("", None),
            ("latest", None),
            (hash.as_str(), hash.parse().ok().map(BlockId::Hash)),
            (digits.as_str(), digits.parse().ok().map(BlockId::Hash)),
            (&format!("0x{hash}"), hash.parse().ok().map(BlockId::Hash)),
            (&format!("0x0x{hash}"), None),
            (&format!("0X{hash}"), None),
            ("0x10", None),
            ("0x", None),
        ];
        for (text, expect) in cases {
            assert_eq!(block_id(Ok(Path(text.to_owned()))).ok(), expect, "{text}");
        }
        assert!(block_id(Ok(Path("AB".repeat(32)))).is_err());
    }

    #[test]
    fn limits() {
        let of = |text: &str| Params(vec![("limit".into(), text.into())]).limit().ok();
        for (text, expect) in [
            ("1", Some(1)),
            ("500", Some(500)),
            ("501", Some(500)),
            ("99999999999", Some(500)),
            ("0", None),
            ("-1", None),
            ("x", None),
            ("", None),
        ] {
            assert_eq!(of(text), expect, "{text:?}");
        }
        assert_eq!(Params(vec![]).limit().ok(), Some(50));
    }

    #[test]
    fn stretches() {
        let cases = [
            ("nothing", vec![], Some(Stretch::From(0))),
            ("from", vec![("from", "3")], Some(Stretch::From(3))),
            ("before", vec![("before", "3")], Some(Stretch::Before(3))),
            ("both", vec![("from", "3"), ("before", "4")], None),
            ("no height", vec![("before", "0x3")], None),
        ];
        for (desc, pairs, expect) in cases {
            let pairs = pairs.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned()));
            assert_eq!(Params(pairs.collect()).stretch().ok(), expect, "{desc}");
        }
    }

    #[test]
    fn data_prefixes() {
        let of = |text: &str| Params(vec![("data_prefix".into(), text.into())]).data_prefix().ok();
        let longest = "ab".repeat(64);
        for (text, expect) in [
            ("01ab", Some(vec![1, 0xab])),
            (longest.as_str(), Some(vec![0xab; 64])),
            (&format!("{longest}ab"), None),
            ("", None),
            ("0", None),
            ("0x01", None),
            ("zz", None),
        ] {
            assert_eq!(of(text), expect.map(Bytes::from), "{text:?}");
        }
        assert_eq!(Params(vec![]).data_prefix().ok(), Some(Bytes::new()));
    }

    #[test]
    fn unknown_and_repeated_keys_are_refused() {
        let params =
            |keys: &[&str]| Params(keys.iter().map(|key| ((*key).to_owned(), "1".to_owned())).collect());
        assert!(params(&["from", "limit"]).allow(&["from", "limit"]).is_ok());
        assert!(params(&["form"]).allow(&["from", "limit"]).is_err());
        assert!(params(&["from", "from"]).allow(&["from", "limit"]).is_err());
        assert!(params(&["x"]).allow(&[]).is_err());
    }
}
