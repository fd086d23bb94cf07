//! The way to another service of this node: a connection whose calls become spans of the trace they are made in.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures::future::{BoxFuture, Either};
use http::{HeaderMap, Request, Response};
use http_body::{Body as HttpBody, Frame};
use opentelemetry_http::{HeaderExtractor, HeaderInjector};
use opentelemetry_semantic_conventions::attribute::{
    ERROR_TYPE, RPC_METHOD, RPC_RESPONSE_STATUS_CODE, RPC_SYSTEM_NAME,
};
use tonic::body::Body;
use tonic::transport::channel::ResponseFuture;
use tonic::transport::{self, Error};
use tonic::{Code, Status};
use tower::Service;
use tracing::field::Empty;
use tracing::{Instrument as _, Span};
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

/// A connection to a service of this node. Cheap to clone. A call that is made in a span becomes a span below it, and tells
/// the other side so; a call that is not, such as a watch, becomes none.
#[derive(Clone, Debug)]
pub struct Channel(transport::Channel);

impl Channel {
    pub(crate) const fn new(plain: transport::Channel) -> Self {
        Self(plain)
    }

    /// The connection itself, whose calls become no spans.
    #[must_use]
    pub fn plain(&self) -> transport::Channel {
        self.0.clone()
    }
}

impl Service<Request<Body>> for Channel {
    type Response = Response<Body>;
    type Error = Error;
    type Future = Either<ResponseFuture, BoxFuture<'static, Result<Response<Body>, Error>>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Service::<Request<Body>>::poll_ready(&mut self.0, cx)
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        let propagates =
            opentelemetry::global::get_text_map_propagator(|propagator| propagator.fields().next().is_some());
        if !propagates {
            return Either::Left(self.0.call(request));
        }
        let span = match Span::current().is_disabled() {
            true => Span::none(),
            false => client_span(request.uri().path().trim_start_matches('/')),
        };
        opentelemetry::global::get_text_map_propagator(|propagator| {
            propagator.inject_context(&span.context(), &mut HeaderInjector(request.headers_mut()));
        });
        let answering = self.0.call(request);
        Either::Right(Box::pin(async move {
            let response = match answering.instrument(span.clone()).await {
                Ok(response) => response,
                Err(error) => {
                    end(&span, Code::Unavailable);
                    return Err(error);
                }
            };
            // The answer says which traces are kept, which takes effect by being read.
            opentelemetry::global::get_text_map_propagator(|propagator| {
                let around = opentelemetry::Context::new();
                propagator.extract_with_context(&around, &HeaderExtractor(response.headers()));
            });
            if let Some(code) = code_of(response.headers()) {
                end(&span, code);
                return Ok(response);
            }
            if span.is_disabled() {
                return Ok(response);
            }
            Ok(response.map(|body| Body::new(TracedBody { inner: body, span: Some(span) })))
        }))
    }
}

fn client_span(method: &str) -> Span {
    tracing::info_span!(
        "rpc.client",
        otel.name = method,
        otel.kind = "client",
        { RPC_SYSTEM_NAME } = "grpc",
        { RPC_METHOD } = method,
        { RPC_RESPONSE_STATUS_CODE } = Empty,
        { ERROR_TYPE } = Empty,
        otel.status_code = Empty,
    )
}

fn code_of(headers: &HeaderMap) -> Option<Code> {
    headers.get(Status::GRPC_STATUS).map(|value| Code::from_bytes(value.as_bytes()))
}

fn end(span: &Span, code: Code) {
    // The end of a span is when it was last left.
    let _inside = span.enter();
    let name = code_name(code);
    span.record(RPC_RESPONSE_STATUS_CODE, name);
    // To a client everything else is a failure.
    if code != Code::Ok {
        span.record(ERROR_TYPE, name);
        span.record("otel.status_code", "error");
    }
}

/// A code as the conventions write it.
const fn code_name(code: Code) -> &'static str {
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
    inner: Body,
    span: Option<Span>,
}

impl HttpBody for TracedBody {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let frame = ready!(Pin::new(&mut self.inner).poll_frame(cx));
        let code = match &frame {
            Some(Ok(frame)) => frame.trailers_ref().and_then(code_of),
            Some(Err(status)) => Some(status.code()),
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
}

impl Drop for TracedBody {
    fn drop(&mut self) {
        // It was given up before the end.
        if let Some(span) = self.span.take() {
            end(&span, Code::Cancelled);
        }
    }
}
