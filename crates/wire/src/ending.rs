//! How calls end that this process makes: in the head of the answer, in the trailers of a stream, or by being given up.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::{HeaderMap, Response};
use http_body::{Body as HttpBody, Frame, SizeHint};
use tonic::body::Body;
use tonic::{Code, Status};

/// Something to be told, once, how a call has ended. Dropped before that, it is told that whoever asked has given it up: CANCELLED.
pub(crate) struct Ending(Option<Box<dyn FnOnce(Code) + Send>>);

impl Ending {
    pub(crate) fn new(tell: impl FnOnce(Code) + Send + 'static) -> Self {
        Self(Some(Box::new(tell)))
    }

    /// Tells it now if the head of the answer has the status, else when its body ends.
    pub(crate) fn follow(mut self, response: Response<Body>) -> Response<Body> {
        if self.end_if_told(response.headers()) {
            return response;
        }
        response.map(|inner| Body::new(EndingBody { inner, ending: self }))
    }

    pub(crate) fn end(&mut self, code: Code) {
        if let Some(tell) = self.0.take() {
            tell(code);
        }
    }

    fn end_if_told(&mut self, headers: &HeaderMap) -> bool {
        let told = headers.get(Status::GRPC_STATUS);
        if let Some(code) = told {
            self.end(Code::from_bytes(code.as_bytes()));
        }
        told.is_some()
    }
}

impl Drop for Ending {
    fn drop(&mut self) {
        self.end(Code::Cancelled);
    }
}

struct EndingBody {
    inner: Body,
    ending: Ending,
}

impl HttpBody for EndingBody {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let frame = ready!(Pin::new(&mut self.inner).poll_frame(cx));
        match &frame {
            Some(Ok(frame)) => {
                if let Some(trailers) = frame.trailers_ref() {
                    self.ending.end_if_told(trailers);
                }
            }
            Some(Err(status)) => self.ending.end(status.code()),
            None => self.ending.end(Code::Unknown),
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
