//! `GET /api/mining/status`.

use axum::extract::State;

use super::{Answer, AppState, json_bytes};

/// Sends the body that the producer's watch keeps current.
pub(super) async fn status(State(state): State<AppState>) -> Answer {
    Ok(json_bytes(state.mining.get()?))
}
