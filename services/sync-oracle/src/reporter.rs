//! Tells the chain service the newest verdict. A slow chain service makes it skip verdicts, never queue them.

use tokio::sync::watch;
use vision_wire::sync_oracle::Snapshot;

use crate::ports::Chain;

/// Sends whatever is newest, one at a time, until the oracle is gone.
pub(crate) async fn run(chain: impl Chain, mut newest: watch::Receiver<Option<Snapshot>>) {
    while newest.changed().await.is_ok() {
        let Some(snapshot) = newest.borrow_and_update().clone() else { continue };
        if let Err(error) = chain.report(snapshot).await {
            // The next tick tells it again; a dead chain service is reported by the watches.
            tracing::debug!(error = error.message(), "snapshot not delivered to the chain service");
        }
    }
}
