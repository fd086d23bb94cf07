//! The body of a gRPC response: holds its place in the service's limit until sent, and is ended by
//! the server when it stops.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use tonic::Status;

use super::guard::Held;

pub(super) struct GuardedBody {
    inner: tonic::body::Body,
    ending: Pin<Box<WaitForCancellationFutureOwned>>,
    ended: bool,
    _held: Held,
}

impl GuardedBody {
    pub(super) fn wrap(inner: tonic::body::Body, ending: &CancellationToken, held: Held) -> axum::body::Body {
        let ending = Box::pin(ending.clone().cancelled_owned());
        axum::body::Body::new(Self { inner, ending, ended: false, _held: held })
    }
}

impl Body for GuardedBody {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        if self.ended {
            return Poll::Ready(None);
        }
        // What is ready is still sent: only a stream that waits is cut.
        if let Poll::Ready(frame) = Pin::new(&mut self.inner).poll_frame(cx) {
            return Poll::Ready(frame);
        }
        ready!(self.ending.as_mut().poll(cx));
        self.ended = true;
        let mut trailers = http::HeaderMap::new();
        let added = super::guard::refusal::shutting_down().add_header(&mut trailers);
        Poll::Ready(added.is_ok().then(|| Ok(Frame::trailers(trailers))))
    }

    fn is_end_stream(&self) -> bool {
        self.ended || self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
