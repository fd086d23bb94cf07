//! The way to another service of this node: a connection whose calls become spans of the trace they are made
//! in.

use std::task::{Context, Poll};

use futures::future::{BoxFuture, Either};
use http::{Request, Response};
use opentelemetry_http::{HeaderExtractor, HeaderInjector};
use opentelemetry_semantic_conventions::attribute::{
    ERROR_TYPE, RPC_METHOD, RPC_RESPONSE_STATUS_CODE, RPC_SYSTEM_NAME,
};
use tonic::Code;
use tonic::body::Body;
use tonic::transport::channel::ResponseFuture;
use tonic::transport::{self, Error};
use tower::Service;
use tracing::field::Empty;
use tracing::{Instrument as _, Span};
use tracing_opentelemetry::OpenTelemetrySpanExt as _;
use vision_rpc::{Ending, code_name};

use crate::ending::follow;

/// A connection to a service of this node. Cheap to clone. A call that is made in a span becomes a span below
/// it, and tells the other side so; a call that is not, such as a watch, becomes none.
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
            let mut ending = Ending::new({
                let span = span.clone();
                move |code| end(&span, code)
            });
            let response = match answering.instrument(span.clone()).await {
                Ok(response) => response,
                Err(error) => {
                    ending.end(Code::Unavailable);
                    return Err(error);
                }
            };
            // The answer says which traces are kept, which takes effect by being read.
            opentelemetry::global::get_text_map_propagator(|propagator| {
                let around = opentelemetry::Context::new();
                propagator.extract_with_context(&around, &HeaderExtractor(response.headers()));
            });
            Ok(if span.is_disabled() { response } else { follow(ending, response) })
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
