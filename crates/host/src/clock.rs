//! The machine's clock. The one place that reads it.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Tells the time. Cheap to clone; all clones agree.
#[derive(Clone, Debug)]
pub struct Clock {
    offset_ms: i64,
    started: Instant,
}

impl Clock {
    /// The machine's clock, `offset_ms` later than it is (for tests of clock skew).
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the machine's clock")]
    pub fn system(offset_ms: i64) -> Self {
        Self { offset_ms, started: Instant::now() }
    }

    /// Milliseconds since the Unix epoch. May jump when the machine's clock is set.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the machine's clock")]
    pub fn now_ms(&self) -> u64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        let ms = u64::try_from(since.as_millis()).unwrap_or(u64::MAX);
        ms.saturating_add_signed(self.offset_ms)
    }

    /// Milliseconds since this clock was made. Never goes backwards and knows no offset.
    #[must_use]
    pub fn monotonic_ms(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_shift_the_wall_clock_only() {
        let (here, fast, slow) = (Clock::system(0), Clock::system(3_600_000), Clock::system(-3_600_000));
        let now = here.now_ms();
        assert!(now > 1_600_000_000_000, "{now}");
        assert!(fast.now_ms() >= now + 3_600_000 && slow.now_ms() + 3_500_000 < now);
        assert!(fast.monotonic_ms() < 3_000_000);
        assert_eq!(Clock::system(i64::MIN).now_ms(), 0, "saturates");
    }
}
