//! Collects the parts of the status and sends them to listeners, not more often than they need.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::Notify;
use tokio::time::MissedTickBehavior;
use tonic::Status;
use vision_host::Clock;

use super::Live;
use super::status::{Missing, Part, Parts, Urgency};

/// What is not urgent is sent together so often.
const REST_EVERY: Duration = Duration::from_secs(1);

/// The parts of the status, as those who follow the services write them.
#[derive(Default)]
pub(crate) struct Board {
    parts: Mutex<Parts>,
    urgent: Notify,
}

impl Board {
    /// Writes a part, or why it cannot be shown.
    pub(crate) fn set(&self, part: Part, value: Result<Bytes, Status>, urgency: Urgency) {
        let value = value.map_err(|why| why.message().to_owned());
        let mut parts = self.parts.lock().unwrap_or_else(PoisonError::into_inner);
        if parts.set(part, value, urgency) && urgency == Urgency::AtOnce {
            self.urgent.notify_one();
        }
    }

    /// All parts as they are now, as one JSON object, and why some of them are null.
    pub(crate) fn all(&self, now_ms: u64) -> (Bytes, Missing) {
        self.parts.lock().unwrap_or_else(PoisonError::into_inner).all(now_ms)
    }

    /// Sends listeners what has changed, for ever: what is urgent at once, the rest every second.
    pub(super) async fn publish(&self, live: &Live, clock: &Clock) {
        let mut seconds = tokio::time::interval(REST_EVERY);
        seconds.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let at_least = tokio::select! {
                biased;
                // Once a second, so what is urgent all the time does not hold up the rest, nor the other way.
                _ = seconds.tick() => Urgency::CanWait,
                () = self.urgent.notified() => Urgency::AtOnce,
            };
            let mut parts = self.parts.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(frame) = parts.take(at_least, clock.now_ms()) {
                live.show(frame);
            }
        }
    }
}
