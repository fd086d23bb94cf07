//! `GET /metrics`: the metrics of the whole node.

use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse as _;
use vision_host::metrics;
use vision_wire::Reason;

use super::problem::Problem;
use super::{Answer, AppState};

pub(super) async fn metrics(State(state): State<AppState>) -> Answer {
    let text = state.scraper.scrape().await;
    let text = text.ok_or_else(|| Problem::new(Reason::Overloaded, "others ask for the metrics"))?;
    Ok(([(CONTENT_TYPE, metrics::CONTENT_TYPE)], text).into_response())
}
