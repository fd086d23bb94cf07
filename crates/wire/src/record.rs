//! Recording how long calls take, from asking to the end of the answer.

use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::future::BoxFuture;
use http::{Request, Response};
use tonic::body::Body;
use tonic::{Code, TimeoutExpired};
use tower::Service;
use vision_rpc::Ending;

use crate::ending::follow;
use crate::{Channel, METHODS};

/// Takes note of a call that has ended: its full method name (of [`METHODS`], or `_OTHER`), its outcome, and
/// how long it took.
pub type Recorder = Arc<dyn Fn(&'static str, Code, Duration) + Send + Sync>;

/// A way to another service of this node, whose calls are noted and become spans. Cheap to clone.
pub type Connection = Recorded<Channel>;

/// A client's transport whose calls are noted. Cheap to clone.
#[derive(Clone)]
pub struct Recorded<S> {
    inner: S,
    recorder: Recorder,
}

impl<S> Recorded<S> {
    /// Calls through `inner` are reported to `recorder`.
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
        let mut ending = Ending::timed(move |code, took| recorder(method, code, took));
        let answering = self.inner.call(request);
        Box::pin(async move {
            match answering.await {
                Ok(response) => Ok(follow(ending, response)),
                Err(error) => {
                    ending.end(code_of(&error));
                    Err(error)
                }
            }
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

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::convert::Infallible;
    use std::future::{Ready, ready};
    use std::pin::Pin;
    use std::sync::Mutex;

    use bytes::Bytes;
    use http::HeaderMap;
    use http_body::{Body as HttpBody, Frame};
    use tonic::Status;

    use super::*;

    /// Frames, and then silence.
    struct Frames(VecDeque<Frame<Bytes>>);

    impl HttpBody for Frames {
        type Data = Bytes;
        type Error = Status;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
            self.0.pop_front().map_or(Poll::Pending, |frame| Poll::Ready(Some(Ok(frame))))
        }
    }

    /// Answers with a head and a stream of one message, ended by a status or not at all.
    struct Server {
        head: Option<&'static str>,
        trailer: Option<&'static str>,
    }

    fn status_headers(status: Option<&'static str>) -> HeaderMap {
        status
            .map(|code| (http::HeaderName::from_static("grpc-status"), code.parse().expect("a value")))
            .into_iter()
            .collect()
    }

    impl Service<Request<Body>> for Server {
        type Response = Response<Body>;
        type Error = Infallible;
        type Future = Ready<Result<Response<Body>, Infallible>>;

        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
            Poll::Ready(Ok(()))
        }

        fn call(&mut self, _: Request<Body>) -> Self::Future {
            let mut frames = VecDeque::from([Frame::data(Bytes::from_static(b"message"))]);
            if self.trailer.is_some() {
                frames.push_back(Frame::trailers(status_headers(self.trailer)));
            }
            let mut response = Response::new(Body::new(Frames(frames)));
            *response.headers_mut() = status_headers(self.head);
            ready(Ok(response))
        }
    }

    #[tokio::test]
    async fn a_call_is_noted_once_with_the_status_it_ends_with() {
        const KNOWN: &str = "vision.chain.v1.ChainService/WatchHead";
        let cases = [
            ("status in the head", KNOWN, Some("5"), None, (KNOWN, Code::NotFound)),
            ("status in the trailers", KNOWN, None, Some("0"), (KNOWN, Code::Ok)),
            ("failure in the trailers", KNOWN, None, Some("14"), (KNOWN, Code::Unavailable)),
            ("given up", KNOWN, None, None, (KNOWN, Code::Cancelled)),
            ("another method", "a.B/C", None, Some("0"), ("_OTHER", Code::Ok)),
        ];
        for (desc, method, head, trailer, expect) in cases {
            let noted = Arc::new(Mutex::new(Vec::new()));
            let notes = Arc::clone(&noted);
            let recorder: Recorder = Arc::new(move |method, code, _| {
                notes.lock().expect("nobody panicked").push((method, code));
            });
            let mut client = Recorded::new(Server { head, trailer }, recorder);
            let request =
                Request::builder().uri(format!("http://x/{method}")).body(Body::empty()).expect("a request");
            let mut body = client.call(request).await.expect("infallible").into_body();
            for _ in 0..2 {
                // Two frames at most, and whether there are so many does not matter here.
                let _ = futures::poll!(std::future::poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)));
            }
            drop(body);
            assert_eq!(*noted.lock().expect("nobody panicked"), [expect], "{desc}");
        }
    }
}
