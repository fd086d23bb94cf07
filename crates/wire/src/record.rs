//! Telling how long calls take, from asking to the end of the answer.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use http::{HeaderMap, Request, Response};
use tokio::time::Instant;
use tonic::body::Body;
use tonic::codegen::{Body as HttpBody, Service};
use tonic::transport::Channel;
use tonic::{Code, Status, TimeoutExpired};

use crate::METHODS;

/// Takes note of a call that has ended: its full method name (of [`METHODS`], or `_OTHER`), its outcome, and how long it took.
pub type Recorder = Arc<dyn Fn(&'static str, Code, Duration) + Send + Sync>;

/// A way to another service whose calls are noted. Cheap to clone.
pub type Connection = Recorded<Channel>;

/// A client's transport whose calls are noted. Cheap to clone.
#[derive(Clone)]
pub struct Recorded<S> {
    inner: S,
    recorder: Recorder,
}

impl<S> Recorded<S> {
    /// Calls through `inner` are told to `recorder`.
    pub const fn new(inner: S, recorder: Recorder) -> Self {
        Self { inner, recorder }
    }

    /// The transport itself, for calls that are not to be noted.
    pub const fn inner(&self) -> &S {
        &self.inner
    }
}

impl<S> Service<Request<Body>> for Recorded<S>
where
    S: Service<Request<Body>, Response = Response<Body>>,
    S::Error: std::error::Error + 'static,
    S::Future: Send + 'static,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = BoxFuture<'static, Result<Response<Body>, S::Error>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let path = request.uri().path();
        let name = path.strip_prefix('/').unwrap_or(path);
        let method = METHODS.binary_search(&name).map_or("_OTHER", |at| METHODS[at]);
        let recorder = Arc::clone(&self.recorder);
        let mut call = Call { recorder, method, began: Instant::now(), ended: false };
        let answering = self.inner.call(request);
        Box::pin(async move {
            let response = match answering.await {
                Ok(response) => response,
                Err(error) => {
                    call.end(code_of(&error));
                    return Err(error);
                }
            };
            if call.end_if_told(response.headers()) {
                return Ok(response);
            }
            Ok(response.map(|inner| Body::new(RecordedBody { inner, call })))
        })
    }
}

/// What an error of the transport means.
fn code_of(error: &(dyn std::error::Error + 'static)) -> Code {
    let mut cause = Some(error);
    while let Some(inner) = cause {
        if inner.is::<TimeoutExpired>() {
            return Code::DeadlineExceeded;
        }
        cause = inner.source();
    }
    Code::Unavailable
}

/// A call in progress. If it is dropped before its end, whoever asked has given it up.
struct Call {
    recorder: Recorder,
    method: &'static str,
    began: Instant,
    ended: bool,
}

impl Call {
    fn end(&mut self, code: Code) {
        if !std::mem::replace(&mut self.ended, true) {
            (self.recorder)(self.method, code, self.began.elapsed());
        }
    }

    /// Ends the call if these headers or trailers tell its status.
    fn end_if_told(&mut self, headers: &HeaderMap) -> bool {
        let told = headers.get("grpc-status");
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

struct RecordedBody {
    inner: Body,
    call: Call,
}

impl HttpBody for RecordedBody {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Bytes>, Status>>> {
        let frame = ready!(Pin::new(&mut self.inner).poll_frame(cx));
        match &frame {
            Some(Ok(frame)) => {
                if let Some(trailers) = frame.trailers_ref() {
                    self.call.end_if_told(trailers);
                }
            }
            Some(Err(status)) => self.call.end(status.code()),
            None => self.call.end(Code::Unknown),
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> http_body::SizeHint {
        self.inner.size_hint()
    }
}
