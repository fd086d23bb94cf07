//! How calls end: in the head of the answer, in the trailers of a stream, or by the caller going away.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use axum::body::Body as AxumBody;
use axum::response::Response;
use bytes::Bytes;
use http::HeaderMap;
use hyper::body::{Body, Frame, SizeHint};
use tonic::{Code, Status};

/// Something to be told, once, how a call has ended. Dropped before that, it is told that the caller has gone: CANCELLED.
pub(super) struct Ending(Option<Box<dyn FnOnce(Code) + Send>>);

impl Ending {
    pub(super) fn new(tell: impl FnOnce(Code) + Send + 'static) -> Self {
        Self(Some(Box::new(tell)))
    }

    /// Tells it now if the head of the answer has the status, else when its body ends.
    pub(super) fn follow(mut self, response: Response) -> Response {
        if self.end_if_told(response.headers()) {
            return response;
        }
        response.map(|inner| AxumBody::new(EndingBody { inner, ending: self }))
    }

    fn end(&mut self, code: Code) {
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
    inner: AxumBody,
    ending: Ending,
}

impl Body for EndingBody {
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
                    self.ending.end_if_told(trailers);
                }
            }
            Some(Err(_)) => self.ending.end(Code::Internal),
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
