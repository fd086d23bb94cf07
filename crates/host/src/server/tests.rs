//! Against a real port, with the health service's generated code standing in for a service.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures::{Stream, StreamExt};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tonic::transport::Channel;
use tonic::{Request as GrpcRequest, Response as GrpcResponse};
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_health::pb::health_server::{Health as HealthRpc, HealthServer};
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};

use super::*;
use crate::health::{NotServing, check};

mod compressed;
mod guarded;
mod stopping;
mod strangers;

const SOON: Duration = Duration::from_secs(10);

/// A service of our own making, under another name, so that it stands beside the real health.
#[derive(Clone, Default)]
struct Fake {
    entered: Arc<Notify>,
}

#[tonic::async_trait]
impl HealthRpc for Fake {
    type WatchStream = Pin<Box<dyn Stream<Item = Result<HealthCheckResponse, Status>> + Send>>;

    async fn check(
        &self,
        request: GrpcRequest<HealthCheckRequest>,
    ) -> Result<GrpcResponse<HealthCheckResponse>, Status> {
        let remote = request.remote_addr().is_some();
        match request.into_inner().service.as_str() {
            "panic" => panic!("on purpose"),
            "hang" => {
                self.entered.notify_one();
                std::future::pending().await
            }
            "refuse" => Err(Status::failed_precondition("as asked")),
            _ if remote => Ok(GrpcResponse::new(HealthCheckResponse { status: 1 })),
            _ => Err(Status::internal("the remote address is missing")),
        }
    }

    async fn watch(
        &self,
        _: GrpcRequest<HealthCheckRequest>,
    ) -> Result<GrpcResponse<Self::WatchStream>, Status> {
        let first = futures::stream::iter([Ok(HealthCheckResponse { status: 1 })]);
        Ok(GrpcResponse::new(Box::pin(first.chain(futures::stream::pending()))))
    }
}

#[derive(Clone)]
struct Renamed(HealthServer<Fake>);

impl NamedService for Renamed {
    const NAME: &'static str = "test.Fake";
}

impl Service<Request> for Renamed {
    type Response = http::Response<tonic::body::Body>;
    type Error = Infallible;
    type Future = <HealthServer<Fake> as Service<Request>>::Future;

    fn poll_ready(&mut self, cx: &mut std::task::Context<'_>) -> std::task::Poll<Result<(), Infallible>> {
        Service::<Request>::poll_ready(&mut self.0, cx)
    }

    fn call(&mut self, mut request: Request) -> Self::Future {
        let path = request.uri().path().replace("test.Fake", "grpc.health.v1.Health");
        *request.uri_mut() = path.parse().expect("a path");
        self.0.call(request)
    }
}

struct Running {
    address: SocketAddr,
    health: Health,
    env: Env,
    task: JoinHandle<()>,
    fake: Fake,
}

impl Running {
    async fn start() -> Self {
        let (health, env, fake) = (Health::new(), Env::new("/nowhere", "test"), Fake::default());
        let listener = bind(&([127, 0, 0, 1], 0).into(), &crate::Net::machine()).await.expect("a free port");
        let address = listener.local_addr().expect("bound");
        let http = Router::new()
            .route("/hello", axum::routing::get(|| async { "hello" }))
            .fallback(|| async { (StatusCode::NOT_FOUND, "our own 404") });
        let server = HealthServer::new(fake.clone())
            .max_decoding_message_size(100)
            .accept_compressed(tonic::codec::CompressionEncoding::Gzip);
        let server = GrpcServer::new(&health)
            .add(Renamed(server))
            .methods(&["test.Fake/Check", "test.Fake/Watch", "test.Else/Check"])
            .show_metrics()
            .http_routes(http);
        let inner = env.clone();
        let task = tokio::spawn(async move { server.serve(listener, &inner).await.expect("serves") });
        Self { address, health, env, task, fake }
    }

    async fn channel(&self) -> Channel {
        let url = format!("http://{}", self.address);
        Channel::from_shared(url).expect("a URL").connect().await.expect("connects")
    }

    /// Calls a method of the fake.
    async fn call(&self, method: &str, service: &str) -> Result<ServingStatus, Status> {
        let mut grpc = tonic::client::Grpc::new(self.channel().await);
        grpc.ready().await.expect("connected");
        let request = GrpcRequest::new(HealthCheckRequest { service: service.to_owned() });
        let path = method.parse().expect("a path");
        let codec = tonic_health_codec();
        let response: GrpcResponse<HealthCheckResponse> = grpc.unary(request, path, codec).await?;
        Ok(response.get_ref().status())
    }

