//! Cursors of followers: `HEIGHT.INDEX.HASH`, `HEIGHT.INDEX`, or `HEIGHT`.

use std::str::FromStr;

use tonic::Status;
use vision_primitives::{Hash, Height};
use vision_wire::Reason;

use crate::store::Position;

/// Where a follower wants to go on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Cursor {
    /// Behind the head.
    Now,
    /// With the first transaction of a height.
    From(Height),
    /// Behind a transaction, of this block or whatever block is at that height.
    After { height: Height, index: u32, block: Option<Hash> },
}

impl Cursor {
    pub(super) fn parse(text: &str) -> Result<Self, Status> {
        if text.is_empty() {
            return Ok(Self::Now);
        }
        Self::read(text).ok_or_else(|| {
            let why = "expected HEIGHT, HEIGHT.INDEX or a cursor of an earlier event, unchanged";
            vision_wire::status(Reason::InvalidCursor, why, &[("field", "cursor".to_owned())])
        })
    }

    fn read(text: &str) -> Option<Self> {
        let mut parts = text.splitn(3, '.');
        let height = Height(number(parts.next()?)?);
        let Some(index) = parts.next() else { return Some(Self::From(height)) };
        let index = number(index)?;
        let block = match parts.next() {
            None => None,
            Some(hash) => Some(hash.parse().ok()?),
        };
        Some(Self::After { height, index, block })
    }
}

/// Digits only: no sign.
fn number<T: FromStr>(text: &str) -> Option<T> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| text.parse().ok()).flatten()
}

/// The cursor of somebody who has been sent events so far.
pub(super) fn text(position: &Position) -> String {
    let Position { height, index, block } = position;
    format!("{height}.{index}.{block}")
}

#[cfg(test)]
mod fuzz;
#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursors() {
        let block = Hash([0xab; 32]);
        let (height, index) = (Height(7), 3);
        let whole = text(&Position { height, index, block });
        assert_eq!(whole, format!("7.3.{}", "ab".repeat(32)));
        let cases = [
            ("", Some(Cursor::Now)),
            ("7", Some(Cursor::From(height))),
            ("7.3", Some(Cursor::After { height, index, block: None })),
            (whole.as_str(), Some(Cursor::After { height, index, block: Some(block) })),
            ("18446744073709551615.4294967295", {
                Some(Cursor::After { height: Height(u64::MAX), index: u32::MAX, block: None })
            }),
            ("18446744073709551616", None),
            ("7.4294967296", None),
            ("+7.3", None),
            ("7.", None),
            (".3", None),
            ("7.3.", None),
            ("7.3.ab", None),
            ("7.3.0x", None),
            ("-", None),
            ("7 ", None),
        ];
        for (text, expect) in cases {
            assert_eq!(Cursor::parse(text).ok(), expect, "{text:?}");
        }
        assert_eq!(Cursor::parse(&format!("{whole}.1")).ok(), None);
    }
}
