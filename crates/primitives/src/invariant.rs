//! What cannot be otherwise. A node whose state contradicts itself must not go on as if nothing were wrong:
//! it could sign, store or report what no rule allows. Release builds stop there too.

/// For values that are always there.
pub trait Invariant {
    /// The value.
    type Value;

    /// The value, which is there because of `why`: a sentence about this code, true whatever comes from
    /// outside.
    ///
    /// # Panics
    /// If it is not: the code is wrong.
    #[track_caller]
    fn invariant(self, why: &str) -> Self::Value;
}

impl<T> Invariant for Option<T> {
    type Value = T;

    fn invariant(self, why: &str) -> T {
        match self {
            Some(value) => value,
            None => broken(why),
        }
    }
}

impl<T, E: std::fmt::Display> Invariant for Result<T, E> {
    type Value = T;

    fn invariant(self, why: &str) -> T {
        match self {
            Ok(value) => value,
            Err(error) => broken(&format!("{why}: {error}")),
        }
    }
}

#[cold]
#[track_caller]
#[allow(
    clippy::panic,
    reason = "the one place where the pure half ends the process, with the invariant named"
)]
fn broken(why: &str) -> ! {
    panic!("broken invariant: {why}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_there_is_given() {
        assert_eq!(Some(7).invariant("there"), 7);
        assert_eq!(Ok::<_, String>(7).invariant("there"), 7);
    }

    #[test]
    #[should_panic(expected = "broken invariant: every slot has an owner")]
    fn what_is_missing_is_named() {
        None::<u8>.invariant("every slot has an owner");
    }

    #[test]
    #[should_panic(expected = "broken invariant: memory takes all bytes: disk full")]
    fn a_fault_is_named_too() {
        Err::<u8, _>("disk full").invariant("memory takes all bytes");
    }
}
