//! When to try again after a failure.

/// Pause after the first failure, milliseconds.
const FIRST_PAUSE_MS: u64 = 200;
/// Longest pause, milliseconds.
const MAX_PAUSE_MS: u64 = 2_000;

/// Doubling pauses on the monotonic clock.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Retry {
    not_before_ms: u64,
    pause_ms: u64,
}

impl Retry {
    pub(crate) const fn ready(&self, mono_ms: u64) -> bool {
        mono_ms >= self.not_before_ms
    }

    pub(crate) fn failed(&mut self, mono_ms: u64) {
        self.pause_ms = (self.pause_ms * 2).clamp(FIRST_PAUSE_MS, MAX_PAUSE_MS);
        self.not_before_ms = mono_ms.saturating_add(self.pause_ms);
    }

    pub(crate) fn worked(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_cap_and_start_again() {
        let mut retry = Retry::default();
        for pause in [200, 400, 800, 1600, 2000, 2000] {
            retry.failed(1_000);
            assert!(!retry.ready(1_000 + pause - 1) && retry.ready(1_000 + pause), "{pause}");
        }
        retry.worked();
        assert!(retry.ready(0));
    }
}
