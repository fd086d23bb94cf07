//! What the guard before a service does by itself.

use super::*;

/// A call of the fake as bytes, past any client of ours.
fn raw_call(method: &str, service: &str, timeout: &str) -> Request {
    let text = [&[10, u8::try_from(service.len()).expect("short")], service.as_bytes()].concat();
    let length = u32::try_from(text.len()).expect("short").to_be_bytes();
    http::Request::post(format!("/test.Fake/{method}"))
        .header("content-type", "application/grpc")
        .header("grpc-timeout", timeout)
        .body(axum::body::Body::from([&[0], &length[..], &text].concat()))
        .expect("a request")
}

/// The guarded fake with room for one call at a time.
fn narrow() -> Router {
    let service = Renamed(HealthServer::new(Fake::default()));
    mount(Router::new(), Guard::with_places(service, &CancellationToken::new(), 1), "test.Fake")
}

fn refused_with(response: &Response) -> Option<(Code, Option<String>)> {
    let status = Status::from_header_map(response.headers())?;
    Some((status.code(), reason(&status)))
}

#[tokio::test]
async fn a_busy_service_sheds_calls_at_once() {
    let mut router = narrow();
    let stream = router.call(raw_call("Watch", "", "5S")).await.expect("infallible");
    assert_eq!(refused_with(&stream), None, "an open stream");
    let shed = router.call(raw_call("Check", "refuse", "5S")).await.expect("infallible");
    assert_eq!(refused_with(&shed), Some((Code::ResourceExhausted, Some("OVERLOADED".into()))));
    drop(stream);
    let after = router.call(raw_call("Check", "refuse", "5S")).await.expect("infallible");
    assert_eq!(
        refused_with(&after),
        Some((Code::FailedPrecondition, None)),
        "the stream gave its place back"
    );
}

#[tokio::test]
async fn the_server_itself_keeps_the_callers_deadline() {
    let mut router = narrow();
    let late = router.call(raw_call("Check", "hang", "50m")).await.expect("infallible");
    assert_eq!(refused_with(&late), Some((Code::DeadlineExceeded, Some("DEADLINE".into()))));
    let after = router.call(raw_call("Check", "refuse", "5S")).await.expect("infallible");
    assert_eq!(
        refused_with(&after),
        Some((Code::FailedPrecondition, None)),
        "the late call gave its place back"
    );
    drop(after);
    let stream = router.call(raw_call("Watch", "", "50m")).await.expect("infallible");
    assert_eq!(refused_with(&stream), None, "streams outlive it");
}
