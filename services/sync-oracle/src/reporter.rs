//! Reports to the chain service the newest verdict, with the producer service's word. A slow chain service
//! makes it skip verdicts, never queue them.

use tokio::sync::watch;
use vision_host::Clock;
use vision_wire::sync_oracle::Snapshot;

use crate::ports::Chain;
use crate::producer_report::ProducerReport;

/// Sends whatever is newest, one at a time, until the oracle is gone.
pub(crate) async fn run(
    chain: impl Chain,
    mut newest: watch::Receiver<Option<Snapshot>>,
    producer: ProducerReport,
    clock: Clock,
) {
    let mut word = producer.changes();
    loop {
        tokio::select! {
            biased;
            changed = newest.changed() => if changed.is_err() { return },
            // This function holds a sender of it.
            _ = word.changed() => {}
        }
        let Some(snapshot) = newest.borrow_and_update().clone() else { continue };
        word.mark_unchanged();
        let because = producer.joined(&snapshot.not_eligible_because, clock.monotonic_ms());
        if let Err(error) = chain.report(snapshot, because).await {
            // The next tick reports it again; a dead chain service is reported by the watches.
            tracing::debug!(error = error.message(), "snapshot not delivered to the chain service");
        }
    }
}
