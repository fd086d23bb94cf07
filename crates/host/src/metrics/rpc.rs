//! Durations of calls by method and outcome.

use std::sync::Arc;
use std::time::Duration;

use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use tonic::Code;
use vision_rpc::code_name;

use super::{CALL_SECONDS, Labelled};

/// Durations of calls by method and outcome. Cheap to clone; all clones are one.
#[derive(Clone, Debug)]
pub struct RpcDurations(Labelled<Histogram, 2>);

impl RpcDurations {
    pub(super) fn register(registry: &mut Registry, name: &str, help: &str) -> Self {
        let labels = ["rpc_method", "rpc_response_status_code"];
        let durations = Labelled::new(labels, || Histogram::new(CALL_SECONDS.iter().copied()));
        registry.register(name, help, durations.clone());
        Self(durations)
    }

    /// [`Self::record`] as a closure, for those who know nothing of metrics.
    #[must_use]
    pub fn recorder(&self) -> Arc<dyn Fn(&'static str, Code, Duration) + Send + Sync> {
        let durations = self.clone();
        Arc::new(move |method, code, took| durations.record(method, code, took))
    }

    /// Notes a call that has ended. `method` is its full name without a slash before it, of a bounded set.
    pub fn record(&self, method: &str, code: Code, took: Duration) {
        self.0.get([method, code_name(code)]).observe(took.as_secs_f64());
    }
}
