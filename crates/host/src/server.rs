//! The server stack: gRPC with health and reflection, and HTTP routes beside it on the same port.
//!
//! It drives hyper itself instead of using tonic's transport server, which answers an expired deadline with
//! CANCELLED, sheds health checks with everything else, cannot upgrade connections, and waits for open
//! streams for ever when it stops.

mod addresses;
mod body;
mod connection;
mod ending;
mod guard;
mod hosts;
mod listen;
mod measure;
mod reflection;
mod slow_reader;
mod stop;
mod traced;
mod untaken;

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::response::{IntoResponse as _, Response};
use axum::routing::future::RouteFuture;
use axum::routing::get;
use futures::future::Either;
use http::StatusCode;
use tokio_util::sync::CancellationToken;
use tonic::server::NamedService;
use tonic::{Code, Status};
use tower::Service;
use vision_rpc::net::Listener;

use crate::text::cut;
use crate::{Env, Health, metrics};
use addresses::Addresses;
use connection::Windows;
use guard::Guard;
use hosts::Hosts;
use measure::Measure;
use traced::Traced;

pub use listen::{BindError, ListenAddress, NoListenAddress, bind};
pub use stop::MAX_CONNECTIONS;

/// A server of one port.
pub struct GrpcServer {
    health: Health,
    services: Vec<Named>,
    descriptors: Vec<&'static [u8]>,
    methods: Vec<&'static str>,
    http: Option<Router>,
    shows_metrics: bool,
    traced_as: Option<&'static str>,
    for_strangers: bool,
    windows: Windows,
    connections: usize,
    connections_per_address: usize,
    hosts: Vec<String>,
    refuse_host: RefuseHost,
}

/// Makes the answer to a request that names a host which is not this one's.
type RefuseHost = fn(&str, &http::HeaderMap) -> Response;

type Mount = Box<dyn FnOnce(Router, &CancellationToken, &Port) -> Router + Send>;

/// What all services of a port have in common.
struct Port {
    traced_as: Option<&'static str>,
    for_strangers: bool,
    /// How many it may hold.
    connections: usize,
}

struct Named {
    name: &'static str,
    mount: Mount,
}

/// Why a server could not start or stopped by itself.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// A descriptor set that reflection cannot read.
    #[error("reflection: {0}")]
    Reflection(#[from] tonic_reflection::server::Error),
}

impl GrpcServer {
    /// A server with nothing but this health and reflection. Two servers (ports) may share one health.
    #[must_use]
    pub fn new(health: &Health) -> Self {
        let health = health.clone();
        let (services, descriptors, methods) = (Vec::new(), Vec::new(), KNOWN_METHODS.to_vec());
        Self {
            health,
            services,
            descriptors,
            methods,
            http: None,
            shows_metrics: false,
            traced_as: None,
            for_strangers: false,
            windows: Windows::WIDE,
            connections: MAX_CONNECTIONS,
            connections_per_address: MAX_CONNECTIONS_PER_ADDRESS,
            hosts: Vec::new(),
            refuse_host,
        }
    }

    /// Adds a generated gRPC server, guarded by limits and a deadline, and registers its name with the
    /// health. Message size limits are the generated server's own: `max_decoding_message_size`.
    #[must_use]
    #[expect(clippy::should_implement_trait, reason = "a step of a builder, not a sum")]
    pub fn add<S>(mut self, service: S) -> Self
    where
        S: Service<Request, Response = http::Response<tonic::body::Body>, Error = Infallible>
            + NamedService
            + Clone
            + Send
            + Sync
            + 'static,
        S::Future: Send + 'static,
    {
        self.health.register(S::NAME);
        let mount: Mount = Box::new(|router, ending, port| {
            let guard = match port.for_strangers {
                true => Guard::of_strangers(service, ending, port.connections),
                false => Guard::limited(service, ending),
            };
            mount(router, Traced::new(guard, port.traced_as), S::NAME)
        });
        self.services.push(Named { name: S::NAME, mount });
        self
    }

    /// Makes calls that bear a trace context spans of this service. Only for a port whose callers are all
    /// trusted: others could fill any trace with what they like.
    #[must_use]
    pub const fn traced_as(mut self, service: &'static str) -> Self {
        self.traced_as = Some(service);
        self
    }

    /// For a port that anybody may reach: no reflection, and health answers Check only. What stays open or
    /// describes much is for those whom the operator lets in. Whoever does not take an answer loses the
    /// connection, and one connection has few calls of a service.
    #[must_use]
    pub const fn for_strangers(mut self) -> Self {
        self.for_strangers = true;
        self
    }

