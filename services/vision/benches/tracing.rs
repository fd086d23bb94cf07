//! What traces cost a node: processor time at about ten blocks a second without them, with all, and with a
//! tenth of them.
//!
//! `cargo bench -p vision --bench tracing`. It takes about six minutes and wants the machine for itself. The
//! ways take turns, each with a network of its own; the collector is another thread of this program and is
//! not counted.
#![expect(clippy::disallowed_methods, reason = "a benchmark reads the machine's clock")]
#![expect(clippy::cast_precision_loss, reason = "counts are small")]

mod testnet;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use testnet::{API, Testnet, get, ticks};
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Request, Response, Status};

/// Each way is measured so often, in turn with the others.
const ROUNDS: usize = 4;
const SECONDS: u64 = 25;
/// Blocks before a measurement begins.
const WARM: u64 = 30;
/// Linux reports processor time in hundredths of a second.
const TICKS_PER_SECOND: f64 = 100.0;
const WAYS: [(&str, Option<&str>); 3] =
    [("no traces", None), ("all of them", Some("1.0")), ("a tenth", Some("0.1"))];

fn main() {
    let spans = Arc::new(AtomicUsize::new(0));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let runtime = runtime.expect("a runtime");
    let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("bound"));
    let service = TraceServiceServer::new(Counter(spans.clone())).max_decoding_message_size(64 << 20);
    let serving = tonic::transport::Server::builder().add_service(service);
    runtime.spawn(serving.serve_with_incoming(TcpListenerStream::new(listener)));

    let mut spent: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    for _ in 0..ROUNDS {
        for (name, ratio) in WAYS {
            let before = spans.load(Ordering::Relaxed);
            let (percent, rate) = measure(&url, ratio);
            let more = spans.load(Ordering::Relaxed) - before;
            println!("{name}: {percent:.2} % of a core for a node, {rate:.1} blocks a second, {more} spans");
            spent.entry(name).or_default().push(percent);
        }
    }
    let middle = |name: &str| {
        let mut all = spent[name].clone();
        all.sort_by(f64::total_cmp);
        (all[(all.len() - 1) / 2] + all[all.len() / 2]) / 2.0
    };
    let without = middle(WAYS[0].0);
    for (name, _) in WAYS {
        println!("median, {name}: {:.2} %, {:.3} of that without", middle(name), middle(name) / without);
    }
}

/// Percent of a core that a node takes, and blocks a second.
fn measure(collector: &str, ratio: Option<&str>) -> (f64, f64) {
    let params = ["--block-interval-ms", "95", "--param", "jitter_min_ms=0", "--param", "jitter_max_ms=1"];
    let environment = ratio.map(|ratio| {
        [
            ("OTEL_EXPORTER_OTLP_ENDPOINT", collector),
            ("OTEL_TRACES_SAMPLER", "traceidratio"),
            ("OTEL_TRACES_SAMPLER_ARG", ratio),
        ]
    });
    let net = Testnet::up_in(&params, environment.iter().flatten().copied());
    let height = || get(API, "/api/status")["height"].as_u64().expect("a height");
    let deadline = Instant::now() + Duration::from_secs(60);
    while height() < WARM {
        assert!(Instant::now() < deadline, "no blocks");
        sleep(Duration::from_millis(100));
    }
    let pids = net.pids();
    let used = || pids.iter().map(|pid| ticks(*pid)).sum::<u64>() as f64;
    let (start, blocks, before) = (Instant::now(), height(), used());
    sleep(Duration::from_secs(SECONDS));
    let seconds = start.elapsed().as_secs_f64();
    let percent = (used() - before) / TICKS_PER_SECOND / seconds / pids.len() as f64 * 100.0;
    (percent, (height() - blocks) as f64 / seconds)
}

struct Counter(Arc<AtomicUsize>);

#[tonic::async_trait]
impl TraceService for Counter {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let resources = request.into_inner().resource_spans;
        let spans =
            resources.iter().flat_map(|resource| &resource.scope_spans).map(|scope| scope.spans.len());
        self.0.fetch_add(spans.sum(), Ordering::Relaxed);
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}
