//! What the producer service of this node says of itself.

use tokio::sync::watch;
use vision_host::Clock;
use vision_sync_status::makes_no_block_because;

/// What it said longer ago than this does not count: it is gone. Milliseconds.
const MAX_AGE_MS: u64 = 5_000;

/// Its last report. Cheap to clone; all clones are one.
#[derive(Clone)]
pub(crate) struct ProducerReport {
    /// Why it makes no block, and when it said so by the clock that never jumps.
    last: watch::Sender<(String, u64)>,
}

impl ProducerReport {
    /// None yet; until it has had the time to say something nothing is held against it.
    pub(crate) fn new(clock: &Clock) -> Self {
        Self { last: watch::Sender::new((String::new(), clock.monotonic_ms())) }
    }

    /// Takes its report.
    pub(crate) fn said(&self, because: String, monotonic_ms: u64) {
        self.last.send_if_modified(|last| {
            let changed = last.0 != because;
            *last = (because, monotonic_ms);
            changed
        });
    }

    /// Is notified when it says something else.
    pub(crate) fn changes(&self) -> watch::Receiver<(String, u64)> {
        self.last.subscribe()
    }

    /// Why this node makes no block, when the oracle says this.
    pub(crate) fn joined(&self, oracle: &str, monotonic_ms: u64) -> String {
        let last = self.last.borrow();
        let is_there = monotonic_ms.saturating_sub(last.1) <= MAX_AGE_MS;
        let silent = "the producer service has been silent for 5 s: start it, or read its log";
        makes_no_block_because(oracle, if is_there { Ok(&last.0) } else { Err(silent) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_counts_for_a_while() {
        let clock = Clock::system(0);
        let report = ProducerReport::new(&clock);
        let start = clock.monotonic_ms();
        assert_eq!(report.joined("", start), "", "it may still come");
        assert!(report.joined("", start + MAX_AGE_MS + 1_000).starts_with("PRODUCER_UNAVAILABLE: "));
        let mut changes = report.changes();
        report.said("SIGNING_FLOOR: 5".into(), 10_000);
        assert!(changes.has_changed().unwrap());
        changes.mark_unchanged();
        report.said("SIGNING_FLOOR: 5".into(), 11_000);
        assert!(!changes.has_changed().unwrap(), "nothing new");
        let cases = [
            ("", 16_000, "SIGNING_FLOOR: 5"),
            ("BEHIND: 9", 16_000, "BEHIND: 9"),
            (
                "",
                16_001,
                "PRODUCER_UNAVAILABLE: the producer service has been silent for 5 s: start it, or read its \
                log",
            ),
        ];
        for (oracle, now_ms, expect) in cases {
            assert_eq!(report.joined(oracle, now_ms), expect);
        }
    }
}
