//! Requests as spans. Whoever calls may be anybody, so every request begins a trace of its own, whatever the
//! caller says.

use axum::extract::{MatchedPath, Request};
use axum::middleware::Next;
use axum::response::Response;
use tracing::Instrument as _;
use tracing::field::Empty;
use vision_host::telemetry::{self, names};

use super::request_id::RequestId;

/// The name of this service in traces.
const SERVICE: &str = "gateway";
/// Routes that are asked all the time, by machines.
const QUIET: [&str; 4] = ["/healthz", "/readyz", "/metrics", "/api/mining/status"];

/// Makes a request a span.
pub(super) async fn traced(request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>().cloned();
    let route = route.as_ref().map_or("", MatchedPath::as_str);
    if QUIET.contains(&route) {
        return next.run(request).await;
    }
    // Anybody may invent methods.
    let method = match request.method().as_str() {
        known @ ("GET" | "HEAD" | "POST" | "PUT" | "PATCH" | "DELETE" | "OPTIONS") => known,
        _ => "_OTHER",
    };
    let span = tracing::info_span!(
        parent: None,
        "http.server",
        otel.name = format!("{method} {route}").trim_end(),
        otel.kind = "server",
        { names::HTTP_REQUEST_METHOD } = method,
        { names::HTTP_ROUTE } = route,
        { names::HTTP_RESPONSE_STATUS_CODE } = Empty,
        // The one thing here that a caller may choose: a short plain word.
        vision.request.id = RequestId::current().as_ref().map(RequestId::as_str),
    );
    telemetry::begin(&span, SERVICE);
    let response = next.run(request).instrument(span.clone()).await;
    let _inside = span.enter();
    let status = response.status();
    span.record(names::HTTP_RESPONSE_STATUS_CODE, i64::from(status.as_u16()));
    if status.is_server_error() {
        telemetry::fail(&span, status.as_u16().to_string());
    }
    response
}
