//! Text fields of requests.

use tonic::Status;
use vision_primitives::{Hash, HexError};

use crate::{Reason, status};

/// Reads a hash, id or address of 64 lowercase hex digits.
///
/// # Errors
/// `INVALID_ARGUMENT` with reason `INVALID_HASH`, naming the field. The text itself is not repeated.
pub fn parse_hash(field: &str, text: &str) -> Result<Hash, Status> {
    text.parse().map_err(|error: HexError| {
        status(Reason::InvalidHash, format!("{field}: {error}"), &[("field", field.to_owned())])
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
        let marked = "z\u{1b}[2J\n".repeat(20_000);
        for bad in ["", "ab", &good.to_uppercase(), &format!("0x{good}"), &marked] {
            let error = parse_hash("parent", bad).expect_err(bad);
            assert_eq!(error.code(), tonic::Code::InvalidArgument);
            assert_eq!(reason_of(&error).as_deref(), Some("INVALID_HASH"));
            assert_eq!(metadata_of(&error, "field").as_deref(), Some("parent"));
            let count = bad.chars().count();
            assert_eq!(
                error.message(),
                format!("parent: expected 64 lowercase hex digits, got {count} characters")
            );
        }
    }
}
