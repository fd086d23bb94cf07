//! The server stack: gRPC with health and reflection, and HTTP routes beside it on the same port.
//!
//! It drives hyper itself instead of using tonic's transport server, which answers an expired deadline with
//! CANCELLED, sheds health checks with everything else, cannot upgrade connections, and waits for open
//! streams for ever when it stops.

mod body;
mod connection;
mod ending;
mod guard;
mod listen;
mod measure;
mod slow_reader;
mod stop;
mod traced;

use std::convert::Infallible;

use axum::Router;
use axum::extract::Request;
use axum::response::Response;
use axum::routing::future::RouteFuture;
use axum::routing::get;
use http::StatusCode;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tonic::server::NamedService;
use tonic::{Code, Status};
use tower::Service;

use crate::{Env, Health, metrics};
use guard::Guard;
use measure::Measure;
use traced::Traced;

pub use listen::{BindError, ListenAddress, NoListenAddress, bind};

/// Domain of the `google.rpc.ErrorInfo` that the stack itself answers with.
pub const ERROR_DOMAIN: &str = "vision";

/// A server of one port.
pub struct GrpcServer {
    health: Health,
    services: Vec<Named>,
    descriptors: Vec<&'static [u8]>,
    methods: Vec<&'static str>,
    http: Option<Router>,
    shows_metrics: bool,
    traced_as: Option<&'static str>,
}

type Mount = Box<dyn FnOnce(Router, &CancellationToken, Option<&'static str>) -> Router + Send>;

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
        Self { health, services, descriptors, methods, http: None, shows_metrics: false, traced_as: None }
    }

    /// Adds a generated gRPC server, guarded by limits and a deadline, and registers its name with the health.
    /// Message size limits are the generated server's own: `max_decoding_message_size`.
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
        let mount: Mount = Box::new(|router, ending, traced_as| {
            mount(router, Traced::new(Guard::limited(service, ending), traced_as), S::NAME)
        });
        self.services.push(Named { name: S::NAME, mount });
        self
    }

    /// Makes calls that bear a trace context spans of this service. Only for a port whose callers are all trusted: others could
    /// fill any trace with what they like.
    #[must_use]
    pub const fn traced_as(mut self, service: &'static str) -> Self {
        self.traced_as = Some(service);
        self
    }

    /// Adds an encoded `FileDescriptorSet` for reflection. Those of health, reflection itself and error details are there.
    #[must_use]
    pub fn descriptor_set(mut self, bytes: &'static [u8]) -> Self {
        self.descriptors.push(bytes);
        self
    }

    /// Adds full names of methods (`package.Service/Method`) that metrics tell apart; calls of all others are counted as one.
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
    pub async fn serve(self, listener: TcpListener, env: &Env) -> Result<(), ServeError> {
        let ending = CancellationToken::new();
        let health = self.health.clone();
        let routers = self.into_routers(&ending, env)?;
        stop::serve_until_drained(listener, routers, &health, env, ending).await;
        Ok(())
    }

    fn into_routers(self, ending: &CancellationToken, env: &Env) -> Result<Routers, ServeError> {
        let names: Vec<&str> = self.services.iter().map(|service| service.name).collect();
        let served =
            [names.as_slice(), &[V1, V1_ALPHA, tonic_health::pb::health_server::SERVICE_NAME]].concat();
        let mut router = reflection(&self.descriptors, &names, ending)?;
        let health = Guard::unlimited(self.health.rpc(), ending);
        router = mount(router, health, tonic_health::pb::health_server::SERVICE_NAME);
        for service in self.services {
            router = (service.mount)(router, ending, self.traced_as);
        }
        let served = |method: &&str| served.iter().any(|name| method.starts_with(name));
        let methods = self.methods.into_iter().filter(served).collect();
        let measure = Measure::new(env.metrics.rpc_server().clone(), methods);
        let grpc = router.fallback(unknown_service).layer(measure);
        let mut http = self.http.unwrap_or_else(|| Router::new().fallback(plain_not_found));
        if self.shows_metrics {
            http = http.route("/metrics", get(show(env.metrics.clone())));
        }
        Ok(Routers { grpc, http })
    }
}

/// The two halves of a port. Told apart by the content type, so that an unknown gRPC service is answered with a grpc-status
/// and an unknown path with HTTP's 404.
#[derive(Clone)]
struct Routers {
    grpc: Router,
    http: Router,
}

impl Routers {
    fn call<B>(&mut self, request: http::Request<B>) -> RouteFuture<Infallible>
    where
        B: hyper::body::Body<Data = bytes::Bytes> + Send + 'static,
        B::Error: Into<axum::BoxError>,
    {
        let content_type = request.headers().get(http::header::CONTENT_TYPE);
        if content_type.is_some_and(|value| value.as_bytes().starts_with(b"application/grpc")) {
            self.grpc.call(request)
        } else {
            self.http.call(request)
        }
    }
}

async fn unknown_service(request: Request) -> Response {
    let path: String = request.uri().path().chars().take(MAX_SHOWN_CHARS).collect();
    Status::new(Code::Unimplemented, format!("no service answers {path}")).into_http()
}

fn mount<S>(router: Router, service: S, name: &str) -> Router
where
    S: Service<Request, Response = Response, Error = Infallible> + Clone + Send + Sync + 'static,
    S::Future: Send + 'static,
{
    router.route_service(&format!("/{name}/{{*method}}"), service)
}

fn reflection(
    descriptors: &[&'static [u8]],
    names: &[&str],
    ending: &CancellationToken,
) -> Result<Router, ServeError> {
    use tonic_reflection::server::Builder;
    let builder = || {
        let mut builder = Builder::configure()
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
            .register_encoded_file_descriptor_set(tonic_types::pb::FILE_DESCRIPTOR_SET)
            .with_service_name(tonic_health::pb::health_server::SERVICE_NAME);
        for bytes in descriptors {
            builder = builder.register_encoded_file_descriptor_set(bytes);
        }
        // One descriptor set may describe services of other processes: only name those served here.
        names.iter().fold(builder, |builder, name| builder.with_service_name(*name))
    };
    let v1 = builder().with_service_name(V1).build_v1()?;
    let v1alpha = builder().with_service_name(V1_ALPHA).build_v1alpha()?;
    let router = mount(Router::new(), Guard::limited(v1, ending), V1);
    Ok(mount(router, Guard::limited(v1alpha, ending), V1_ALPHA))
}

/// Most characters of a path that an error repeats.
const MAX_SHOWN_CHARS: usize = 200;
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
) -> impl Fn() -> std::future::Ready<([(http::HeaderName, &'static str); 1], String)> + Clone + Send + Sync + 'static
{
    move || std::future::ready(([(http::header::CONTENT_TYPE, metrics::CONTENT_TYPE)], shown.encode()))
}

async fn plain_not_found() -> StatusCode {
    StatusCode::NOT_FOUND
}

#[cfg(test)]
mod tests;
