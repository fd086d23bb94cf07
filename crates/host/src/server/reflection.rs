//! Reflection. The descriptors are decoded for the first who asks: decoded, those of one port take most of a
//! megabyte, and most ports are never asked.

use std::convert::Infallible;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};

use axum::Router;
use axum::extract::Request;
use axum::response::Response;
use axum::routing::future::RouteFuture;
use futures::TryFutureExt as _;
use futures::future::MapOk;
use tokio_util::sync::CancellationToken;
use tonic_reflection::server::Builder;
use tower::Service;

use super::guard::Guard;
use super::{ServeError, V1, V1_ALPHA, mount};

/// What a port shows of itself.
struct Shown {
    descriptors: Vec<&'static [u8]>,
    /// Full names of the services served there. A descriptor set may describe services of other processes.
    names: Vec<&'static str>,
}

impl Shown {
    fn builder(&self, own: &'static str) -> Builder<'static> {
        let mut builder = Builder::configure()
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
            .register_encoded_file_descriptor_set(tonic_types::pb::FILE_DESCRIPTOR_SET)
            .with_service_name(tonic_health::pb::health_server::SERVICE_NAME)
            .with_service_name(own);
        for bytes in &self.descriptors {
            builder = builder.register_encoded_file_descriptor_set(bytes);
        }
        self.names.iter().fold(builder, |builder, name| builder.with_service_name(*name))
    }

    fn v1(&self) -> Result<Router, ServeError> {
        Ok(Router::new().fallback_service(self.builder(V1).build_v1()?))
    }

    fn v1_alpha(&self) -> Result<Router, ServeError> {
        Ok(Router::new().fallback_service(self.builder(V1_ALPHA).build_v1alpha()?))
    }
}

/// Both versions of the reflection service.
///
/// # Errors
/// [`ServeError`] when a descriptor set cannot be read.
pub(super) fn router(
    descriptors: &[&'static [u8]],
    names: &[&'static str],
    ending: &CancellationToken,
) -> Result<Router, ServeError> {
    let shown = Arc::new(Shown { descriptors: descriptors.to_vec(), names: names.to_vec() });
    // Both are made of the same descriptors: what one can read, the other can.
    drop(shown.v1()?);
    let lazy = |make| Guard::limited(Lazy { make, shown: shown.clone(), made: Arc::default() }, ending);
    let router = mount(Router::new(), lazy(Shown::v1), V1);
    Ok(mount(router, lazy(Shown::v1_alpha), V1_ALPHA))
}

/// A service that is made for the first call.
#[derive(Clone)]
struct Lazy {
    shown: Arc<Shown>,
    make: fn(&Shown) -> Result<Router, ServeError>,
    made: Arc<OnceLock<Router>>,
}

impl Service<Request> for Lazy {
    type Response = http::Response<tonic::body::Body>;
    type Error = Infallible;
    type Future = MapOk<RouteFuture<Infallible>, fn(Response) -> Self::Response>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let make = || (self.make)(&self.shown).expect("the descriptors were read at the start");
        let answer: fn(Response) -> Self::Response = |answer| answer.map(tonic::body::Body::new);
        self.made.get_or_init(make).clone().call(request).map_ok(answer)
    }
}
