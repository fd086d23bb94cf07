//! Lines for people. Nobody may be reading any more, which must not keep anything from being cleaned up.

use std::io::Write as _;

/// Writes a line to stdout.
pub(crate) fn line(text: impl AsRef<str>) {
    drop(writeln!(std::io::stdout(), "{}", text.as_ref()));
}

/// Writes a line to stderr, in one piece.
pub(crate) fn error(text: impl AsRef<str>) {
    drop(writeln!(std::io::stderr(), "error: {}", text.as_ref().replace('\n', " ")));
}
