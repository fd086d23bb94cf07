//! `GET /metrics`: the metrics of the whole node.

use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse as _, Response};
use vision_host::metrics;

use super::AppState;

pub(super) async fn metrics(State(state): State<AppState>) -> Response {
    ([(CONTENT_TYPE, metrics::CONTENT_TYPE)], state.scraper.scrape().await).into_response()
}
