//! Pages of lists: `page_size`, an opaque `page_token`, `next_page_token`.

use tonic::Status;
use vision_primitives::hash;

use crate::{Reason, status};

/// Items of a page when the caller does not say.
pub const DEFAULT_PAGE_ITEMS: usize = 50;
/// Most items of a page; a larger wish is cut to this.
pub const MAX_PAGE_ITEMS: usize = 500;

/// A page as asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PageRequest {
    /// How many items to give, 1 to [`MAX_PAGE_ITEMS`].
    pub items: usize,
    /// Position that an earlier answer's token stands for; `None` on the first page.
    pub position: Option<u64>,
}

impl PageRequest {
    /// Reads the two fields of a request. `list` names the list, so that one list's token is refused by
    /// another.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` with reason `INVALID_PAGE_TOKEN`.
    pub fn parse(list: &str, page_size: u32, page_token: &str) -> Result<Self, Status> {
        let items = match usize::try_from(page_size) {
            Ok(0) => DEFAULT_PAGE_ITEMS,
            Ok(wanted) => wanted.min(MAX_PAGE_ITEMS),
            Err(_) => MAX_PAGE_ITEMS,
        };
        let position = match page_token {
            "" => None,
            token => Some(decode(list, token).ok_or_else(|| {
                let message =
                    "page_token: use the next_page_token of an earlier answer of this list unchanged";
                status(Reason::InvalidPageToken, message, &[("field", "page_token".to_owned())])
            })?),
        };
        Ok(Self { items, position })
    }
}

/// The token that stands for a position of a list.
#[must_use]
pub fn encode_token(list: &str, position: u64) -> String {
    hex::encode([&position.to_le_bytes()[..], &check(list, position)].concat())
}

fn decode(list: &str, token: &str) -> Option<u64> {
    let mut bytes = [0; 12];
    hex::decode_to_slice(token, &mut bytes).ok()?;
    let position = u64::from_le_bytes(*bytes.first_chunk()?);
    // One text each: not in capitals either.
    (encode_token(list, position) == token).then_some(position)
}

/// Tells a token of this list from any other text; no secret.
fn check(list: &str, position: u64) -> [u8; 4] {
    let [a, b, c, d, ..] = hash(&[b"vision/page/v1", list.as_bytes(), &position.to_le_bytes()]).0;
    [a, b, c, d]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reason_of;

    #[test]
    fn sizes_have_a_default_and_a_cap() {
        for (asked, expect) in [(0, 50), (1, 1), (50, 50), (500, 500), (501, 500), (u32::MAX, 500)] {
            let page = PageRequest::parse("blocks", asked, "").expect("no token");
            assert_eq!(page, PageRequest { items: expect, position: None }, "{asked}");
        }
    }

    #[test]
    fn only_this_lists_own_tokens_are_taken() {
        for position in [0, 1, 12_345, u64::MAX] {
            let token = encode_token("blocks", position);
            assert_eq!(PageRequest::parse("blocks", 0, &token).expect("own").position, Some(position));
            for bad in [
                encode_token("claims", position),
                format!("{token}00"),
                token[2..].to_owned(),
                "12".into(),
                "é".into(),
            ] {
                let error = PageRequest::parse("blocks", 0, &bad).expect_err(&bad);
                assert_eq!(reason_of(&error).as_deref(), Some("INVALID_PAGE_TOKEN"));
            }
        }
    }

    #[test]
    fn a_token_has_one_text() {
        let (own, in_capitals) = ("efcdab00000000004804e693", "efcdaB00000000004804e693");
        assert_eq!(encode_token("blocks", 0xab_cdef), own);
        assert!(PageRequest::parse("blocks", 0, own).is_ok());
        assert!(PageRequest::parse("blocks", 0, in_capitals).is_err());
    }
}
