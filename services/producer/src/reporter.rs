//! Tells the sync-oracle whether this node may produce: at once when that changes, and now and then so that it knows
//! the service to be there.

use std::time::Duration;

use tokio::sync::watch;
use vision_host::Drain;

use crate::ports::Neighbours;

/// The word is repeated so often; the oracle takes the service for gone after 5 s.
const REPEAT_EVERY: Duration = Duration::from_secs(1);

/// Tells why this node makes no block (empty: it may) until the drain begins.
pub(crate) async fn run(
    neighbours: impl Neighbours,
    mut because: watch::Receiver<Option<String>>,
    drain: Drain,
) {
    loop {
        let word = because.borrow_and_update().clone();
        if let Some(word) = word
            && let Err(error) = neighbours.report(word).await
        {
            // The watch of the oracle says it too, and this is said again.
            tracing::debug!(error = error.message(), "word not delivered to the sync-oracle service");
        }
        tokio::select! {
            () = drain.begun() => return,
            changed = tokio::time::timeout(REPEAT_EVERY, because.changed()) => {
                if matches!(changed, Ok(Err(_))) {
                    return;
                }
            }
        }
    }
}
