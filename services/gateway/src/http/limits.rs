//! Limits on the routes that ask other services.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use vision_wire::Reason;

use super::AppState;
use super::problem::Problem;

/// Requests in progress at once; more are refused at once.
const MAX_REQUESTS_IN_PROGRESS: usize = 256;
/// Requests at once that wait for a block; they hold up none of the others. With the streams of events they must be
/// fewer than the calls that a connection with the chain service bears, 256.
const MAX_WAITING: usize = 128;
/// Open streams of events at once.
const MAX_WATCHING: usize = 64;
/// Longest that a request may take.
const REQUEST_DEADLINE: Duration = Duration::from_secs(10);
/// Longest that a request may take which may wait for a block.
const WAITING_DEADLINE: Duration = Duration::from_secs(30);

/// Places of requests that take long.
pub(super) struct LongPlaces {
    waiting: Arc<Semaphore>,
    watching: Arc<Semaphore>,
}

impl LongPlaces {
    pub(super) fn new() -> Self {
        let places = |count| Arc::new(Semaphore::new(count));
        Self { waiting: places(MAX_WAITING), watching: places(MAX_WATCHING) }
    }

    /// For a request that waits for a block.
    pub(super) fn wait(&self) -> Result<OwnedSemaphorePermit, Problem> {
        take(&self.waiting, "too many requests wait for a block: hand in without `wait`")
    }

    /// For a stream of events.
    pub(super) fn watch(&self) -> Result<OwnedSemaphorePermit, Problem> {
        take(&self.watching, "too many streams of events are open: try again later")
    }
}

fn take(places: &Arc<Semaphore>, detail: &str) -> Result<OwnedSemaphorePermit, Problem> {
    Arc::clone(places).try_acquire_owned().map_err(|_| Problem::new(Reason::Overloaded, detail))
}

/// A request's place among those in progress, which it may give back before it is done.
#[derive(Clone)]
pub(super) struct Place(Arc<Mutex<Option<OwnedSemaphorePermit>>>);

impl Place {
    fn new(permit: OwnedSemaphorePermit) -> Self {
        Self(Arc::new(Mutex::new(Some(permit))))
    }

    pub(super) fn give_back(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
    }
}

/// Limits routes that answer soon, and routes that may wait for a block. Both share the places.
pub(super) fn limited(soon: Router<AppState>, waiting: Router<AppState>) -> Router<AppState> {
    let places = Arc::new(Semaphore::new(MAX_REQUESTS_IN_PROGRESS));
    let with = |routes: Router<AppState>, deadline| {
        routes.route_layer(from_fn_with_state((Arc::clone(&places), deadline), limit))
    };
    with(soon, REQUEST_DEADLINE).merge(with(waiting, WAITING_DEADLINE))
}

async fn limit(
    State((places, deadline)): State<(Arc<Semaphore>, Duration)>,
    mut request: Request,
    next: Next,
) -> Response {
    let place = match take(&places, "too many requests in progress: try again later") {
        Ok(permit) => Place::new(permit),
        Err(problem) => return problem.into_response(),
    };
    request.extensions_mut().insert(place.clone());
    let answer = tokio::time::timeout(deadline, next.run(request)).await;
    place.give_back();
    answer.unwrap_or_else(|_| {
        let detail = format!("not done within {} s", deadline.as_secs());
        Problem::new(Reason::Deadline, detail).into_response()
    })
}
