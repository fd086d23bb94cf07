//! A collector of traces, by the protocol's own generated code: takes every span and reports what it has
//! seen.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http_body_util::{BodyExt as _, Empty};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value::Value};
use prost::Message as _;
use tokio::runtime::Runtime;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Request, Response, Status};

/// A span as it came.
#[derive(Clone, Debug)]
pub struct Seen {
    /// `service.name`.
    pub service: String,
    /// `service.instance.id`.
    pub node: String,
    pub name: String,
    pub trace: String,
    pub id: String,
    /// Empty for a root.
    pub parent: String,
    pub start_ns: u64,
    pub end_ns: u64,
    /// Traces and spans it links to.
    pub links: Vec<(String, String)>,
    pub attributes: BTreeMap<String, String>,
}

type Spans = Arc<Mutex<Vec<Seen>>>;

/// The collector; ends when dropped.
pub struct Collector {
    spans: Spans,
    port: u16,
    http_port: u16,
    runtime: Option<Runtime>,
}

impl Collector {
    /// Listens on a port of its own.
    pub fn start() -> Self {
        let spans = Spans::default();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.expect("a runtime");
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).expect("a port");
        let port = listener.local_addr().expect("bound").port();
        let service = TraceServiceServer::new(Taker(spans.clone()));
        let serving = tonic::transport::Server::builder().add_service(service);
        runtime.spawn(serving.serve_with_incoming(TcpListenerStream::new(listener)));
        let http = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).expect("a port");
        let http_port = http.local_addr().expect("bound").port();
        runtime.spawn(serve_http(http, spans.clone()));
        Self { spans, port, http_port, runtime: Some(runtime) }
    }

    /// Where it listens.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Where it listens for the protocol over HTTP.
    pub fn http_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.http_port)
    }

    /// All spans of a trace.
    pub fn trace(&self, id: &str) -> Vec<Seen> {
        self.all().into_iter().filter(|span| span.trace == id).collect()
    }

    /// Everything.
    pub fn all(&self) -> Vec<Seen> {
        self.spans.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Ends it in the middle of whatever it does.
    pub fn kill(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_timeout(Duration::from_secs(1));
        }
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.kill();
    }
}

struct Taker(Spans);

fn texts(attributes: Vec<KeyValue>) -> BTreeMap<String, String> {
    let text = |pair: KeyValue| {
        let value = match pair.value?.value? {
            Value::StringValue(text) => text,
            Value::IntValue(number) => number.to_string(),
            other => format!("{other:?}"),
        };
        Some((pair.key, value))
    };
    attributes.into_iter().filter_map(text).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn take(spans: &Spans, request: ExportTraceServiceRequest) {
    let mut seen = Vec::new();
    for of_resource in request.resource_spans {
        let resource = texts(of_resource.resource.unwrap_or_default().attributes);
        assert_eq!(resource.get("service.namespace").map(String::as_str), Some("vision"));
        let of = |name: &str| resource.get(name).cloned().unwrap_or_default();
        for span in of_resource.scope_spans.into_iter().flat_map(|of_scope| of_scope.spans) {
            seen.push(Seen {
                service: of("service.name"),
                node: of("service.instance.id"),
                name: span.name,
                trace: hex(&span.trace_id),
                id: hex(&span.span_id),
                parent: hex(&span.parent_span_id),
                start_ns: span.start_time_unix_nano,
                end_ns: span.end_time_unix_nano,
                links: span.links.iter().map(|link| (hex(&link.trace_id), hex(&link.span_id))).collect(),
                attributes: texts(span.attributes),
            });
        }
    }
    spans.lock().unwrap_or_else(PoisonError::into_inner).extend(seen);
}

#[tonic::async_trait]
impl TraceService for Taker {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        take(&self.0, request.into_inner());
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

/// Takes `POST /v1/traces` and nothing else.
async fn serve_http(listener: tokio::net::TcpListener, spans: Spans) {
    while let Ok((stream, _)) = listener.accept().await {
        let spans = spans.clone();
        let answer = service_fn(move |request: http::Request<Incoming>| {
            let spans = spans.clone();
            async move {
                assert_eq!((request.method().as_str(), request.uri().path()), ("POST", "/v1/traces"));
                let body = request.into_body().collect().await?.to_bytes();
                take(&spans, ExportTraceServiceRequest::decode(body).expect("a request"));
                Ok::<_, hyper::Error>(http::Response::new(Empty::<bytes::Bytes>::new()))
            }
        });
        tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), answer));
    }
}
