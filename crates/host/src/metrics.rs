//! The metrics of one service, in the text format of OpenMetrics, or the classic one for those that ask for
//! no other.
//!
//! A service names its metrics in one place, holds their handles, and counts through these: what is counted
//! often costs an atomic operation or a short lock, and nothing is worked out before somebody asks. Every
//! sample bears the label `service`.

mod exposition;
mod labelled;
mod negotiation;
mod process;
mod rpc;
mod spans;

use std::sync::{Arc, Mutex, PoisonError};

use prometheus_client::encoding::text;
use prometheus_client::metrics::gauge;
use prometheus_client::registry::Registry;
use tokio::time::Instant;

pub use exposition::merge;
pub use labelled::{Labelled, OTHER};
pub use negotiation::{OPENMETRICS, answer, wants_gzip};
pub use prometheus_client::metrics::counter::Counter;
pub use prometheus_client::metrics::histogram::Histogram;
pub use rpc::RpcDurations;

/// A value that goes up and down.
pub type Gauge = gauge::Gauge<f64, std::sync::atomic::AtomicU64>;

/// Upper bounds for calls and requests; seconds. Few: each is a series for every method and outcome there is,
/// and these are most of what a node shows.
pub const CALL_SECONDS: &[f64] = &[0.001, 0.005, 0.025, 0.1, 0.5, 2.5];

/// Upper bounds for what takes between 0.1 ms and 10 s, such as writes that reach the disk; seconds.
pub const SHORT_SECONDS: &[f64] = &[
    0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
];

/// The metrics of one service. Cheap to clone; all clones are one.
#[derive(Clone, Debug)]
pub struct Metrics(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    registry: Mutex<Registry>,
    rpc_server: RpcDurations,
    rpc_client: RpcDurations,
}

impl Metrics {
    /// What every service has: the process, its build, its calls, its telemetry.
    #[must_use]
    pub fn new(service: &'static str, version: &'static str) -> Self {
        let mut registry = Registry::with_labels([("service".into(), service.into())].into_iter());
        registry.register_collector(Box::new(process::Process::new()));
        registry.register_collector(Box::new(spans::Spans));
        let metrics = Self(Arc::new(Inner {
            rpc_server: RpcDurations::register(
                &mut registry,
                "rpc_server_call_duration_seconds",
                "Calls answered, from their head to the end of the answer",
            ),
            rpc_client: RpcDurations::register(
                &mut registry,
                "rpc_client_call_duration_seconds",
                "Calls to other services, from the request to the end of the answer",
            ),
            registry: Mutex::new(registry),
        }));
        let build = metrics.gauges("vision_build_info", "Version of the software", ["version"]);
        build.get([version]).set(1.0);
        metrics
    }

    /// A count that never falls. Exposed with the suffix `_total`, which `name` lacks.
    #[must_use]
    pub fn counter(&self, name: &str, help: &str) -> Counter {
        self.register(name, help, Counter::default())
    }

    /// Counts by labels.
    #[must_use]
    pub fn counters<const N: usize>(
        &self,
        name: &str,
        help: &str,
        labels: [&'static str; N],
    ) -> Labelled<Counter, N> {
        self.register(name, help, Labelled::new(labels, Counter::default))
    }

    /// A value that goes up and down, 0 at first.
    #[must_use]
    pub fn gauge(&self, name: &str, help: &str) -> Gauge {
        self.register(name, help, Gauge::default())
    }

    /// Such values by labels.
    #[must_use]
    pub fn gauges<const N: usize>(
        &self,
        name: &str,
        help: &str,
        labels: [&'static str; N],
    ) -> Labelled<Gauge, N> {
        self.register(name, help, Labelled::new(labels, Gauge::default))
    }

    /// A distribution over buckets with these upper bounds.
    #[must_use]
    pub fn histogram(&self, name: &str, help: &str, bounds: &'static [f64]) -> Histogram {
        self.register(name, help, Histogram::new(bounds.iter().copied()))
    }

    /// Distributions by labels.
    #[must_use]
    pub fn histograms<const N: usize>(
        &self,
        name: &str,
        help: &str,
        labels: [&'static str; N],
        bounds: &'static [f64],
    ) -> Labelled<Histogram, N> {
        self.register(name, help, Labelled::new(labels, || Histogram::new(bounds.iter().copied())))
    }

    /// Durations of the calls that the service answers.
    #[must_use]
    pub fn rpc_server(&self) -> &RpcDurations {
        &self.0.rpc_server
    }

    /// Durations of the calls that the service makes.
    #[must_use]
    pub fn rpc_client(&self) -> &RpcDurations {
        &self.0.rpc_client
    }

    /// All of it as text in OpenMetrics, families without a sample included.
    #[must_use]
    pub fn encode(&self) -> String {
        let mut text = String::with_capacity(32 << 10);
        // A string takes everything that is written.
        let _ = text::encode(&mut text, &self.0.registry.lock().unwrap_or_else(PoisonError::into_inner));
        text
    }

    fn register<M: prometheus_client::registry::Metric + Clone>(
        &self,
        name: &str,
        help: &str,
        metric: M,
    ) -> M {
        let mut registry = self.0.registry.lock().unwrap_or_else(PoisonError::into_inner);
        registry.register(name, help, metric.clone());
        metric
    }
}

/// Does something and notes how long it took, seconds.
pub fn time<T>(into: &Histogram, act: impl FnOnce() -> T) -> T {
    let stopwatch = Stopwatch::start();
    let result = act();
    stopwatch.note(into);
    result
}

/// Measures how long something takes, for a metric: nothing may be decided by it.
pub struct Stopwatch(Instant);

#[expect(clippy::disallowed_methods, reason = "it measures, and nothing is decided by it")]
impl Stopwatch {
    /// Begins now.
    #[must_use]
    pub fn start() -> Self {
        Self(Instant::now())
    }

    /// Notes how long it took until now, seconds.
    pub fn note(self, into: &Histogram) {
        into.observe(self.0.elapsed().as_secs_f64());
    }
}

#[cfg(test)]
mod tests;
