//! The exporter by OTLP, over gRPC or HTTP, and the thread that drives it.

use std::collections::BTreeMap;

use opentelemetry::KeyValue;
use opentelemetry_otlp::{SpanExporter as Otlp, WithExportConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{SpanData, SpanExporter as _};

use super::processor::Processor;
use super::sampling::Ratio;
use super::variables::Variables;
use super::waiting::{MAX_SPANS, Waiting};
use super::worker::{Export, Worker};
use super::{Subject, TelemetryError, names};

/// Starts the thread; gives the processor that feeds it.
pub(super) fn start(
    variables: &Variables,
    subject: &Subject,
    ratio: Ratio,
) -> Result<Processor, TelemetryError> {
    let failed = |why: &dyn std::fmt::Display| TelemetryError::Exporter(why.to_string());
    // One of its own: whatever the exporter does, no thread of the services does it.
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|error| failed(&error))?;
    let exporter = {
        let _inside = runtime.enter();
        let built = if variables.http {
            Otlp::builder().with_http().with_protocol(opentelemetry_otlp::Protocol::HttpBinary).build()
        } else {
            Otlp::builder().with_tonic().build()
        };
        built.map_err(|error| failed(&error))?
    };
    let (processor, items, shared) = Processor::new(ratio, variables.queue_spans);
    let worker = Worker {
        items,
        shared,
        exporter: Exporter { otlp: exporter, resources: Resources::new(variables, subject) },
        waiting: Waiting::new(MAX_SPANS),
        batch_spans: variables.batch_spans,
        delay: variables.delay,
        timeout: variables.timeout,
        ready: BTreeMap::new(),
        failing: false,
    };
    let body = move || runtime.block_on(worker.run());
    std::thread::Builder::new().name("spans".into()).spawn(body).map_err(|error| failed(&error))?;
    Ok(processor)
}

struct Exporter {
    otlp: Otlp,
    resources: Resources,
}

impl Export for Exporter {
    async fn export(&mut self, service: &str, spans: Vec<SpanData>) -> Result<(), String> {
        // One connection for all services of the process; the exporter is told whose spans these are.
        self.otlp.set_resource(self.resources.of(service));
        self.otlp.export(spans).await.map_err(|error| error.to_string())
    }
}

/// Who the services of this process are.
struct Resources {
    prefix: String,
    base: Vec<KeyValue>,
    known: BTreeMap<String, Resource>,
}

impl Resources {
    fn new(variables: &Variables, subject: &Subject) -> Self {
        let base = vec![
            KeyValue::new(names::SERVICE_NAMESPACE, "vision"),
            KeyValue::new(names::SERVICE_INSTANCE_ID, subject.instance.clone()),
            KeyValue::new(names::SERVICE_VERSION, subject.version),
        ];
        Self { prefix: variables.prefix.clone(), base, known: BTreeMap::new() }
    }

    fn of(&mut self, service: &str) -> &Resource {
        let Self { prefix, base, known } = self;
        known.entry(service.to_owned()).or_insert_with(|| {
            let name = if service.is_empty() { prefix.clone() } else { format!("{prefix}-{service}") };
            // What OTEL_RESOURCE_ATTRIBUTES says goes before what we say, but for the name.
            let told = Resource::builder().build();
            let ours = base.iter().filter(|pair| told.get(&pair.key).is_none()).cloned();
            let all = Resource::builder().with_attributes(ours.collect::<Vec<_>>());
            all.with_service_name(name).build()
        })
    }
}
