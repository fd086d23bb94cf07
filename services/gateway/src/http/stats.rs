//! `GET /api/mining/stats`: how often each producer produced, and how often it should have.

use axum::Extension;
use axum::extract::State;
use serde::Serialize;
use vision_wire::chain::ProducerStatistics;

use super::limits::Place;
use super::query::Params;
use super::{Answer, AppState, json};

/// What the longest answer takes while it is made.
const ANSWER_BYTES: usize = 1 << 20;

#[derive(Serialize)]
struct StatsView<'a> {
    from_height: u64,
    to_height: u64,
    blocks: u64,
    producers: Vec<ProducerView<'a>>,
}

#[derive(Serialize)]
struct ProducerView<'a> {
    node_id: &'a str,
    primary: u64,
    backup: u64,
    tail: u64,
    missed: u64,
    rewards: &'a str,
    share: f64,
    expected_share: f64,
}

impl<'a> From<&'a ProducerStatistics> for ProducerView<'a> {
    fn from(of: &'a ProducerStatistics) -> Self {
        Self {
            node_id: &of.node_id,
            primary: of.primary,
            backup: of.backup,
            tail: of.tail,
            missed: of.missed,
            rewards: &of.rewards,
            share: of.share,
            expected_share: of.expected_share,
        }
    }
}

pub(super) async fn stats(
    State(state): State<AppState>,
    Extension(place): Extension<Place>,
    params: Params,
) -> Answer {
    params.allow(&[])?;
    place.reserve(ANSWER_BYTES).await?;
    let statistics = state.backends.statistics().await?;
    Ok(json(&StatsView {
        from_height: statistics.from_height,
        to_height: statistics.to_height,
        blocks: statistics.blocks,
        producers: statistics.producers.iter().map(Into::into).collect(),
    }))
}
