//! What the gateway keeps current by itself: the body of the mining status, and the health of its
//! neighbours.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt;
use tonic::Status;
use tracing::{info, warn};
use vision_host::health::Condition;
use vision_wire::watch::WatchItem;
use vision_wire::{Reason, status};

use crate::adapters::Backends;
use crate::ports::Neighbour;
use crate::views::mining_status_json;

/// How often a neighbour is asked for its health.
const HEALTH_INTERVAL: Duration = Duration::from_secs(2);

/// The answer to `GET /api/mining/status`, ready to send. Cheap to clone; all clones are one.
#[derive(Clone)]
pub(crate) struct MiningStatusBody(Arc<RwLock<Result<Bytes, Status>>>);

impl MiningStatusBody {
    pub(crate) fn starting() -> Self {
        let service = Neighbour::Producer.name();
        let message = format!("{service} has not told its status yet");
        let cause = status(Reason::DependencyUnavailable, message, &[("service", service.to_owned())]);
        Self(Arc::new(RwLock::new(Err(cause))))
    }

    /// The body, or why there is none.
    pub(crate) fn get(&self) -> Result<Bytes, Status> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, body: Result<Bytes, Status>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = body;
    }
}

/// Follows the producer's watch for ever.
pub(crate) async fn keep_mining_status(backends: Backends, body: MiningStatusBody) {
    let mut watch = std::pin::pin!(backends.watch_mining_status());
    while let Some(item) = watch.next().await {
        match item {
            WatchItem::Event(event) => {
                let Some(mining) = event.status else { continue };
                if body.get().is_err() {
                    info!("following the producer's status");
                }
                body.set(Ok(mining_status_json(&mining)));
            }
            WatchItem::Lost(cause) => {
                // A producer that has just started, or is not up yet, is how every start looks.
                if body.get().is_ok() {
                    warn!(because = cause.message(), "lost the producer's status");
                } else {
                    info!(because = cause.message(), "waiting for the producer's status");
                }
                body.set(Err(blame_producer(cause)));
            }
        }
    }
}

/// Whatever ended the watch, to the caller it means that the producer is not there.
fn blame_producer(cause: Status) -> Status {
    let service = Neighbour::Producer.name();
    status(Reason::DependencyUnavailable, cause.message(), &[("service", service.to_owned())])
}

/// Keeps one condition of the gateway's health current for ever.
pub(crate) async fn keep_health(backends: Backends, neighbour: Neighbour, condition: Condition) {
    let mut ticks = tokio::time::interval(HEALTH_INTERVAL);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        match backends.health(neighbour).await {
            Ok(()) => condition.ok(),
            Err(why) => condition.failed(why.to_string()),
        }
    }
}
