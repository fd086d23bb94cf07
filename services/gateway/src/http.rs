//! The routes.

mod blocks;
mod caching;
mod cors;
mod events;
mod follow;
mod head;
mod limits;
mod live;
mod metrics;
mod mining;
mod node;
mod openapi;
mod overview;
mod packing;
mod page;
mod problem;
mod query;
mod request_id;
mod socket;
mod sse;
mod trace;
mod transactions;
mod transcoded;

use std::ops::Deref;
use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{Extensions, HeaderMap, Method, StatusCode, Uri};
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use bytes::Bytes;
use serde::Serialize;
use tonic::Status;
use vision_host::{Clock, Drain, Env, RandomError};

use crate::adapters::Backends;
use crate::config::Config;
use crate::live::{Listener, Live, MiningStatusBody, Wanted};
use crate::metrics::{GatewayMetrics, OpenStream, Scraper, measure};
use crate::views::to_json;
use problem::Problem;
use request_id::RequestId;
use vision_wire::Reason;

pub use cors::{NoOrigin, Origin};
pub(crate) use live::too_slow;

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
    transactions: events::Feed,
    metrics: GatewayMetrics,
    scraper: Scraper,
    allowed_origins: Vec<Origin>,
    live: Live,
    /// Where the selection service is asked, without what might be secret.
    selection_address: String,
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
        live: Live,
        env: &Env,
    ) -> Result<Self, RandomError> {
        problem::seed_trace_ids(&env.randomness)?;
        Ok(Self(Arc::new(Inner {
            backends,
            mining,
            clock: env.clock.clone(),
            drain: env.drain.clone(),
            limits: limits::Limits::new(config),
            transactions: events::Feed::default(),
            metrics,
            scraper,
            allowed_origins: config.allowed_origins.clone(),
            live,
            selection_address: without_user(&config.selection),
            version: env.version,
        })))
    }
}

/// Scheme, host and port of a URL.
fn without_user(url: &str) -> String {
    let Ok(url) = url.parse::<Uri>() else { return String::new() };
    let host = url.authority().map(|authority| authority.as_str().rsplit('@').next().unwrap_or_default());
    format!("{}://{}", url.scheme_str().unwrap_or("http"), host.unwrap_or_default())
}

impl AppState {
    /// Listens to the node's events after a cursor; if what followed it is not known any more, from now on,
    /// and says why.
    pub(crate) fn listen(&self, cursor: &str, wanted: Wanted) -> Result<(Listener, Option<Status>), Status> {
        self.live.listen_or_skip(cursor, wanted)
    }

    /// A place for a stream of events, and its count.
    pub(crate) fn stream_place(
        &self,
        extensions: &Extensions,
        headers: &HeaderMap,
    ) -> Result<StreamPlace, Status> {
        let permit = self.limits.stream(extensions, headers)?;
        Ok((permit, self.metrics.stream()))
    }
}

/// Held as long as a stream is open.
pub(crate) type StreamPlace = (limits::Permit, OpenStream);

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
        .route("/api/chain/blocks", get(blocks::list))
        .route("/api/chain/blocks/{id}", get(blocks::one))
        .route("/api/mining/history", get(blocks::history))
        .route("/api/overview", get(overview::overview))
        .route("/readyz", get(node::ready))
        .merge(transcoded::routes());
    let body_limit = DefaultBodyLimit::max(transactions::MAX_BODY_BYTES);
    let handing_in = Router::new().route("/api/transactions", post(transactions::submit).layer(body_limit));
    // Those that ask nobody stand outside of the limits: they answer at once, however busy the rest is.
    let asking = limits::limited(&state, asking, handing_in);
    let scraped = from_fn_with_state(state.clone(), limits::scraped);
    let measured = from_fn_with_state(state.metrics.clone(), measure);
    let shared = from_fn_with_state(state.clone(), cors::shared);
    let routes = Router::new()
        .route("/api/mining/status", get(mining::status))
        .route("/healthz", get(node::alive))
        .route("/api/openapi.json", get(openapi::openapi))
        // Streams have places of their own, and so has what must be seen above all when the rest is busy.
        .route("/metrics", get(metrics::metrics).layer(scraped))
        .route("/api/transactions/events", get(events::transactions))
        .route("/api/mining/events", get(live::events))
        .route("/api/mining/ws", get(socket::socket))
        .route("/api/chain/transactions/events", get(follow::transactions))
        .merge(asking)
        .merge(page::routes())
        .fallback(no_route)
        .method_not_allowed_fallback(wrong_method)
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .layer(from_fn(packing::packed))
        .layer(from_fn(head::bounded))
        .layer(shared)
        .layer(measured)
        .layer(from_fn(trace::traced))
        .layer(from_fn(request_id::logged))
        .with_state(state);
    Router::new().fallback_service(routes).layer(from_fn(request_id::identified))
}

/// The answer to a request that names another host.
pub(crate) fn wrong_host(host: &str, headers: &HeaderMap) -> Response {
    let detail = format!(
        "this gateway does not answer to the name {host}: use its IP address or localhost, or add the name \
         to [gateway] allowed_hosts"
    );
    let id = RequestId::of(headers);
    let mut answer = id.within_sync(|| Problem::new(Reason::HostNotAllowed, detail).into_response());
    id.mark(&mut answer);
    answer
}

async fn no_route(uri: Uri) -> Problem {
    Problem::no_route(uri.path())
}

/// Asked by `OPTIONS`, a route lists its methods; the router adds them.
async fn wrong_method(method: Method, uri: Uri) -> Answer {
    match method {
        Method::OPTIONS => Ok(StatusCode::NO_CONTENT.into_response()),
        _ => Err(Problem::wrong_method(method.as_str(), uri.path())),
    }
}
