//! One service of which few methods take large messages.

use std::task::{Context, Poll};

use tonic::server::NamedService;
use tower::Service;

/// A service twice, with different limits on what is read of a call.
#[derive(Clone, Debug)]
pub struct ByMethod<S> {
    small: S,
    large: S,
    takes_large: &'static [&'static str],
}

impl<S> ByMethod<S> {
    /// `large` gets the calls of the methods named, such as `SubmitBlock`; `small` all others.
    pub const fn new(small: S, large: S, takes_large: &'static [&'static str]) -> Self {
        Self { small, large, takes_large }
    }
}

impl<S: NamedService> NamedService for ByMethod<S> {
    const NAME: &'static str = S::NAME;
}

impl<S: Service<http::Request<B>>, B> Service<http::Request<B>> for ByMethod<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        match self.small.poll_ready(cx) {
            Poll::Ready(Ok(())) => self.large.poll_ready(cx),
            other => other,
        }
    }

    fn call(&mut self, request: http::Request<B>) -> S::Future {
        let method = request.uri().path().rsplit('/').next().unwrap_or_default();
        let service = if self.takes_large.contains(&method) { &mut self.large } else { &mut self.small };
        service.call(request)
    }
}
