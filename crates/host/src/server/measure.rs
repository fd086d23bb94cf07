//! Durations of calls: until the status is in the head of the answer, or in the trailers of a stream.

use std::convert::Infallible;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::extract::Request;
use axum::response::Response;
use futures::future::BoxFuture;
use tower::{Layer, Service};
use vision_rpc::Ending;

use super::ending;
use crate::metrics::{OTHER, RpcDurations};

/// Puts [`Measured`] around a router.
#[derive(Clone)]
pub(super) struct Measure {
    durations: RpcDurations,
    /// Full names of the methods that are counted separately, sorted.
    known: Arc<[&'static str]>,
}

impl Measure {
    pub(super) fn new(durations: RpcDurations, mut known: Vec<&'static str>) -> Self {
        known.sort_unstable();
        Self { durations, known: known.into() }
    }

    fn begin(&self, path: &str) -> Ending {
        let name = path.strip_prefix('/').unwrap_or(path);
        // Whoever calls names the method: what is not known here must not become a label.
        let method = self.known.binary_search(&name).map_or(OTHER, |at| self.known[at]);
        let durations = self.durations.clone();
        Ending::timed(move |code, took| durations.record(method, code, took))
    }
}

impl<S> Layer<S> for Measure {
    type Service = Measured<S>;

    fn layer(&self, inner: S) -> Measured<S> {
        Measured { inner, measure: self.clone() }
    }
}

/// A service whose calls are measured.
#[derive(Clone)]
pub(super) struct Measured<S> {
    inner: S,
    measure: Measure,
}

impl<S> Service<Request> for Measured<S>
where
    S: Service<Request, Response = Response, Error = Infallible>,
    S::Future: Send + 'static,
{
    type Response = Response;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response, Infallible>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let ending = self.measure.begin(request.uri().path());
        let answering = self.inner.call(request);
        Box::pin(async move { Ok(ending::follow(ending, answering.await?)) })
    }
}
