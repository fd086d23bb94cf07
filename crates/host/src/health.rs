//! `grpc.health.v1`: serving only while every condition of the process holds, and saying why not.

mod check;
mod rpc;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tokio::sync::watch;
use tracing::{debug, info, warn};

pub use check::{NotServing, check};
pub use rpc::HealthRpc;

/// Header of a Check answer that says why the service is not serving.
pub const BECAUSE_HEADER: &str = "vision-not-serving-because";

/// A request names one service: larger ones are none, bytes.
const MAX_REQUEST_BYTES: usize = 1 << 10;

/// Name of the condition that [`Health::set_serving`] and [`Health::set_not_serving`] speak of.
const MAIN: &str = "";

/// The health of one service. Cheap to clone; all clones are one.
#[derive(Clone, Debug)]
pub struct Health(Arc<watch::Sender<State>>);

#[derive(Clone, PartialEq, Eq, Debug, Default)]
struct State {
    services: BTreeSet<String>,
    /// Why each condition does not hold; `None` if it does.
    conditions: BTreeMap<String, Option<String>>,
    /// Whether it ends as planned.
    stopping: bool,
}

impl State {
    /// Why the service is not serving; `None` when it is.
    fn because(&self) -> Option<String> {
        if self.stopping {
            return Some("stopping".into());
        }
        let failed = self.conditions.iter().filter_map(|(name, failure)| {
            let why = failure.as_deref()?;
            Some(if name == MAIN { why.to_owned() } else { format!("{name}: {why}") })
        });
        let failed: Vec<String> = failed.collect();
        (!failed.is_empty()).then(|| failed.join("; "))
    }
}

impl Default for Health {
    fn default() -> Self {
        Self::new()
    }
}

impl Health {
    /// Not serving because it is starting, until [`set_serving`](Self::set_serving).
    #[must_use]
    pub fn new() -> Self {
        let starting = (MAIN.to_owned(), Some("starting".to_owned()));
        let state = State { conditions: BTreeMap::from([starting]), ..State::default() };
        Self(Arc::new(watch::Sender::new(state)))
    }

    /// Makes a service known by its full name, such as `vision.chain.v1.ChainService`.
    pub fn register(&self, service: &str) {
        self.0.send_if_modified(|state| state.services.insert(service.to_owned()));
    }

    /// A condition that must hold for the service to serve; it does not hold yet ("waiting").
    #[must_use]
    pub fn condition(&self, name: &str) -> Condition {
        let condition = Condition { health: self.clone(), name: name.to_owned() };
        condition.failed("waiting");
        condition
    }

    /// The service itself is ready; it serves once all conditions hold.
    pub fn set_serving(&self) {
        self.set(MAIN, None);
    }

    /// The service itself is not ready.
    pub fn set_not_serving(&self, because: impl Into<String>) {
        self.set(MAIN, Some(because.into()));
    }

    /// The service ends as planned: from now on it does not serve, whatever becomes of its conditions, and
    /// nothing about that is worth a warning.
    pub fn set_stopping(&self) {
        self.0.send_modify(|state| state.stopping = true);
    }

    /// Whether the service serves.
    #[must_use]
    pub fn is_serving(&self) -> bool {
        self.0.borrow().because().is_none()
    }

    /// Why the service does not serve; `None` if it does.
    #[must_use]
    pub fn not_serving_because(&self) -> Option<String> {
        self.0.borrow().because()
    }

    /// The service that answers `grpc.health.v1.Health`.
    #[must_use]
    pub fn rpc(&self) -> tonic_health::pb::health_server::HealthServer<HealthRpc> {
        tonic_health::pb::health_server::HealthServer::new(HealthRpc::new(self.clone()))
            .max_decoding_message_size(MAX_REQUEST_BYTES)
    }

    fn set(&self, name: &str, failure: Option<String>) {
        self.0.send_if_modified(|state| {
            if state.conditions.get(name) == Some(&failure) {
                return false;
            }
            let before = state.because();
            state.conditions.insert(name.to_owned(), failure);
            let after = state.because();
            let service = state.services.iter().map(String::as_str).collect::<Vec<_>>().join(",");
            match (&before, &after) {
                (_, None) => info!(service, "serving"),
                (None, Some(because)) => warn!(service, because, "not serving"),
                (Some(_), Some(because)) => debug!(service, because, "still not serving"),
            }
            true
        });
    }
}

/// One condition of a service's health, such as a neighbour that must answer.
#[derive(Clone, Debug)]
pub struct Condition {
    health: Health,
    name: String,
}

impl Condition {
    /// The condition holds.
    pub fn ok(&self) {
        self.health.set(&self.name, None);
    }

    /// The condition does not hold.
    pub fn failed(&self, because: impl Into<String>) {
        self.health.set(&self.name, Some(because.into()));
    }
}

#[cfg(test)]
mod tests;
