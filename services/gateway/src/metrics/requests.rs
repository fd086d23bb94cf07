//! How long requests take, by route.

use axum::extract::{MatchedPath, Request, State};
use axum::http::Method;
use axum::middleware::Next;
use axum::response::Response;
use vision_host::metrics::{OTHER, Stopwatch};

use super::GatewayMetrics;

/// A layer over all routes. The label is the route as it is written here, never the path that was asked for.
pub(crate) async fn measure(State(metrics): State<GatewayMetrics>, request: Request, next: Next) -> Response {
    let method = name(request.method());
    let route = request.extensions().get::<MatchedPath>().cloned();
    let stopwatch = Stopwatch::start();
    let response = next.run(request).await;
    let route = route.as_ref().map_or(OTHER, MatchedPath::as_str);
    stopwatch.note(&metrics.requests.get([method, route, response.status().as_str()]));
    response
}

/// Whoever asks names the method: an unknown one must not become a label.
fn name(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::POST => "POST",
        Method::HEAD => "HEAD",
        Method::PUT => "PUT",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        Method::PATCH => "PATCH",
        _ => OTHER,
    }
}
