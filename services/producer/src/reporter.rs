//! Reports to the sync-oracle whether this node may produce: at once when that changes, and now and then so
//! that it knows the service to be there.

use std::time::Duration;

use tokio::sync::watch;
use vision_host::{Clock, Drain};

use crate::ports::Neighbours;

/// The report is repeated so often; the oracle takes the service for gone after 5 s.
const REPEAT_EVERY: Duration = Duration::from_secs(1);

/// The last report of an actor that has taken no turn for so long is not repeated, milliseconds. It ticks at
/// least every 4 s.
const MAX_TURN_AGE_MS: u64 = 5_000;

/// What the actor says of itself.
#[derive(Clone, Default, Debug)]
pub(crate) struct Report {
    /// Why this node makes no block, empty if it may; none until that is known.
    pub because: Option<String>,
    /// When the actor last took a turn, by the clock that never jumps.
    pub turn_ms: u64,
}

impl Report {
    /// Takes what the actor says now; whether that is new. The status around it changes several times with
    /// every block.
    pub(crate) fn say(&mut self, because: String) -> bool {
        let is_new = self.because.as_ref() != Some(&because);
        self.because = Some(because);
        is_new
    }

    /// The report, if the actor is still running.
    fn due(&self, monotonic_ms: u64) -> Option<String> {
        let is_there = monotonic_ms.saturating_sub(self.turn_ms) <= MAX_TURN_AGE_MS;
        self.because.clone().filter(|_| is_there)
    }
}

/// Reports why this node makes no block (empty: it may) until the drain begins.
pub(crate) async fn run(
    neighbours: impl Neighbours,
    mut report: watch::Receiver<Report>,
    clock: Clock,
    drain: Drain,
) {
    loop {
        let because = report.borrow_and_update().due(clock.monotonic_ms());
        if let Some(because) = because
            && let Err(error) = neighbours.report(because).await
        {
            // The watch of the oracle says it too, and this is said again.
            tracing::debug!(error = error.message(), "report not delivered to the sync-oracle service");
        }
        tokio::select! {
            biased;
            () = drain.begun() => return,
            changed = tokio::time::timeout(REPEAT_EVERY, report.changed()) => {
                if matches!(changed, Ok(Err(_))) {
                    return;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_word_again_is_no_news() {
        let mut report = Report::default();
        let said = ["", "", "STREAK: 1", "STREAK: 1", ""].map(|because| report.say(because.into()));
        assert_eq!(said, [true, false, true, false, true]);
    }

    #[test]
    fn nobody_speaks_for_an_actor_that_stands_still() {
        let said = |because: Option<&str>| Report { because: because.map(ToOwned::to_owned), turn_ms: 1_000 };
        let cases = [
            ("nothing is known yet", None, 1_000, None),
            ("it may", Some(""), 6_000, Some("")),
            ("it may not", Some("STREAK: 1"), 6_000, Some("STREAK: 1")),
            ("it has stood still", Some(""), 6_001, None),
        ];
        for (desc, because, now_ms, expect) in cases {
            assert_eq!(said(because).due(now_ms).as_deref(), expect, "{desc}");
        }
    }
}
