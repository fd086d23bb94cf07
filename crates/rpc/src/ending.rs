//! How calls end: in the head of the answer, in the trailers of a stream, or by the caller going away.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Response};
use http_body::{Body, Frame, SizeHint};
use tokio::time::Instant;
use tonic::{Code, Status};

/// Something that learns, once, how a call has ended. Dropped before that, it learns that the caller has
/// given it up: CANCELLED.
pub struct Ending(Option<Box<dyn FnOnce(Code) + Send>>);

impl Ending {
    /// Reports to `report`.
    pub fn new(report: impl FnOnce(Code) + Send + 'static) -> Self {
        Self(Some(Box::new(report)))
    }

    /// Reports to `report`, and how long the call has taken from now on.
    #[expect(clippy::disallowed_methods, reason = "it measures, and nothing is decided by it")]
    pub fn timed(report: impl FnOnce(Code, Duration) + Send + 'static) -> Self {
        let began = Instant::now();
        Self::new(move |code| report(code, began.elapsed()))
    }

    /// Reports it now if the head of the answer has the status, else when its body ends. `code_of` says what
    /// a broken body means, `wrap` makes a body of the answer's kind.
    pub fn follow<B: Body<Data = Bytes>>(
        mut self,
        response: Response<B>,
        code_of: fn(&B::Error) -> Code,
        wrap: impl FnOnce(EndingBody<B>) -> B,
    ) -> Response<B> {
        if self.end_if_reported(response.headers()) {
            return response;
        }
        response.map(|inner| wrap(EndingBody { inner, ending: self, code_of }))
    }

    /// Reports it now, unless it was reported.
    pub fn end(&mut self, code: Code) {
        if let Some(report) = self.0.take() {
            report(code);
        }
    }

    fn end_if_reported(&mut self, headers: &HeaderMap) -> bool {
        let reported = headers.get(Status::GRPC_STATUS);
        if let Some(code) = reported {
            self.end(Code::from_bytes(code.as_bytes()));
        }
        reported.is_some()
    }
}

impl Drop for Ending {
    fn drop(&mut self) {
        self.end(Code::Cancelled);
    }
}

/// The body of an answer whose end is reported.
pub struct EndingBody<B: Body> {
    inner: B,
    ending: Ending,
    code_of: fn(&B::Error) -> Code,
}

impl<B: Body<Data = Bytes> + Unpin> Body for EndingBody<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let frame = ready!(Pin::new(&mut self.inner).poll_frame(cx));
        match &frame {
            Some(Ok(frame)) => {
                if let Some(trailers) = frame.trailers_ref() {
                    self.ending.end_if_reported(trailers);
                }
            }
            Some(Err(error)) => {
                let code = (self.code_of)(error);
                self.ending.end(code);
            }
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

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::sync::{Arc, Mutex};
    use std::task::Waker;

    use super::*;

    /// What a body does next; silent when there is nothing more.
    enum Step {
        Data,
        Trailers(Option<&'static str>),
        Breaks,
        Ends,
    }

    struct Script(VecDeque<Step>);

    fn head(status: Option<&'static str>) -> HeaderMap {
        status
            .map(|code| (http::HeaderName::from_static("grpc-status"), code.parse().expect("a value")))
            .into_iter()
            .collect()
    }

    impl Body for Script {
        type Data = Bytes;
        type Error = &'static str;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, &'static str>>> {
            match self.0.pop_front() {
                None => Poll::Pending,
                Some(Step::Data) => Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(b"message"))))),
                Some(Step::Trailers(status)) => Poll::Ready(Some(Ok(Frame::trailers(head(status))))),
                Some(Step::Breaks) => Poll::Ready(Some(Err("broken"))),
                Some(Step::Ends) => Poll::Ready(None),
            }
        }
    }

    /// The codes reported until the body has nothing more, and all of them, once it is dropped.
    fn reported(in_head: Option<&'static str>, steps: Vec<Step>) -> (Vec<Code>, Vec<Code>) {
        let reported = Arc::new(Mutex::new(Vec::new()));
        let recorder = Arc::clone(&reported);
        let ending = Ending::new(move |code| recorder.lock().expect("nobody panicked").push(code));
        let mut response = Response::new(EndingOrNot::Plain(Script(steps.into())));
        *response.headers_mut() = head(in_head);
        let mut body = ending
            .follow(response, |_| Code::DataLoss, |body| EndingOrNot::Ending(Box::new(body)))
            .into_body();
        let mut cx = Context::from_waker(Waker::noop());
        while let Poll::Ready(Some(Ok(_))) = Pin::new(&mut body).poll_frame(&mut cx) {}
        let before = reported.lock().expect("nobody panicked").clone();
        drop(body);
        let after = reported.lock().expect("nobody panicked").clone();
        (before, after)
    }

    /// One type for both, as the bodies of tonic and axum are.
    enum EndingOrNot {
        Plain(Script),
        Ending(Box<EndingBody<EndingOrNot>>),
    }

    impl Body for EndingOrNot {
        type Data = Bytes;
        type Error = &'static str;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            cx: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, &'static str>>> {
            match &mut *self {
                Self::Plain(body) => Pin::new(body).poll_frame(cx),
                Self::Ending(body) => Pin::new(&mut **body).poll_frame(cx),
            }
        }
    }

    #[test]
    fn an_end_is_reported_once_whichever_way_it_comes() {
        use Step::{Breaks, Data, Ends, Trailers};
        type Case = (&'static str, Option<&'static str>, Vec<Step>, &'static [Code], &'static [Code]);
        let cases: Vec<Case> = vec![
            ("in the head", Some("5"), vec![Data, Ends], &[Code::NotFound], &[Code::NotFound]),
            ("in the trailers", None, vec![Data, Trailers(Some("0")), Ends], &[Code::Ok], &[Code::Ok]),
            ("a code that is none", None, vec![Trailers(Some("x"))], &[Code::Unknown], &[Code::Unknown]),
            ("without a status", None, vec![Trailers(None), Ends], &[Code::Unknown], &[Code::Unknown]),
            ("broken", None, vec![Data, Breaks], &[Code::DataLoss], &[Code::DataLoss]),
            ("given up", None, vec![Data], &[], &[Code::Cancelled]),
        ];
        for (desc, in_head, steps, before, after) in cases {
            assert_eq!(reported(in_head, steps), (before.to_vec(), after.to_vec()), "{desc}");
        }
    }
}
