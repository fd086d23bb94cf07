//! What stands before every gRPC service: a limit on calls in progress, a deadline, a net for
//! panics, and clear codes where the library's own are unclear.

pub(super) mod refusal;
mod timeout;

use std::convert::Infallible;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::extract::Request;
use axum::response::Response;
use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tonic::Status;
use tower::Service;

use super::body::GuardedBody;

/// Calls of one service in progress at once, open streams included; more are refused at once.
const MAX_CALLS_IN_PROGRESS: usize = 1024;

/// A service behind its guard.
#[derive(Clone)]
pub(super) struct Guard<S> {
    inner: S,
    /// `None` for health checks, which must be answered however busy the rest is.
    places: Option<Arc<Semaphore>>,
    ending: CancellationToken,
}

impl<S> Guard<S> {
    pub(super) fn limited(inner: S, ending: &CancellationToken) -> Self {
        Self::with_places(inner, ending, MAX_CALLS_IN_PROGRESS)
    }

    pub(super) fn with_places(inner: S, ending: &CancellationToken, calls: usize) -> Self {
        Self { inner, places: Some(Arc::new(Semaphore::new(calls))), ending: ending.clone() }
    }

    pub(super) fn unlimited(inner: S, ending: &CancellationToken) -> Self {
        Self { inner, places: None, ending: ending.clone() }
    }
}

impl<S> Service<Request> for Guard<S>
where
    S: Service<Request, Response = http::Response<tonic::body::Body>, Error = Infallible>,
    S::Future: Send + 'static,
{
    type Response = Response;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response, Infallible>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let place = match &self.places {
            None => None,
            Some(places) => match Arc::clone(places).try_acquire_owned() {
                Ok(place) => Some(place),
                Err(_) => return Box::pin(async { Ok(answer(refusal::overloaded())) }),
            },
        };
        let limit = timeout::of(request.headers());
        let ending = self.ending.clone();
        let handling = AssertUnwindSafe(self.inner.call(request)).catch_unwind();
        Box::pin(async move {
            // Streams answer with their head at once: the deadline binds what must answer as a whole.
            let response = match tokio::time::timeout(limit, handling).await {
                Ok(Ok(Ok(response))) => response,
                // The panic's own message is on stderr; the caller learns nothing of it.
                Ok(Err(_)) => return Ok(answer(refusal::internal())),
                Err(_) => return Ok(answer(refusal::late(limit))),
            };
            if let Some(clearer) = refusal::clearer(response.headers()) {
                return Ok(answer(clearer));
            }
            Ok(response.map(|body| GuardedBody::wrap(body, &ending, place)))
        })
    }
}

fn answer(status: Status) -> Response {
    status.into_http()
}
