//! What stands before every gRPC service: a limit on calls in progress, a deadline, a net for
//! panics, and clear codes where the library's own are unclear.

pub(super) mod refusal;

use std::convert::Infallible;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::extract::Request;
use axum::response::Response;
use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tonic::Status;
use tower::Service;
use vision_rpc::deadline::{self, MAX_CALL};

use super::body::GuardedBody;

/// Calls of one service in progress at once, open streams included; more are refused at once. A port that
/// strangers reach has as many as it may hold connections, if those are more.
const MAX_CALLS_IN_PROGRESS: usize = 1024;
/// Health checks of one port in progress at once.
const MAX_CHECKS: usize = 256;
/// Health checks of one connection of a stranger in progress at once. Every connection has places for them:
/// whoever begins many holds up itself and nobody's probes.
const MAX_CHECKS_PER_STRANGER: usize = 4;
/// Watches of one port's health at once.
const MAX_HEALTH_WATCHES: usize = 64;
/// Health checks of one connection in progress at once.
const MAX_CHECKS_PER_CONNECTION: usize = 16;
/// Watches of the health by one connection at once.
const MAX_HEALTH_WATCHES_PER_CONNECTION: usize = 4;
/// Calls by one connection of a stranger at once, open streams included. Of a connection with a peer one
/// stream is the conversation, and the rest is for tools.
const MAX_CALLS_PER_CONNECTION: usize = 16;
/// A health check must have come whole within this.
const MAX_CHECK: Duration = Duration::from_secs(5);

/// What one connection may have of the places. Every request bears its connection's.
#[derive(Clone)]
pub(super) struct Shares {
    checks: Arc<Semaphore>,
    strangers_checks: Arc<Semaphore>,
    watches: Arc<Semaphore>,
    calls: Arc<Semaphore>,
}

impl Shares {
    pub(super) fn new() -> Self {
        Self {
            checks: Arc::new(Semaphore::new(MAX_CHECKS_PER_CONNECTION)),
            strangers_checks: Arc::new(Semaphore::new(MAX_CHECKS_PER_STRANGER)),
            watches: Arc::new(Semaphore::new(MAX_HEALTH_WATCHES_PER_CONNECTION)),
            calls: Arc::new(Semaphore::new(MAX_CALLS_PER_CONNECTION)),
        }
    }
}

/// A service behind its guard.
#[derive(Clone)]
pub(super) struct Guard<S> {
    inner: S,
    places: Arc<Semaphore>,
    /// Which share of its connection a call needs besides.
    share: Option<fn(&Shares) -> &Arc<Semaphore>>,
    max_call: Duration,
    ending: CancellationToken,
}

/// What a call holds until its answer is sent.
pub(super) type Held = (OwnedSemaphorePermit, Option<OwnedSemaphorePermit>);

impl<S> Guard<S> {
    pub(super) fn limited(inner: S, ending: &CancellationToken) -> Self {
        Self::with_places(inner, ending, MAX_CALLS_IN_PROGRESS)
    }

    pub(super) fn with_places(inner: S, ending: &CancellationToken, calls: usize) -> Self {
        let places = Arc::new(Semaphore::new(calls));
        Self { inner, places, share: None, max_call: MAX_CALL, ending: ending.clone() }
    }

    /// For services that anybody may call, on a port that may hold so many connections.
    pub(super) fn of_strangers(inner: S, ending: &CancellationToken, connections: usize) -> Self {
        let guard = Self::with_places(inner, ending, connections.max(MAX_CALLS_IN_PROGRESS));
        Self { share: Some(|shares| &shares.calls), ..guard }
    }

    /// For health checks: in places of their own, so that they are answered however busy the rest is.
    pub(super) fn of_checks(inner: S, ending: &CancellationToken) -> Self {
        let guard = Self::with_places(inner, ending, MAX_CHECKS);
        Self { share: Some(|shares| &shares.checks), max_call: MAX_CHECK, ..guard }
    }

    /// For health checks on a port that anybody may reach.
    pub(super) fn of_strangers_checks(inner: S, ending: &CancellationToken, connections: usize) -> Self {
        let guard = Self::with_places(inner, ending, connections * MAX_CHECKS_PER_STRANGER);
        Self { share: Some(|shares| &shares.strangers_checks), max_call: MAX_CHECK, ..guard }
    }

    /// For watches of the health.
    pub(super) fn of_health_watches(inner: S, ending: &CancellationToken) -> Self {
        let guard = Self::with_places(inner, ending, MAX_HEALTH_WATCHES);
        Self { share: Some(|shares| &shares.watches), max_call: MAX_CHECK, ..guard }
    }

    fn hold(&self, request: &Request) -> Option<Held> {
        let take = |places: &Arc<Semaphore>| Arc::clone(places).try_acquire_owned().ok();
        let share = match (self.share, request.extensions().get::<Shares>()) {
            (Some(of), Some(shares)) => Some(take(of(shares))?),
            _ => None,
        };
        Some((take(&self.places)?, share))
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
        let Some(held) = self.hold(&request) else {
            return Box::pin(async { Ok(answer(refusal::overloaded())) });
        };
        let limit = deadline::asked(request.headers()).min(self.max_call);
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
            Ok(response.map(|body| GuardedBody::wrap(body, &ending, held)))
        })
    }
}

fn answer(status: Status) -> Response {
    status.into_http()
}
