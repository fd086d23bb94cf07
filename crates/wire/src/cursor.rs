//! Cursors of watches: which start of the service, and which event since.

use std::fmt;
use std::str::FromStr;

/// Names one event of an [`EventLog`](crate::EventLog); text form `<start id in hex>-<sequence number>`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Cursor {
    /// Tells one start of the service from the next.
    pub start_id: u64,
    /// Number of the event since that start, from 0.
    pub sequence: u64,
}

/// Text that no watch gave out as a cursor.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("a cursor has the form <16 hex digits>-<number>")]
pub struct CursorError;

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}-{}", self.start_id, self.sequence)
    }
}

impl FromStr for Cursor {
    type Err = CursorError;

    fn from_str(text: &str) -> Result<Self, CursorError> {
        let (start, sequence) = text.split_once('-').ok_or(CursorError)?;
        let start_id = u64::from_str_radix(start, 16).map_err(|_| CursorError)?;
        let cursor = Self { start_id, sequence: sequence.parse().map_err(|_| CursorError)? };
        // One text per cursor: no leading zeros, signs or capitals.
        if cursor.to_string() == text { Ok(cursor) } else { Err(CursorError) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_form() {
        let cursor = Cursor { start_id: 0x1234, sequence: 17 };
        assert_eq!(cursor.to_string(), "0000000000001234-17");
        assert_eq!("0000000000001234-17".parse(), Ok(cursor));
        for bad in [
            "",
            "-",
            "1234-17",
            "0000000000001234-017",
            "0000000000001234-+17",
            "000000000000ABCD-1",
            "0000000000001234-1x",
        ] {
            assert_eq!(bad.parse::<Cursor>(), Err(CursorError), "{bad}");
        }
    }
}
