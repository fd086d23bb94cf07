//! Waiting for conditions, never for a time.

use std::time::Duration;

use vision_host::Clock;

use crate::failure::{Failure, Outcome};

/// Pause between two looks.
pub(crate) const LOOK_EVERY: Duration = Duration::from_millis(250);

/// Looks again and again until there is a value. A look that fails says what it saw; when the time is over,
/// the last one is what was seen instead.
pub(crate) async fn until<T>(
    what: impl Into<String>,
    seconds: u64,
    mut look: impl AsyncFnMut() -> Outcome<T>,
) -> Outcome<T> {
    let clock = Clock::system(0);
    loop {
        let last: Failure = match look().await {
            Ok(value) => return Ok(value),
            Err(seen) => seen,
        };
        if clock.monotonic_ms() >= seconds * 1000 {
            return Err(last.expected(format!("{}, within {seconds} s", what.into())));
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_last_look_is_what_was_seen() {
        let mut looks = 0;
        let third = until("three", 60, async || {
            looks += 1;
            if looks == 3 { Ok(looks) } else { Err(Failure::seen(format!("{looks}"))) }
        });
        assert_eq!(third.await.expect("in time"), 3);
        let never =
            until("a wonder", 0, async || Err::<(), _>(Failure::seen("nothing").about(["node1-chain"])));
        let failure = never.await.expect_err("no wonder");
        assert_eq!(failure.wanted(), "a wonder, within 0 s");
        assert_eq!((failure.found(), failure.concerned()), ("nothing", &["node1-chain".to_owned()][..]));
    }
}
