//! `GET /metrics`: the metrics of the whole node.

use axum::extract::State;
use axum::http::HeaderMap;
use vision_host::metrics;
use vision_wire::Reason;

use super::problem::Problem;
use super::{Answer, AppState};

pub(super) async fn metrics(State(state): State<AppState>, asked: HeaderMap) -> Answer {
    let text = state.scraper.scrape().await;
    let text = text.ok_or_else(|| {
        Problem::new(Reason::Overloaded, "too many requests for the metrics: try again later")
    })?;
    Ok(metrics::answer(text, &asked))
}