    /// For a port whose requests are small or few: over HTTP/2 a connection takes little that nobody has read
    /// yet, as over HTTP/1.
    #[must_use]
    pub const fn small_requests(mut self) -> Self {
        self.windows = Windows::NARROW;
        self
    }

    /// How many connections the port may hold; [`MAX_CONNECTIONS`] unless given.
    #[must_use]
    pub const fn connections(mut self, limit: usize) -> Self {
        self.connections = limit;
        self
    }

    /// How many connections one address (of IPv6: one /64) may hold, at most [`MAX_CONNECTIONS_PER_ADDRESS`].
    #[must_use]
    pub fn connections_per_address(mut self, limit: usize) -> Self {
        self.connections_per_address = limit.min(MAX_CONNECTIONS_PER_ADDRESS);
        self
    }

    /// Adds a name by which the port may be called over plain HTTP. IP addresses and `localhost` always fit,
    /// and names without a dot if the port is not on loopback.
    #[must_use]
    pub fn called(mut self, host: &str) -> Self {
        self.hosts.push(host.to_owned());
        self
    }

    /// Answers requests to other hosts with this, given the host and the headers.
    #[must_use]
    pub fn refuse_host_with(mut self, answer: fn(&str, &http::HeaderMap) -> Response) -> Self {
        self.refuse_host = answer;
        self
    }

    /// Adds an encoded `FileDescriptorSet` for reflection. Those of health, reflection itself and error
    /// details are there.
    #[must_use]
    pub fn descriptor_set(mut self, bytes: &'static [u8]) -> Self {
        self.descriptors.push(bytes);
        self
    }

    /// Adds full names of methods (`package.Service/Method`) that metrics tell apart; calls of all others are
    /// counted as one.
    #[must_use]
    pub fn methods(mut self, names: &[&'static str]) -> Self {
        self.methods.extend_from_slice(names);
        self
    }

    /// Shows the metrics of the environment it is served in at `/metrics`: to all who reach the port.
    #[must_use]
    pub const fn show_metrics(mut self) -> Self {
        self.shows_metrics = true;
        self
    }

    /// Adds HTTP routes beside the gRPC services. A router with a fallback answers what nobody else does.
    #[must_use]
    pub fn http_routes(mut self, routes: Router) -> Self {
        self.http = Some(match self.http {
            None => routes,
            Some(others) => others.merge(routes),
        });
        self
    }

    /// Serves until the drain begins and then stops in order: NOT_SERVING, a moment for others to notice,
    /// listener closed and streams ended with UNAVAILABLE `SHUTTING_DOWN`, and after a hard deadline
    /// of 5 s whatever still runs is dropped.
    ///
    /// # Errors
    /// [`ServeError`] when the server cannot be put together.
    pub async fn serve(self, listener: impl Into<Listener>, env: &Env) -> Result<(), ServeError> {
        let listener = listener.into();
        let ending = CancellationToken::new();
        let health = self.health.clone();
        let addresses = Addresses::new(self.connections_per_address);
        let hosts = Hosts::new(listener.local_addr().ok(), &self.hosts);
        let (connections, protocol) = (self.connections, connection::protocol(self.windows));
        let routers = self.into_routers(&ending, env, hosts)?;
        let serving = stop::Serving { routers, protocol, max_connections: connections, addresses, ending };
        stop::serve_until_drained(listener, serving, &health, env).await;
        Ok(())
    }

    fn into_routers(
        self,
        ending: &CancellationToken,
        env: &Env,
        hosts: Hosts,
    ) -> Result<Routers, ServeError> {
        let names: Vec<&'static str> = self.services.iter().map(|service| service.name).collect();
        let served = [names.as_slice(), &[V1, V1_ALPHA, HEALTH]].concat();
        let mut router = match self.for_strangers {
            true => Router::new(),
            false => reflection::router(&self.descriptors, &names, ending)?,
        };
        let checks = match self.for_strangers {
            true => Guard::of_strangers_checks(self.health.rpc(), ending, self.connections),
            false => Guard::of_checks(self.health.rpc(), ending),
        };
        router = router.route_service(&format!("/{HEALTH}/Check"), checks);
        if !self.for_strangers {
            let watches = Guard::of_health_watches(self.health.rpc(), ending);
            router = router.route_service(&format!("/{HEALTH}/Watch"), watches);
        }
        let (traced_as, for_strangers) = (self.traced_as, self.for_strangers);
        let port = Port { traced_as, for_strangers, connections: self.connections };
        for service in self.services {
            router = (service.mount)(router, ending, &port);
        }
        let served = |method: &&str| served.iter().any(|name| method.starts_with(name));
        let methods = self.methods.into_iter().filter(served).collect();
        let measure = Measure::new(env.metrics.rpc_server().clone(), methods);
        let grpc = router.fallback(unknown_method).layer(measure);
        let mut http = self.http.unwrap_or_else(|| Router::new().fallback(plain_not_found));
        if self.shows_metrics {
            http = http.route("/metrics", get(show(env.metrics.clone())));
        }
        let (refuse_host, for_strangers) = (self.refuse_host, self.for_strangers);
        Ok(Routers { grpc, http, hosts: Arc::new(hosts), refuse_host, for_strangers })
    }
}

/// The two halves of a port. Told apart by the content type, so that an unknown gRPC service is answered with
/// a grpc-status and an unknown path with HTTP's 404.
#[derive(Clone)]
struct Routers {
    grpc: Router,
    http: Router,
    hosts: Arc<Hosts>,
    refuse_host: RefuseHost,
    for_strangers: bool,
}

impl Routers {
    #[cfg(test)]
    fn plain(http: Router) -> Self {
        Self { grpc: Router::new(), http, hosts: Arc::default(), refuse_host, for_strangers: true }
    }

