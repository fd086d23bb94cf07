//! Panics in foreign code that are answered like errors: a damaged file must be refused with advice, whatever
//! the library that reads it thinks of it.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};

thread_local! {
    static CAUGHT: Cell<bool> = const { Cell::new(false) };
}

/// Runs what may panic over a damaged file. Everything it has changed must be dropped if it does.
///
/// # Errors
/// What the panic says.
pub fn caught<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    let before = CAUGHT.replace(true);
    let done = catch_unwind(AssertUnwindSafe(work));
    CAUGHT.set(before);
    done.map_err(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no message").to_owned()
    })
}

/// Whether a panic on this thread would be [`caught`]. A panic hook that ends the process asks this first.
#[must_use]
pub fn are_caught() -> bool {
    CAUGHT.get()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_its_message_and_only_within() {
        let nothing: [u8; 0] = [];
        assert_eq!(caught(are_caught), Ok(true));
        assert!(!are_caught());
        let out_of_range = caught(|| nothing[nothing.len()]).expect_err("it panics");
        assert!(out_of_range.contains("index out of bounds"), "{out_of_range}");
        assert!(!are_caught(), "after a panic too");
        let within = caught(|| (caught(|| panic!("plain")), are_caught()));
        assert_eq!(within, Ok((Err::<(), _>("plain".into()), true)));
    }
}
