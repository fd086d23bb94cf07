//! Text fields of requests.

use tonic::Status;
use vision_primitives::Hash;

use crate::{Reason, status};

/// Most characters of a refused value that an error message repeats.
const MAX_SHOWN_CHARS: usize = 80;

/// Reads a hash, id or address of 64 lowercase hex digits.
///
/// # Errors
/// `INVALID_ARGUMENT` with reason `INVALID_HASH`, naming the field.
pub fn parse_hash(field: &str, text: &str) -> Result<Hash, Status> {
    text.parse().map_err(|error| {
        let shown: String = text.chars().take(MAX_SHOWN_CHARS).collect();
        status(Reason::InvalidHash, format!("{field}: {error}: {shown:?}"), &[("field", field.to_owned())])
    })
}

/// Like [`parse_hash`], with `None` for an empty field.
///
/// # Errors
/// As [`parse_hash`].
pub fn parse_optional_hash(field: &str, text: &str) -> Result<Option<Hash>, Status> {
    if text.is_empty() { Ok(None) } else { parse_hash(field, text).map(Some) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{metadata_of, reason_of};

    #[test]
    fn a_bad_hash_names_its_field() {
        let good = "ab".repeat(32);
        assert_eq!(parse_hash("parent", &good).map(|h| h.to_string()).ok(), Some(good.clone()));
        assert_eq!(parse_optional_hash("parent", "").ok(), Some(None));
        for bad in ["", "ab", &good.to_uppercase(), &format!("0x{good}"), &"z".repeat(100_000)] {
            let error = parse_hash("parent", bad).expect_err(bad);
            assert_eq!(error.code(), tonic::Code::InvalidArgument);
            assert_eq!(reason_of(&error).as_deref(), Some("INVALID_HASH"));
            assert_eq!(metadata_of(&error, "field").as_deref(), Some("parent"));
            assert!(error.message().len() < 300, "an attacker's text is not repeated at length");
        }
    }
}