    fn call<B>(&mut self, request: http::Request<B>) -> Answering
    where
        B: hyper::body::Body<Data = bytes::Bytes> + Send + 'static,
        B::Error: Into<axum::BoxError>,
    {
        let content_type = request.headers().get(http::header::CONTENT_TYPE);
        if content_type.is_some_and(|value| value.as_bytes().starts_with(b"application/grpc")) {
            // Browsers speak HTTP/1 without TLS, and no page of theirs is to call a method.
            if request.version() < http::Version::HTTP_2 {
                return Either::Right(ready(Ok(needs_http2())));
            }
            return Either::Left(self.grpc.call(request));
        }
        if let Some(host) = self.hosts.refused(request.uri(), request.headers()) {
            return Either::Right(ready(Ok((self.refuse_host)(&cut(host), request.headers()))));
        }
        Either::Left(self.http.call(request))
    }
}

type Answering = Either<RouteFuture<Infallible>, Ready<Result<Response, Infallible>>>;

fn needs_http2() -> Response {
    (StatusCode::HTTP_VERSION_NOT_SUPPORTED, "gRPC needs HTTP/2\n").into_response()
}

fn refuse_host(host: &str, _: &http::HeaderMap) -> Response {
    let text = format!("this port does not answer to the name {host}: use its IP address or localhost\n");
    (StatusCode::MISDIRECTED_REQUEST, text).into_response()
}

async fn unknown_method(request: Request) -> Response {
    let path = cut(request.uri().path());
    Status::new(Code::Unimplemented, format!("no service answers {path} on this port")).into_http()
}

fn mount<S>(router: Router, service: S, name: &str) -> Router
where
    S: Service<Request, Response = Response, Error = Infallible> + Clone + Send + Sync + 'static,
    S::Future: Send + 'static,
{
    router.route_service(&format!("/{name}/{{*method}}"), service)
}

/// Connections that one address may hold at most: never all of a port's.
pub const MAX_CONNECTIONS_PER_ADDRESS: usize = MAX_CONNECTIONS / 2;
const HEALTH: &str = tonic_health::pb::health_server::SERVICE_NAME;
const V1: &str = "grpc.reflection.v1.ServerReflection";
const V1_ALPHA: &str = "grpc.reflection.v1alpha.ServerReflection";

/// Methods of what every server has.
const KNOWN_METHODS: [&str; 4] = [
    "grpc.health.v1.Health/Check",
    "grpc.health.v1.Health/Watch",
    "grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
    "grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
];

/// The handler of `/metrics`.
fn show(
    shown: metrics::Metrics,
) -> impl Fn(http::HeaderMap) -> Ready<Response> + Clone + Send + Sync + 'static {
    move |asked| ready(metrics::answer(shown.encode(), &asked))
}

async fn plain_not_found() -> StatusCode {
    StatusCode::NOT_FOUND
}

#[cfg(test)]
mod tests;
