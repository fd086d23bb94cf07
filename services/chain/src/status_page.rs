//! `GET /api/status` over plain HTTP on the port towards other nodes.

use std::sync::Arc;

use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use serde::Serialize;
use tokio::sync::watch;
use vision_host::Clock;
use vision_primitives::{Hash, NodeId};

use crate::verdict::{ORACLE_SILENT, Verdict};
use crate::view::HeadView;

/// What the page shows.
#[derive(Clone)]
pub(crate) struct StatusPage {
    /// This node.
    pub node_id: NodeId,
    /// Name of the chain.
    pub chain_id: String,
    /// Hash of block 0.
    pub genesis_hash: Hash,
    /// Software version.
    pub version: &'static str,
    /// The head as published.
    pub view: watch::Receiver<Arc<HeadView>>,
    /// What the oracle last reported.
    pub verdict: watch::Receiver<Option<Verdict>>,
    /// The clock.
    pub clock: Clock,
}

impl StatusPage {
    /// The page's route.
    pub(crate) fn router(self) -> Router {
        Router::new().route("/api/status", get(status)).with_state(self)
    }
}

/// The page's body, in the order people read it.
#[derive(Serialize)]
struct Status {
    node_id: NodeId,
    chain_id: String,
    genesis_hash: Hash,
    version: &'static str,
    height: u64,
    tip_hash: Hash,
    finalized_height: u64,
    safe_height: u64,
    sync_state: Option<&'static str>,
    eligible: bool,
    not_eligible_because: Option<String>,
    ready_peers: u64,
    now_ms: u64,
    uptime_seconds: u64,
}

async fn status(State(page): State<StatusPage>) -> Json<Status> {
    let head = page.view.borrow().clone();
    let now_ms = page.clock.now_ms();
    let verdict = page.verdict.borrow().clone();
    let verdict = verdict.filter(|verdict| verdict.is_fresh(page.clock.monotonic_ms()));
    let snapshot = verdict.map(|verdict| verdict.snapshot);
    let sync_state = snapshot.as_ref().map(|snapshot| snapshot.state().word());
    let because = snapshot.as_ref().map_or(ORACLE_SILENT, |snapshot| &snapshot.not_eligible_because);
    Json(Status {
        node_id: page.node_id,
        chain_id: page.chain_id,
        genesis_hash: page.genesis_hash,
        version: page.version,
        height: head.height.get(),
        tip_hash: head.hash,
        finalized_height: head.finalized_height.get(),
        safe_height: head.finalized_height.get(),
        sync_state,
        eligible: snapshot.as_ref().is_some_and(|snapshot| snapshot.eligible),
        not_eligible_because: Some(because.to_owned()).filter(|text| !text.is_empty()),
        ready_peers: snapshot.as_ref().map_or(0, |snapshot| snapshot.ready_peers),
        now_ms,
        uptime_seconds: page.clock.monotonic_ms() / 1000,
    })
}
