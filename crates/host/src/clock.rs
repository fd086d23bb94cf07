//! Time. The one place that reads the machine's clock, and tokio's.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

/// Tells the time. Cheap to clone; all clones agree.
#[derive(Clone, Debug)]
pub struct Clock(Source);

#[derive(Clone, Debug)]
enum Source {
    Machine { offset_ms: i64, started: std::time::Instant },
    Simulated(SimulatedClock),
}

impl Clock {
    /// The machine's clock, `offset_ms` later than it is (for tests of clock skew).
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the machine's clock")]
    pub fn system(offset_ms: i64) -> Self {
        Self(Source::Machine { offset_ms, started: std::time::Instant::now() })
    }

    /// Milliseconds since the Unix epoch. May jump when the machine's clock is set.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the machine's clock")]
    pub fn now_ms(&self) -> u64 {
        let (since_epoch, offset_ms) = match &self.0 {
            Source::Machine { offset_ms, .. } => {
                (SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO), *offset_ms)
            }
            Source::Simulated(simulated) => simulated.since_epoch(),
        };
        whole_ms(since_epoch).saturating_add_signed(offset_ms)
    }

    /// Milliseconds since this clock was made. Never goes backwards and knows no offset.
    #[must_use]
    pub fn monotonic_ms(&self) -> u64 {
        whole_ms(match &self.0 {
            Source::Machine { started, .. } => started.elapsed(),
            Source::Simulated(simulated) => simulated.elapsed(),
        })
    }

    /// Now, for deadlines: the clock that tokio's timers follow. It stands still while a test pauses it.
    #[must_use]
    pub fn instant(&self) -> Instant {
        now()
    }
}

#[expect(clippy::disallowed_methods, reason = "the one place that reads tokio's clock")]
fn now() -> Instant {
    Instant::now()
}

fn whole_ms(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// A clock that tokio's clock drives: it stands still when that is paused, and moves when that is advanced.
/// Its wall clock can be set and can run too fast or too slow; its monotonic clock, like timers, knows
/// nothing of that. Cheap to clone; all clones are one, and so are the clocks made of it.
#[derive(Clone, Debug)]
pub struct SimulatedClock(Arc<Simulated>);

#[derive(Debug)]
struct Simulated {
    origin: Instant,
    start: Duration,
    wall: Mutex<Wall>,
}

/// How the wall clock differs from one that is right.
#[derive(Debug, Default)]
struct Wall {
    offset_ms: i64,
    drift_ppm: i32,
    /// Since when it drifts so, from the origin on.
    drifts_since: Duration,
    /// What it had drifted by then, nanoseconds.
    drifted_ns: i128,
}

impl Wall {
    fn drifted_ns(&self, elapsed: Duration) -> i128 {
        // Far below the limits of i128: a Duration has at most 94 bits of nanoseconds.
        let so = elapsed.saturating_sub(self.drifts_since).as_nanos() as i128;
        self.drifted_ns + so * i128::from(self.drift_ppm) / 1_000_000
    }
}

impl SimulatedClock {
    /// Begins now, on tokio's clock, and shows `start_ms` milliseconds since the Unix epoch. Make it inside
    /// the runtime whose time it is to follow.
    #[must_use]
    pub fn new(start_ms: u64) -> Self {
        let start = Duration::from_millis(start_ms);
        Self(Arc::new(Simulated { origin: now(), start, wall: Mutex::default() }))
    }

    /// The clock to hand out.
    #[must_use]
    pub fn clock(&self) -> Clock {
        Clock(Source::Simulated(self.clone()))
    }

    /// Sets the wall clock so much later than it would be. It jumps there.
    pub fn set_offset_ms(&self, offset_ms: i64) {
        self.wall().offset_ms = offset_ms;
    }

    /// Lets the wall clock run too fast from now on, by so many parts per million; too slow if negative.
    pub fn set_drift_ppm(&self, drift_ppm: i32) {
        let elapsed = self.elapsed();
        let mut wall = self.wall();
        wall.drifted_ns = wall.drifted_ns(elapsed);
        (wall.drift_ppm, wall.drifts_since) = (drift_ppm, elapsed);
    }

    fn wall(&self) -> MutexGuard<'_, Wall> {
        // Every holder leaves it whole.
        self.0.wall.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn elapsed(&self) -> Duration {
        now().saturating_duration_since(self.0.origin)
    }

    /// The wall clock's time without its offset, and that.
    fn since_epoch(&self) -> (Duration, i64) {
        let (elapsed, wall) = (self.elapsed(), self.wall());
        let right = self.0.start.saturating_add(elapsed);
        let drifted_ns = wall.drifted_ns(elapsed);
        let drifted = Duration::from_nanos(u64::try_from(drifted_ns.unsigned_abs()).unwrap_or(u64::MAX));
        let shown =
            if drifted_ns < 0 { right.saturating_sub(drifted) } else { right.saturating_add(drifted) };
        (shown, wall.offset_ms)
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

    const START_MS: u64 = 1_700_000_000_000;
    const HOUR: Duration = Duration::from_secs(3_600);

    #[tokio::test(start_paused = true)]
    async fn a_simulated_clock_moves_with_tokios() {
        let simulated = SimulatedClock::new(START_MS);
        let (clock, began) = (simulated.clock(), simulated.clock().instant());
        let other = clock.clone();
        assert_eq!((clock.now_ms(), clock.monotonic_ms()), (START_MS, 0));
        tokio::time::sleep(HOUR).await;
        assert_eq!((clock.now_ms(), clock.monotonic_ms()), (START_MS + 3_600_000, 3_600_000));
        assert_eq!(clock.instant() - began, HOUR);
        assert_eq!((other.now_ms(), other.monotonic_ms()), (clock.now_ms(), clock.monotonic_ms()));
    }

    #[tokio::test(start_paused = true)]
    async fn it_jumps_and_drifts_and_its_monotonic_clock_does_neither() {
        let simulated = SimulatedClock::new(START_MS);
        let (clock, earlier) = (simulated.clock(), simulated.clock());
        let cases = [
            ("right", 0, 0, 3_600_000),
            ("set forward", 5_000, 0, 7_205_000),
            ("set back, behind its start", -8_000_000, 0, 2_800_000),
            ("right again", 0, 0, 14_400_000),
            ("100 ppm too fast: 360 ms in an hour", 0, 100, 18_000_360),
            ("the same again, and set forward", 10, 100, 21_600_730),
            ("100 ppm too slow takes it back", 0, -100, 25_200_360),
            ("what it has drifted stays", 0, 0, 28_800_360),
        ];
        for ((desc, offset_ms, drift_ppm, wall_ms), hours) in cases.into_iter().zip(1..) {
            simulated.set_drift_ppm(drift_ppm);
            simulated.set_offset_ms(offset_ms);
            assert_eq!(clock.monotonic_ms(), (hours - 1) * 3_600_000, "{desc}: setting it is no time");
            tokio::time::sleep(HOUR).await;
            assert_eq!(clock.now_ms(), START_MS + wall_ms, "{desc}");
            assert_eq!(clock.monotonic_ms(), hours * 3_600_000, "{desc}");
            assert_eq!(earlier.now_ms(), clock.now_ms(), "{desc}");
        }
        simulated.set_offset_ms(i64::MIN);
        assert_eq!(clock.now_ms(), 0, "saturates");
    }
}
