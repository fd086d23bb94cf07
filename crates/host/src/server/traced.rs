//! Calls that become spans: those of a port whose callers are trusted, if they bear a trace context. The
//! others belong to nothing that anybody follows.

use std::convert::Infallible;
use std::task::{Context, Poll};

use axum::extract::Request;
use axum::response::Response;
use futures::future::{BoxFuture, Either};
use tonic::Code;
use tower::Service;
use tracing::field::Empty;
use tracing::{Instrument as _, Span};
use vision_rpc::{Ending, code_name};

use super::ending;
use crate::telemetry::{self, KEPT_HEADER, names};

/// A gRPC service whose calls become spans of this service, if it has a name.
#[derive(Clone)]
pub(super) struct Traced<S> {
    inner: S,
    service: Option<&'static str>,
}

impl<S> Traced<S> {
    pub(super) const fn new(inner: S, service: Option<&'static str>) -> Self {
        Self { inner, service }
    }
}

impl<S> Service<Request> for Traced<S>
where
    S: Service<Request, Response = Response, Error = Infallible>,
    S::Future: Send + 'static,
{
    type Response = Response;
    type Error = Infallible;
    type Future = Either<S::Future, BoxFuture<'static, Result<Response, Infallible>>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let Some(service) = self.service.filter(|_| telemetry::is_on()) else {
            return Either::Left(self.inner.call(request));
        };
        let span = server_span(&request, service);
        let answering = span.in_scope(|| self.inner.call(request));
        Either::Right(Box::pin(async move {
            let mut response = answering.instrument(span.clone()).await?;
            telemetry::inject_kept(response.headers_mut());
            if span.is_disabled() {
                return Ok(response);
            }
            Ok(ending::follow(Ending::new(move |code| end(&span, code)), response))
        }))
    }
}

/// The span of a call; none if its caller sends no trace.
fn server_span(request: &Request, service: &'static str) -> Span {
    let headers = request.headers();
    if !headers.contains_key("traceparent") && !headers.contains_key(KEPT_HEADER) {
        return Span::none();
    }
    let method = request.uri().path().trim_start_matches('/');
    let span = || {
        tracing::info_span!(
            parent: None,
            "rpc.server",
            otel.name = method,
            otel.kind = "server",
            { names::RPC_SYSTEM_NAME } = names::GRPC,
            { names::RPC_METHOD } = method,
            { names::RPC_RESPONSE_STATUS_CODE } = Empty,
        )
    };
    telemetry::below(span, service, &telemetry::extract(headers)).unwrap_or_else(Span::none)
}

/// Codes that say that the server is at fault, by the conventions.
const fn is_fault(code: Code) -> bool {
    matches!(
        code,
        Code::Unknown
            | Code::DeadlineExceeded
            | Code::Unimplemented
            | Code::Internal
            | Code::Unavailable
            | Code::DataLoss
    )
}

fn end(span: &Span, code: Code) {
    // The end of a span is when it was last left.
    let _inside = span.enter();
    let name = code_name(code);
    span.record(names::RPC_RESPONSE_STATUS_CODE, name);
    if is_fault(code) {
        telemetry::fail(span, name);
    }
}
