//! The routes.

mod accounts;
mod blocks;
mod events;
mod head;
mod limits;
mod metrics;
mod mining;
mod node;
mod problem;
mod query;
mod schedule;
mod seal;
mod stats;
mod trace;
mod transactions;

use std::ops::Deref;
use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use bytes::Bytes;
use serde::Serialize;
use vision_host::{Clock, Drain, Env, RandomError};

use crate::actor::MiningStatusBody;
use crate::adapters::Backends;
use crate::config::Config;
use crate::metrics::{GatewayMetrics, Scraper, measure};
use crate::views::to_json;
use problem::Problem;
use vision_wire::Reason;

/// Largest body of a request that is read without need.
const MAX_BODY_BYTES: usize = 256 << 10;

/// What handlers need. Cheap to clone: every request does.
#[derive(Clone)]
pub(crate) struct AppState(Arc<Inner>);

pub(crate) struct Inner {
    backends: Backends,
    mining: MiningStatusBody,
    clock: Clock,
    drain: Drain,
    limits: limits::Limits,
    stats: stats::StatsCache,
    metrics: GatewayMetrics,
    scraper: Scraper,
    version: &'static str,
}

impl Deref for AppState {
    type Target = Inner;

    fn deref(&self) -> &Inner {
        &self.0
    }
}

impl AppState {
    pub(crate) fn new(
        config: &Config,
        backends: Backends,
        mining: MiningStatusBody,
        metrics: GatewayMetrics,
        scraper: Scraper,
        env: &Env,
    ) -> Result<Self, RandomError> {
        problem::seed_trace_ids()?;
        Ok(Self(Arc::new(Inner {
            backends,
            mining,
            clock: env.clock.clone(),
            drain: env.drain.clone(),
            limits: limits::Limits::new(config),
            stats: stats::StatsCache::default(),
            metrics,
            scraper,
            version: env.version,
        })))
    }
}

type Answer = Result<Response, Problem>;

fn json_bytes(body: Bytes) -> Response {
    (StatusCode::OK, [(CONTENT_TYPE, "application/json"), (CACHE_CONTROL, "no-store")], body).into_response()
}

fn json(view: &impl Serialize) -> Response {
    json_bytes(to_json(view))
}

pub(crate) fn routes(state: AppState) -> Router {
    let asking = Router::new()
        .route("/api/status", get(node::status))
        .route("/api/peers", get(node::peers))
        .route("/api/chain/params", get(node::params))
        .route("/api/chain/producers", get(node::producers))
        .route("/api/chain/blocks", get(blocks::list))
        .route("/api/chain/blocks/{id}", get(blocks::one))
        .route("/api/mining/schedule", get(schedule::schedule))
        .route("/api/mining/history", get(blocks::history))
        .route("/api/mining/stats", get(stats::stats))
        .route("/api/transactions/{hash}", get(transactions::one))
        .route("/api/accounts/{address}", get(accounts::one))
        .route("/readyz", get(node::ready));
    let body_limit = DefaultBodyLimit::max(transactions::MAX_BODY_BYTES);
    let handing_in = Router::new().route("/api/transactions", post(transactions::submit).layer(body_limit));
    // Those that ask nobody stand outside of the limits: they answer at once, however busy the rest is.
    let asking = limits::limited(&state, asking, handing_in);
    let weighed = from_fn_with_state(state.clone(), limits::weighed);
    let measured = from_fn_with_state(state.metrics.clone(), measure);
    Router::new()
        .route("/api/mining/status", get(mining::status))
        .route("/healthz", get(node::alive))
        // Streams have places of their own, and so has what must be seen above all when the rest is busy.
        .route("/metrics", get(metrics::metrics).layer(weighed))
        .route("/api/transactions/events", get(events::transactions))
        .merge(asking)
        .fallback(no_route)
        .method_not_allowed_fallback(wrong_method)
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .layer(axum::middleware::from_fn(head::bounded))
        .layer(measured)
        .layer(axum::middleware::from_fn(trace::traced))
        .with_state(state)
}

/// The answer to a request that names another host.
pub(crate) fn wrong_host(host: &str) -> Response {
    let detail = format!(
        "this gateway is not called {host}: use its IP address or localhost, or name it in [gateway] allowed_hosts"
    );
    Problem::new(Reason::HostNotAllowed, detail).into_response()
}

async fn no_route(uri: axum::http::Uri) -> Problem {
    Problem::no_route(uri.path())
}

async fn wrong_method(method: axum::http::Method, uri: axum::http::Uri) -> Problem {
    Problem::wrong_method(method.as_str(), uri.path())
}
