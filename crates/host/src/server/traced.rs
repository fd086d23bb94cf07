//! Calls that become spans: those of a port whose callers are trusted, if they bear a trace context. The others belong to
//! nothing that anybody follows.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use axum::extract::Request;
use axum::response::Response;
use bytes::Bytes;
use futures::future::{BoxFuture, Either};
use http::HeaderMap;
use hyper::body::{Body, Frame, SizeHint};
use tonic::{Code, Status};
use tower::Service;
use tracing::field::Empty;
use tracing::{Instrument as _, Span};

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
            if let Some(code) = code_of(response.headers()) {
                end(&span, code);
                return Ok(response);
            }
            Ok(response.map(|body| axum::body::Body::new(TracedBody { inner: body, span: Some(span) })))
        }))
    }
}

/// The span of a call; none if its caller tells no trace.
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

fn code_of(headers: &HeaderMap) -> Option<Code> {
    headers.get(Status::GRPC_STATUS).map(|value| Code::from_bytes(value.as_bytes()))
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

/// A code as the conventions write it.
pub(super) const fn code_name(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELLED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
    }
}

/// A body whose trailers tell how the call has ended.
struct TracedBody {
    inner: axum::body::Body,
    span: Option<Span>,
}

impl Body for TracedBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = ready!(Pin::new(&mut self.inner).poll_frame(cx));
        let code = match &frame {
            Some(Ok(frame)) => frame.trailers_ref().and_then(code_of),
            Some(Err(_)) => Some(Code::Unknown),
            None => Some(Code::Ok),
        };
        if let Some((code, span)) = code.zip(self.span.as_ref()) {
            end(span, code);
            self.span = None;
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

impl Drop for TracedBody {
    fn drop(&mut self) {
        // The caller went away before the end.
        if let Some(span) = self.span.take() {
            end(&span, Code::Cancelled);
        }
    }
}
