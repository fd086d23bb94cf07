//! Durations of calls: until the status is in the head of the answer, or in the trailers of a stream.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use axum::extract::Request;
use axum::response::Response;
use bytes::Bytes;
use futures::future::BoxFuture;
use http::HeaderMap;
use hyper::body::{Body, Frame, SizeHint};
use tokio::time::Instant;
use tonic::{Code, Status};
use tower::{Layer, Service};

use crate::metrics::{OTHER, RpcDurations};

/// Puts [`Measured`] around a router.
#[derive(Clone)]
pub(super) struct Measure {
    durations: RpcDurations,
    /// Full names of the methods that are told apart, sorted.
    known: Arc<[&'static str]>,
}

impl Measure {
    pub(super) fn new(durations: RpcDurations, mut known: Vec<&'static str>) -> Self {
        known.sort_unstable();
        Self { durations, known: known.into() }
    }

    fn begin(&self, path: &str) -> Call {
        let name = path.strip_prefix('/').unwrap_or(path);
        // Whoever calls names the method: what is not known here must not become a label.
        let method = self.known.binary_search(&name).map_or(OTHER, |at| self.known[at]);
        Call { durations: self.durations.clone(), method, began: Instant::now(), ended: false }
    }
}

impl<S> Layer<S> for Measure {
    type Service = Measured<S>;

    fn layer(&self, inner: S) -> Measured<S> {
        Measured { inner, measure: self.clone() }
    }
}

/// A service whose calls are measured.
#[derive(Clone)]
pub(super) struct Measured<S> {
    inner: S,
    measure: Measure,
}

impl<S> Service<Request> for Measured<S>
where
    S: Service<Request, Response = Response, Error = Infallible>,
    S::Future: Send + 'static,
{
    type Response = Response;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response, Infallible>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let mut call = self.measure.begin(request.uri().path());
        let answering = self.inner.call(request);
        Box::pin(async move {
            let response = answering.await?;
            if call.end_if_told(response.headers()) {
                return Ok(response);
            }
            Ok(response.map(|inner| axum::body::Body::new(MeasuredBody { inner, call })))
        })
    }
}

/// A call in progress. If it is dropped before its end, its caller has gone.
struct Call {
    durations: RpcDurations,
    method: &'static str,
    began: Instant,
    ended: bool,
}

impl Call {
    fn end(&mut self, code: Code) {
        if !std::mem::replace(&mut self.ended, true) {
            self.durations.record(self.method, code, self.began.elapsed());
        }
    }

    /// Ends the call if these headers or trailers tell its status.
    fn end_if_told(&mut self, headers: &HeaderMap) -> bool {
        let told = headers.get(Status::GRPC_STATUS);
        if let Some(code) = told {
            self.end(Code::from_bytes(code.as_bytes()));
        }
        told.is_some()
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        self.end(Code::Cancelled);
    }
}

struct MeasuredBody {
    inner: axum::body::Body,
    call: Call,
}

impl Body for MeasuredBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = ready!(Pin::new(&mut self.inner).poll_frame(cx));
        match &frame {
            Some(Ok(frame)) => {
                if let Some(trailers) = frame.trailers_ref() {
                    self.call.end_if_told(trailers);
                }
            }
            Some(Err(_)) => self.call.end(Code::Internal),
            None => self.call.end(Code::Unknown),
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