    async fn stop(self) {
        self.env.drain.begin();
        tokio::time::timeout(SOON, self.task).await.expect("stops in time").expect("no panic");
    }
}

fn tonic_health_codec() -> tonic_prost::ProstCodec<HealthCheckRequest, HealthCheckResponse> {
    tonic_prost::ProstCodec::default()
}

fn reason(status: &Status) -> Option<String> {
    vision_rpc::reason_of(status)
}

async fn http1(address: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).await.expect("connects");
    stream.write_all(request.as_bytes()).await.expect("sent");
    let mut answer = String::new();
    let read = tokio::time::timeout(SOON, stream.read_to_string(&mut answer)).await.expect("answers in time");
    read.expect("text");
    answer
}

#[tokio::test]
async fn calls_are_answered_and_faults_have_clear_codes() {
    let server = Running::start().await;
    assert_eq!(server.call("/test.Fake/Check", "").await.expect("answered"), ServingStatus::Serving);
    let big = "x".repeat(200);
    let cases = [
        ("its own", "/test.Fake/Check", "refuse", Code::FailedPrecondition, None),
        ("a panic", "/test.Fake/Check", "panic", Code::Internal, Some("INTERNAL")),
        ("too large", "/test.Fake/Check", big.as_str(), Code::ResourceExhausted, Some("MESSAGE_TOO_LARGE")),
        ("unknown method", "/test.Fake/Chuck", "", Code::Unimplemented, None),
        ("unknown service", "/test.Other/Check", "", Code::Unimplemented, None),
    ];
    for (desc, method, service, code, expect) in cases {
        let error = server.call(method, service).await.expect_err(desc);
        assert_eq!((error.code(), reason(&error).as_deref()), (code, expect), "{desc}: {error:?}");
    }
    server.stop().await;
}

#[tokio::test]
async fn http1_stands_beside_grpc_on_one_port() {
    let server = Running::start().await;
    let get = |path: &str| format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
    for (path, line, body) in [
        ("/hello", "HTTP/1.1 200 OK", "hello"),
        ("/nothing", "HTTP/1.1 404 Not Found", "our own 404"),
        ("/a/b/c", "HTTP/1.1 404 Not Found", "our own 404"),
    ] {
        let answer = http1(server.address, &get(path)).await;
        assert!(answer.starts_with(line) && answer.ends_with(body), "{path}: {answer}");
    }
    let grpc = "POST /no.Service/Method HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\
        content-type: application/grpc\r\ncontent-length: 0\r\n\r\n";
    let answer = http1(server.address, grpc).await;
    assert!(answer.starts_with("HTTP/1.1 505 "), "no page of a browser calls a method: {answer}");
    let garbage = http1(server.address, "\u{1}\u{2}\u{3} this is neither HTTP/1 nor HTTP/2\r\n\r\n").await;
    assert!(garbage.is_empty() || garbage.starts_with("HTTP/1.1 400"), "{garbage}");
    assert_eq!(server.call("/test.Fake/Check", "").await.expect("still up"), ServingStatus::Serving);
    server.stop().await;
}

#[tokio::test]
async fn calls_are_measured_by_known_methods_only() {
    let server = Running::start().await;
    for method in ["/test.Fake/Check", "/test.Fake/Chuck", "/test.Else/Check", "/any.Thing/At_all", "/"] {
        // What comes of them is in the metrics.
        let _ = server.call(method, "").await;
    }
    let refused = server.call("/test.Fake/Check", "refuse").await;
    assert!(refused.is_err());
    let mut watch = HealthClient::new(server.channel().await);
    let request = HealthCheckRequest { service: String::new() };
    let mut stream = watch.watch(request).await.expect("opened").into_inner();
    stream.next().await.expect("the first").expect("an answer");
    drop((stream, watch));
    let line = |method: &str, code: &str, count: u64| {
        format!(
            "rpc_server_call_duration_seconds_count{{service=\"\",rpc_method=\"{method}\",\
             rpc_response_status_code=\"{code}\"}} {count}\n"
        )
    };
    let expect = [
        line("_OTHER", "UNIMPLEMENTED", 4),
        line("grpc.health.v1.Health/Watch", "CANCELLED", 1),
        line("test.Fake/Check", "FAILED_PRECONDITION", 1),
        line("test.Fake/Check", "OK", 1),
    ];
    let get = "GET /metrics HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\
        accept: application/openmetrics-text\r\n\r\n";
    let all_there = async {
        loop {
            let answer = http1(server.address, get).await;
            assert!(answer.contains("content-type: application/openmetrics-text; version=1.0.0"), "{answer}");
            assert!(answer.ends_with("# EOF\n"), "{answer}");
            let counts: Vec<_> =
                answer.lines().filter(|line| line.contains("_server_call_duration_seconds_count")).collect();
            if counts == expect.iter().map(|line| line.trim_end()).collect::<Vec<_>>() {
                return;
            }
            assert!(counts.len() <= expect.len(), "{counts:#?}");
            tokio::task::yield_now().await;
        }
    };
    // The server hears of the end of the stream a moment later.
    tokio::time::timeout(SOON, all_there).await.expect("all calls counted in time");
    server.stop().await;
}

