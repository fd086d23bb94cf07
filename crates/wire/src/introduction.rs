//! The first messages of a conversation between nodes: small, whatever comes later. A message is measured
//! when its length is known, before any of it is kept.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures::TryFutureExt;
use futures::future::MapOk;
use http::{Request, Response};
use http_body::{Body as HttpBody, Frame, SizeHint};
use tonic::Status;
use tonic::body::Body;
use tonic::server::NamedService;
use tower::Service;

use crate::{MAX_INTRODUCTION_BYTES, Reason, status};

/// Messages of each side before it is known who it is: `Hello` and `HelloProof`.
const MESSAGES: u32 = 2;
/// What precedes a message: whether it is compressed, and its length.
const PREFIX_BYTES: usize = 5;
/// The method whose messages begin so.
const METHOD: &str = "/vision.p2p.v1.PeerService/Exchange";

/// A server whose callers introduce themselves in messages of at most [`MAX_INTRODUCTION_BYTES`].
#[derive(Clone, Debug)]
pub struct IntroducedCalls<S>(S);

impl<S> IntroducedCalls<S> {
    /// Bounds the first messages of an `Exchange`; other calls are left alone.
    pub const fn new(service: S) -> Self {
        Self(service)
    }
}

impl<S: NamedService> NamedService for IntroducedCalls<S> {
    const NAME: &'static str = S::NAME;
}

impl<S, B> Service<Request<B>> for IntroducedCalls<S>
where
    S: Service<Request<Body>>,
    B: HttpBody<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> S::Future {
        let bounds = request.uri().path() == METHOD;
        let request = request.map(Body::new);
        self.0.call(if bounds { request.map(bounded) } else { request })
    }
}

/// A client of whom the other side introduces itself in messages of at most [`MAX_INTRODUCTION_BYTES`], in
/// every call.
#[derive(Clone)]
pub struct IntroducedAnswers<S>(S);

impl<S> IntroducedAnswers<S> {
    /// Bounds the first messages of every answer.
    pub const fn new(transport: S) -> Self {
        Self(transport)
    }
}

impl<S> Service<Request<Body>> for IntroducedAnswers<S>
where
    S: Service<Request<Body>, Response = Response<Body>>,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = MapOk<S::Future, fn(Response<Body>) -> Response<Body>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        self.0.call(request).map_ok(|answer| answer.map(bounded))
    }
}

fn bounded(inner: Body) -> Body {
    Body::new(Introduction { inner, measure: Measure::default() })
}

/// A body that ends with an error where one of its first messages is too large.
struct Introduction {
    inner: Body,
    measure: Measure,
}

impl HttpBody for Introduction {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let frame = ready!(Pin::new(&mut self.inner).poll_frame(cx));
        let data = frame.as_ref().and_then(|frame| frame.as_ref().ok()?.data_ref());
        if let Some(Err(bytes)) = data.map(|data| self.measure.pass(data)) {
            let why = format!(
                "a message of {bytes} bytes before the handshake is complete: at most \
                 {MAX_INTRODUCTION_BYTES} are accepted"
            );
            return Poll::Ready(Some(Err(status(Reason::MessageTooLarge, why, &[]))));
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

/// Follows the lengths of the first messages.
#[derive(Default)]
struct Measure {
    /// Messages that have passed, up to [`MESSAGES`].
    passed: u32,
    prefix: Vec<u8>,
    /// Bytes of the message under way that are still to come, once its length is known.
    to_come: Option<usize>,
}

impl Measure {
    /// Takes the next bytes; the length of a message that is too large is an error.
    fn pass(&mut self, mut bytes: &[u8]) -> Result<(), u32> {
        while self.passed < MESSAGES && !bytes.is_empty() {
            let to_come = match self.to_come {
                Some(to_come) => to_come,
                None => {
                    let missing = PREFIX_BYTES.saturating_sub(self.prefix.len()).min(bytes.len());
                    self.prefix.extend(bytes.split_off(..missing).unwrap_or_default());
                    let Some((_, length)) = self.prefix.split_first_chunk::<1>() else { continue };
                    let Some(length) = length.first_chunk::<4>() else { continue };
                    let length = u32::from_be_bytes(*length);
                    let known = usize::try_from(length).unwrap_or(usize::MAX);
                    if known > MAX_INTRODUCTION_BYTES {
                        return Err(length);
                    }
                    self.prefix.clear();
                    known
                }
            };
            let here = to_come.min(bytes.len());
            bytes = bytes.get(here..).unwrap_or_default();
            self.to_come = Some(to_come - here).filter(|left| *left > 0);
            self.passed += u32::from(self.to_come.is_none());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use prost::Message as _;
    use vision_primitives::MAX_CHAIN_ID_BYTES;

    use super::*;
    use crate::MAX_HELLO_TEXT_BYTES;
    use crate::p2p::peer_message::Kind;
    use crate::p2p::{ExchangeRequest, Hello, PeerMessage};

    fn message(bytes: usize) -> Vec<u8> {
        let length = u32::try_from(bytes).expect("short").to_be_bytes();
        [&[0], &length[..], &vec![7; bytes]].concat()
    }

    #[test]
    fn the_first_two_messages_are_small_and_none_after_them_is_measured() {
        let most = MAX_INTRODUCTION_BYTES;
        let cases: [(&str, &[usize], Result<(), u32>); 8] = [
            ("as large as may be, and a block", &[most, most, 100_000], Ok(())),
            ("the first too large", &[most + 1], Err(most as u32 + 1)),
            ("the second too large", &[64, 100_000], Err(100_000)),
            ("empty ones count", &[0, 0, 100_000], Ok(())),
            ("an empty one, then too large", &[0, 100_000], Err(100_000)),
            ("one", &[64], Ok(())),
            ("nothing", &[], Ok(())),
            ("several large ones later", &[64, 64, 100_000, 100_000], Ok(())),
        ];
        for (desc, sizes, expect) in cases {
            let bytes = sizes.iter().flat_map(|size| message(*size)).collect::<Vec<_>>();
            for chunk in [1, 3, 5, 6, 1000, usize::MAX] {
                let mut measure = Measure::default();
                let passed = bytes.chunks(chunk).try_for_each(|bytes| measure.pass(bytes));
                assert_eq!(passed, expect, "{desc}, {chunk} bytes at a time");
            }
        }
    }

    #[test]
    fn a_message_is_refused_as_soon_as_its_length_is_known() {
        let mut measure = Measure::default();
        assert_eq!(measure.pass(&[0, 0, 1, 0]), Ok(()));
        assert_eq!(measure.pass(&[0]), Err(65_536));
    }

    #[test]
    fn the_longest_hello_is_small_enough() {
        let hello = Hello {
            protocol_version: u32::MAX,
            chain_id: "c".repeat(MAX_CHAIN_ID_BYTES),
            genesis_hash: vec![1; 32].into(),
            node_key: vec![1; 32].into(),
            peer_key: vec![1; 32].into(),
            peer_key_signature: vec![1; 64].into(),
            challenge: vec![1; 32].into(),
            listen_address: "a".repeat(MAX_HELLO_TEXT_BYTES),
            version: "v".repeat(MAX_HELLO_TEXT_BYTES),
        };
        let said = ExchangeRequest { message: Some(PeerMessage { kind: Some(Kind::Hello(hello)) }) };
        let (bytes, most) = (said.encoded_len(), MAX_INTRODUCTION_BYTES);
        assert!(bytes <= most && bytes * 3 > most, "{bytes} of {most}");
    }
}
