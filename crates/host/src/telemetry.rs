//! Log lines to stderr, and traces to whoever collects them.
//!
//! Spans are made with `tracing`. Those that one action causes on several machines are put under a root that
//! all of them can compute ([`join`]), so nobody has to send an id. All of them are recorded; whether the
//! spans of a trace are sent is decided late ([`keep`]), by a processor of our own that never holds anybody
//! up. Without a collector named by the `OTEL_*` variables there is neither processor nor span.

mod export;
mod kept;
mod lines;
pub mod names;
mod processor;
mod propagation;
mod sampling;
mod spans;
mod variables;
mod waiting;
mod worker;

use std::sync::OnceLock;
use std::time::Duration;

use opentelemetry::trace::TracerProvider as _;
use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider};
use tracing_subscriber::Layer as _;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::SubscriberExt as _;

use processor::Processor;
use sampling::Ratio;
use variables::Variables;

pub use opentelemetry::KeyValue;

pub use lines::{LogFormat, set_filter};
pub use processor::Counters;
pub(crate) use propagation::{KEPT_HEADER, extract, inject_kept};
pub(crate) use spans::below;
pub use spans::{begin, current_trace_id, fail, follow, join, number, root, traceparent, under};

/// The processor of this process, if spans are exported.
static PROCESSOR: OnceLock<Processor> = OnceLock::new();

/// What is exported about the process besides what the variables say.
#[derive(Clone, Debug)]
pub struct Subject {
    /// The same after every restart, another one for every node.
    pub instance: String,
    /// Version of the software.
    pub version: &'static str,
}

/// Why logging or tracing could not start.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// A filter that does not parse.
    #[error("log filter {filter:?}: {why}; examples: info, debug, warn,vision_chain=debug")]
    Filter {
        /// The filter.
        filter: String,
        /// What is wrong.
        why: String,
    },
    /// Logging was started before.
    #[error("logging was started twice")]
    Twice,
    /// A variable of OpenTelemetry that cannot be followed.
    #[error("{name}: {why}")]
    Variable {
        /// The variable.
        name: &'static str,
        /// What is wrong.
        why: String,
    },
    /// The exporter cannot be made.
    #[error("traces cannot be exported: {0}; see the variables OTEL_EXPORTER_OTLP_*")]
    Exporter(String),
}

/// Starts logging to stderr, and tracing if the variables of OpenTelemetry name a collector. `filter` is a
/// level (`info`) or a list of directives as of `RUST_LOG` (`warn,vision_chain=debug`).
///
/// # Errors
/// [`TelemetryError`] for a filter or a variable that does not parse, or a second start.
pub fn init(filter: &str, format: LogFormat, subject: &Subject) -> Result<(), TelemetryError> {
    let variables = Variables::read(|name| std::env::var(name).ok())?;
    let lines = lines::layer(filter, format)?;
    let Some(variables) = variables else {
        let subscriber = tracing_subscriber::registry().with(lines);
        return tracing::subscriber::set_global_default(subscriber).map_err(|_| TelemetryError::Twice);
    };
    let ratio = Ratio::new(variables.ratio);
    let processor = export::start(&variables, subject, ratio)?;
    let provider = SdkTracerProvider::builder()
        .with_sampler(Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(variables.ratio))))
        .with_span_processor(processor.clone())
        .build();
    let spans = tracing_opentelemetry::layer()
        .with_tracer(provider.tracer("vision"))
        .with_location(false)
        .with_threads(false)
        .with_level(false)
        .with_target(false)
        .with_tracked_inactivity(false)
        .with_context_activation(false)
        .with_filter(filter_fn(|metadata| metadata.is_span() && metadata.target().starts_with("vision")));
    let subscriber = tracing_subscriber::registry().with(lines).with(spans);
    tracing::subscriber::set_global_default(subscriber).map_err(|_| TelemetryError::Twice)?;
    opentelemetry::global::set_text_map_propagator(propagation::propagator());
    // Set once: a second start has failed above.
    let _ = PROCESSOR.set(processor);
    Ok(())
}

/// Sends a trace's spans after all, also those that ended before, as far as they are still there: something
/// happened that somebody will want to look at. Spreads to the other services of the node with the next calls
/// between them.
pub fn keep(trace_id: [u8; 16]) {
    if let Some(processor) = PROCESSOR.get() {
        processor.keep(opentelemetry::TraceId::from_bytes(trace_id));
    }
}

/// Whether spans are made.
#[must_use]
pub fn is_on() -> bool {
    PROCESSOR.get().is_some()
}

/// What has become of the spans so far; `None` if none are made.
#[must_use]
pub fn counters() -> Option<Counters> {
    PROCESSOR.get().map(Processor::counters)
}

/// Sends what waits to be sent, for at most `deadline`, and ends tracing. For the end of the process.
pub fn flush(deadline: Duration) {
    if let Some(processor) = PROCESSOR.get() {
        processor.flush(deadline);
    }
}
