//! Limits on the routes that ask other services.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use tokio::sync::Semaphore;
use vision_wire::Reason;

use super::AppState;
use super::problem::Problem;

/// Requests in progress at once; more are refused at once.
const MAX_REQUESTS_IN_PROGRESS: usize = 256;
/// Longest that a request may take.
const REQUEST_DEADLINE: Duration = Duration::from_secs(10);

pub(super) fn limited(routes: Router<AppState>) -> Router<AppState> {
    let places = Arc::new(Semaphore::new(MAX_REQUESTS_IN_PROGRESS));
    routes.route_layer(from_fn_with_state(places, limit))
}

async fn limit(State(places): State<Arc<Semaphore>>, request: Request, next: Next) -> Response {
    let Ok(_place) = places.try_acquire() else {
        let detail = "too many requests in progress: try again later";
        return Problem::new(Reason::Overloaded, detail).into_response();
    };
    match tokio::time::timeout(REQUEST_DEADLINE, next.run(request)).await {
        Ok(response) => response,
        Err(_) => {
            let detail = format!("not done within {} s", REQUEST_DEADLINE.as_secs());
            Problem::new(Reason::Deadline, detail).into_response()
        }
    }
}
