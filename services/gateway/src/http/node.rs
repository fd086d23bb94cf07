//! The node as a whole: status, liveness and readiness.

use std::collections::BTreeMap;

use axum::extract::State;
use serde::Serialize;
use vision_host::telemetry;
use vision_wire::Reason;

use super::problem::Problem;
use super::query::Params;
use super::{Answer, AppState, json};
use crate::ports::Neighbour;
use crate::views::{StatusView, not_eligible_because, stands_still_because};

pub(super) async fn status(State(state): State<AppState>, params: Params) -> Answer {
    params.allow(&[])?;
    let backends = &state.backends;
    let known = async { tokio::try_join!(backends.chain_info(), backends.head(), backends.snapshot()) };
    let (known, mining) = tokio::join!(known, backends.mining_status());
    let (info, head, snapshot) = known?;
    let because = not_eligible_because(&snapshot, &mining);
    let (now_ms, uptime) = (state.clock.now_ms(), state.clock.monotonic_ms() / 1000);
    let facts = (state.version, now_ms, uptime, telemetry::is_on());
    Ok(json(&StatusView::new(&info, &head, &snapshot, &because, facts)))
}

/// The gateway lives, whatever the services behind it do.
pub(super) async fn alive() -> Answer {
    #[derive(Serialize)]
    struct Alive {
        status: &'static str,
    }
    Ok(json(&Alive { status: "ok" }))
}

/// Asks all four services now, and whether the chain can go on by this node's clock.
pub(super) async fn ready(State(state): State<AppState>) -> Answer {
    #[derive(Serialize)]
    struct Ready {
        status: &'static str,
        services: BTreeMap<&'static str, &'static str>,
    }
    let asked = Neighbour::ALL.map(|neighbour| {
        let backends = state.backends.clone();
        async move { (neighbour, backends.health(neighbour).await) }
    });
    let answers = futures::future::join_all(asked).await;
    let missing: Vec<_> = answers
        .iter()
        .filter_map(|(neighbour, answer)| Some((neighbour.name(), answer.as_ref().err()?.to_string())))
        .collect();
    if missing.is_empty() {
        if let Some(because) = stands_still_because(&state.backends.snapshot().await?) {
            return Err(Problem::new(Reason::NotReady, because.to_owned()));
        }
        let services = Neighbour::ALL.map(|neighbour| (neighbour.name(), "serving"));
        return Ok(json(&Ready { status: "ready", services: services.into() }));
    }
    let named: Vec<String> = missing.iter().map(|(name, why)| format!("{name}: {why}")).collect();
    let names: Vec<&str> = missing.iter().map(|(name, _)| *name).collect();
    let problem = Problem::new(Reason::DependencyUnavailable, named.join("; "));
    Err(problem.with("service", names.join(",")))
}