#[tokio::test]
async fn health_answers_for_the_process_and_each_service() {
    let server = Running::start().await;
    let ask = async |service: &str| check(server.channel().await, service, SOON).await;
    assert_eq!(ask("").await, Err(NotServing::Because("starting".into())));
    server.health.set_serving();
    assert_eq!(ask("").await, Ok(()));
    assert_eq!(ask("test.Fake").await, Ok(()));
    assert!(matches!(ask("test.Other").await, Err(NotServing::NoAnswer(why)) if why.contains("test.Other")));
    server.health.condition("chain").failed("connection refused");
    assert_eq!(ask("test.Fake").await, Err(NotServing::Because("chain: connection refused".into())));
    server.stop().await;
}

#[tokio::test]
async fn reflection_speaks_both_versions() {
    use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
    use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
    use tonic_reflection::pb::v1::{ServerReflectionRequest, server_reflection_response::MessageResponse};
    use tonic_reflection::pb::v1alpha;
    let server = Running::start().await;
    let ask = |message| {
        futures::stream::iter([ServerReflectionRequest {
            host: String::new(),
            message_request: Some(message),
        }])
    };
    let mut client = ServerReflectionClient::new(server.channel().await);
    let mut answers = async |message| {
        let stream = client.server_reflection_info(ask(message)).await.expect("opens");
        stream.into_inner().next().await.expect("an answer").expect("an answer").message_response
    };
    let Some(MessageResponse::ListServicesResponse(list)) =
        answers(MessageRequest::ListServices(String::new())).await
    else {
        panic!("no list")
    };
    let mut names: Vec<String> = list.service.into_iter().map(|service| service.name).collect();
    names.sort();
    assert_eq!(names, ["grpc.health.v1.Health", V1, "test.Fake"]);
    for symbol in ["grpc.health.v1.Health", "google.rpc.ErrorInfo"] {
        let found = answers(MessageRequest::FileContainingSymbol(symbol.to_owned())).await;
        assert!(matches!(found, Some(MessageResponse::FileDescriptorResponse(_))), "{symbol}");
    }
    let mut old = v1alpha::server_reflection_client::ServerReflectionClient::new(server.channel().await);
    let message = v1alpha::server_reflection_request::MessageRequest::ListServices(String::new());
    let request = v1alpha::ServerReflectionRequest { host: String::new(), message_request: Some(message) };
    let stream = old.server_reflection_info(futures::stream::iter([request])).await.expect("opens");
    assert!(stream.into_inner().next().await.expect("an answer").is_ok());
    server.stop().await;
}

/// A server of this kind.
async fn started(build: impl FnOnce(GrpcServer) -> GrpcServer) -> (SocketAddr, Env, Health) {
    let (health, env) = (Health::new(), Env::new("/nowhere", "test"));
    let listener = bind(&([127, 0, 0, 1], 0).into(), &crate::Net::machine()).await.expect("a free port");
    let address = listener.local_addr().expect("bound");
    let server = build(GrpcServer::new(&health));
    let inner = env.clone();
    tokio::spawn(async move { server.serve(listener, &inner).await.expect("serves") });
    (address, env, health)
}

async fn connected(address: SocketAddr) -> Channel {
    Channel::from_shared(format!("http://{address}")).expect("a URL").connect().await.expect("connects")
}
