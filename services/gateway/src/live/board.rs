//! Collects the parts of the status and tells listeners, not more often than they need.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::Notify;
use tokio::time::Instant;
use tonic::Status;
use vision_host::Clock;

use super::Live;
use super::status::{Missing, Part, Parts};

/// Changes of this time are told together, unless one is urgent.
const TELL_EVERY: Duration = Duration::from_secs(1);

/// Whether a change may wait for others.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Urgency {
    /// Told with the others of its second.
    CanWait,
    /// Told at once.
    AtOnce,
}

/// The parts of the status, as those who follow the services write them.
#[derive(Default)]
pub(crate) struct Board {
    parts: Mutex<Parts>,
    changed: Notify,
    urgent: Notify,
}

impl Board {
    /// Writes a part, or why it cannot be told.
    pub(crate) fn set(&self, part: Part, told: Result<Bytes, Status>, urgency: Urgency) {
        let told = told.map_err(|why| why.message().to_owned());
        let mut parts = self.parts.lock().unwrap_or_else(PoisonError::into_inner);
        if parts.set(part, told) {
            self.changed.notify_one();
            if urgency == Urgency::AtOnce {
                self.urgent.notify_one();
            }
        }
    }

    /// All parts as they are now, as one JSON object, and why some of them are null.
    pub(crate) fn all(&self, now_ms: u64) -> (Bytes, Missing) {
        self.parts.lock().unwrap_or_else(PoisonError::into_inner).all(now_ms)
    }

    /// Tells listeners of changes for ever.
    pub(super) async fn tell(&self, live: &Live, clock: &Clock) {
        let mut told = Instant::now() - TELL_EVERY;
        loop {
            self.changed.notified().await;
            tokio::select! {
                // First, so that what was urgent is not so a second time.
                biased;
                () = self.urgent.notified() => {}
                () = tokio::time::sleep_until(told + TELL_EVERY) => {}
            }
            told = Instant::now();
            let mut parts = self.parts.lock().unwrap_or_else(PoisonError::into_inner);
            if parts.has_changed() {
                live.show(parts.take(clock.now_ms()));
            }
        }
    }
}
