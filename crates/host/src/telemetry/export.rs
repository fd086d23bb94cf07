//! The exporter by OTLP, over gRPC or HTTP, and the thread that drives it.

use std::collections::BTreeMap;

use opentelemetry::KeyValue;
use opentelemetry_otlp::{SpanExporter as Otlp, WithExportConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::resource::TelemetryResourceDetector;
use opentelemetry_sdk::trace::{SpanData, SpanExporter as _};
use tokio::runtime::Runtime;

use super::processor::Processor;
use super::sampling::Ratio;
use super::variables::Variables;
use super::waiting::{MAX_SPANS, Waiting};
use super::worker::{Export, Worker};
use super::{Subject, TelemetryError, names};
use crate::Clock;

/// Starts the thread; gives the processor that feeds it.
pub(super) fn start(
    variables: &Variables,
    subject: &Subject,
    ratio: Ratio,
) -> Result<Processor, TelemetryError> {
    let (processor, items, shared) = Processor::new(ratio, variables.queue_spans);
    let (resources, variables) = (Resources::new(variables, subject), variables.clone());
    let (say, made) = std::sync::mpsc::sync_channel(1);
    // Whatever the exporter does, no thread of the services does it. The runtime is made and dropped there,
    // too: the thread that waits for it here may be one of a runtime, where no other may be dropped.
    let body = move || {
        let (runtime, otlp) = match make(&variables) {
            Ok(made) => made,
            Err(error) => return drop(say.send(Err(error))),
        };
        let worker = Worker {
            items,
            shared,
            exporter: Exporter { otlp, resources },
            clock: Clock::system(0),
            waiting: Waiting::new(MAX_SPANS),
            batch_spans: variables.batch_spans,
            delay: variables.delay,
            timeout: variables.timeout,
            ready: BTreeMap::new(),
            failing: false,
        };
        if say.send(Ok(())).is_ok() {
            runtime.block_on(worker.run());
        }
    };
    let failed = |why: &dyn std::fmt::Display| TelemetryError::Exporter(why.to_string());
    std::thread::Builder::new().name("spans".into()).spawn(body).map_err(|error| failed(&error))?;
    made.recv().map_err(|error| failed(&error))??;
    Ok(processor)
}

fn make(variables: &Variables) -> Result<(Runtime, Otlp), TelemetryError> {
    let failed = |why: &dyn std::fmt::Display| TelemetryError::Exporter(why.to_string());
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|error| failed(&error))?;
    let built = {
        let _inside = runtime.enter();
        if variables.http {
            Otlp::builder().with_http().with_protocol(opentelemetry_otlp::Protocol::HttpBinary).build()
        } else {
            Otlp::builder().with_tonic().build()
        }
    };
    Ok((runtime, built.map_err(|error| failed(&error))?))
}

struct Exporter {
    otlp: Otlp,
    resources: Resources,
}

impl Export for Exporter {
    async fn export(&mut self, service: &str, spans: Vec<SpanData>) -> Result<(), String> {
        // One connection for all services of the process; the exporter is given whose spans these are.
        self.otlp.set_resource(self.resources.of(service));
        self.otlp.export(spans).await.map_err(|error| error.to_string())
    }
}

/// Who the services of this process are.
struct Resources {
    prefix: String,
    /// What is said of all of them, by key.
    base: BTreeMap<String, String>,
    known: BTreeMap<String, Resource>,
}

impl Resources {
    fn new(variables: &Variables, subject: &Subject) -> Self {
        let ours = [
            (names::SERVICE_NAMESPACE, "vision"),
            (names::SERVICE_INSTANCE_ID, &subject.instance),
            (names::SERVICE_VERSION, subject.version),
        ];
        let mut base: BTreeMap<String, String> =
            ours.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
        // What the variables say goes before what we say.
        base.extend(variables.attributes.clone());
        Self { prefix: variables.prefix.clone(), base, known: BTreeMap::new() }
    }

    fn of(&mut self, service: &str) -> &Resource {
        let Self { prefix, base, known } = self;
        known.entry(service.to_owned()).or_insert_with(|| {
            let name = if service.is_empty() { prefix.clone() } else { format!("{prefix}-{service}") };
            let attributes = base.iter().map(|(key, value)| KeyValue::new(key.clone(), value.clone()));
            // The library would read the variables again, in its own way.
            let all = Resource::builder_empty().with_detector(Box::new(TelemetryResourceDetector));
            all.with_attributes(attributes).with_service_name(name).build()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_a_service_is() {
        let set = [
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:1"),
            (
                "OTEL_RESOURCE_ATTRIBUTES",
                "service.name=mine,deployment.environment=a%20b%2Cc,service.version=7",
            ),
        ];
        let get = |name: &str| set.iter().find(|(known, _)| *known == name).map(|(_, v)| (*v).to_owned());
        let variables = Variables::read(get).expect("fine").expect("on");
        let subject = Subject { instance: "i".into(), version: "1" };
        let mut resources = Resources::new(&variables, &subject);
        let chain = resources.of("chain");
        let of = |key: &'static str| chain.get(&key.into()).map(|value| value.to_string());
        for (key, expect) in [
            ("service.name", "mine-chain"),
            ("deployment.environment", "a b,c"),
            ("service.version", "7"),
            ("service.instance.id", "i"),
            ("telemetry.sdk.language", "rust"),
        ] {
            assert_eq!(of(key).as_deref(), Some(expect), "{key}");
        }
    }
}
