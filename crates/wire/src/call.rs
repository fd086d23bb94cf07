//! Calling another service: channels, deadlines, and what a failed call means.

use std::time::Duration;

use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Response, Status};
use vision_rpc::Net;
pub use vision_rpc::deadline::CALL_DEADLINE;
use vision_rpc::deadline::within;

use crate::record::Recorded;
use crate::{Connection, Reason, Recorder, reason_of, status};

/// Largest message of any service: the largest block that consensus parameters allow, with room for its
/// envelope.
pub const MAX_MESSAGE_BYTES: usize = 36 << 20;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// A silent connection is asked for a sign of life after this, and given up after this once more.
const KEEPALIVE: Duration = Duration::from_secs(2);
/// What tonic's client says when a deadline passes.
const TIMED_OUT: &str = "Timeout expired";
/// Flow-control windows: large enough that a whole block of usual size needs no round trip.
const STREAM_WINDOW_BYTES: u32 = 2 << 20;
const CONNECTION_WINDOW_BYTES: u32 = 8 << 20;
/// The same where many streams are read, each as slowly as it likes: together they never fill the
/// connection's.
const SLOW_STREAM_WINDOW_BYTES: u32 = 64 << 10;
const SLOW_CONNECTION_WINDOW_BYTES: u32 = SLOW_STREAM_WINDOW_BYTES * MAX_SLOW_STREAMS;
/// Streams at once on such a connection.
const MAX_SLOW_STREAMS: u32 = 256;

/// A URL that no channel can be made for.
#[derive(Debug, thiserror::Error)]
#[error("{url:?} is not the URL of a service, such as http://127.0.0.1:50051: {why}")]
pub struct ChannelError {
    /// The URL given.
    pub url: String,
    /// What is wrong with it.
    pub why: String,
}

/// A channel over the machine's network that connects when first used, notices a dead connection within about
/// 4 s, and resolves the name again at every reconnect.
///
/// # Errors
/// [`ChannelError`] for anything but `http://host:port`.
pub fn connect_lazy(url: &str) -> Result<Channel, ChannelError> {
    Ok(endpoint(url)?.connect_lazy())
}

fn endpoint(url: &str) -> Result<Endpoint, ChannelError> {
    let refuse = |why: &str| ChannelError { url: url.to_owned(), why: why.to_owned() };
    let uri: http::Uri = url.parse().map_err(|error: http::uri::InvalidUri| refuse(&error.to_string()))?;
    if uri.scheme_str() != Some("http") {
        return Err(refuse("the scheme must be http"));
    }
    if uri.port_u16().is_none() {
        return Err(refuse("the port is missing"));
    }
    if !matches!(uri.path(), "" | "/") || uri.query().is_some() {
        return Err(refuse("a path is not allowed"));
    }
    let endpoint = Endpoint::from_shared(url.to_owned()).map_err(|error| refuse(&error.to_string()))?;
    Ok(endpoint
        .connect_timeout(CONNECT_TIMEOUT)
        .http2_keep_alive_interval(KEEPALIVE)
        .keep_alive_timeout(KEEPALIVE)
        .keep_alive_while_idle(true)
        .tcp_nodelay(true)
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES))
}

/// [`connect`] for up to 256 watches at once, of which one that is not read does not hold up the others.
///
/// # Errors
/// [`ChannelError`] for anything but `http://host:port`.
pub fn connect_for_streams(url: &str, recorder: &Recorder, net: &Net) -> Result<Connection, ChannelError> {
    let endpoint = endpoint(url)?
        .initial_stream_window_size(SLOW_STREAM_WINDOW_BYTES)
        .initial_connection_window_size(SLOW_CONNECTION_WINDOW_BYTES);
    Ok(Connection::new(crate::Channel::new(net.channel(&endpoint)), Recorder::clone(recorder)))
}

/// [`connect_lazy`] over this network to a service of this node, with every call noted by `recorder` and a
/// span of the trace it is made in.
///
/// # Errors
/// [`ChannelError`] for anything but `http://host:port`.
pub fn connect(url: &str, recorder: &Recorder, net: &Net) -> Result<Connection, ChannelError> {
    let channel = crate::Channel::new(net.channel(&endpoint(url)?));
    Ok(Connection::new(channel, Recorder::clone(recorder)))
}

/// [`connect_lazy`] over this network to another node, with every call noted by `recorder`. The other side
/// gets nothing about traces, and nothing it says of them is trusted.
///
/// # Errors
/// [`ChannelError`] for anything but `http://host:port`.
pub fn connect_to_stranger(
    url: &str,
    recorder: &Recorder,
    net: &Net,
) -> Result<Recorded<Channel>, ChannelError> {
    Ok(Recorded::new(net.channel(&endpoint(url)?), Recorder::clone(recorder)))
}

/// A request that must be answered within [`CALL_DEADLINE`]; the server is sent the limit.
#[must_use]
pub fn deadline<T>(message: T) -> Request<T> {
    within(CALL_DEADLINE, message)
}

/// Awaits a call and settles its failure: see [`settle`].
///
/// # Errors
/// The settled status.
pub async fn call<T>(
    service: &str,
    answer: impl Future<Output = Result<Response<T>, Status>>,
) -> Result<T, Status> {
    match tokio::time::timeout(CALL_DEADLINE * 2, answer).await {
        Ok(Ok(response)) => Ok(response.into_inner()),
        Ok(Err(error)) => Err(settle(service, error)),
        Err(_) => Err(late(service)),
    }
}

fn late(service: &str) -> Status {
    let message = format!("{service} did not answer within its deadline");
    status(Reason::Deadline, message, &[("service", service.to_owned())])
}

/// Gives a failure of the transport the reason it lacks: a broken or refused connection becomes
/// `DEPENDENCY_UNAVAILABLE`, an expired deadline (which tonic calls cancelled) `DEADLINE`, both
/// naming the service. A status that bears a reason is left alone.
#[must_use]
pub fn settle(service: &str, error: Status) -> Status {
    if reason_of(&error).is_some() {
        return error;
    }
    let from_transport = std::error::Error::source(&error).is_some();
    match error.code() {
        Code::DeadlineExceeded => late(service),
        Code::Cancelled if error.message() == TIMED_OUT => late(service),
        Code::Unavailable => unavailable(service, &error),
        Code::Cancelled | Code::Unknown | Code::Internal if from_transport => unavailable(service, &error),
        _ => error,
    }
}

fn unavailable(service: &str, error: &Status) -> Status {
    let mut message = format!("{service} is unavailable: {}", error.message());
    let mut cause = std::error::Error::source(error);
    // The innermost cause says what happened ("Connection refused"); those around it repeat one another.
    while let Some(inner) = cause {
        cause = inner.source();
        if cause.is_none() {
            message = format!("{service} is unavailable: {inner}");
        }
    }
    status(Reason::DependencyUnavailable, message, &[("service", service.to_owned())])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chain::GetHeadRequest;
    use crate::chain::chain_service_client::ChainServiceClient;
    use crate::metadata_of;

    #[tokio::test]
    async fn urls_are_checked_before_use() {
        for good in ["http://127.0.0.1:50051", "http://chain:1/", "http://[::1]:50051"] {
            assert!(connect_lazy(good).is_ok(), "{good}");
        }
        for bad in
            ["", "chain:50051", "https://chain:50051", "http://chain", "http://chain:50051/x", "http:// :1"]
        {
            assert!(connect_lazy(bad).is_err(), "{bad}");
        }
    }

    #[tokio::test]
    async fn a_dead_neighbour_is_named() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("bound");
        drop(listener);
        let noted = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
        let notes = std::sync::Arc::clone(&noted);
        let recorder: Recorder = std::sync::Arc::new(move |method, code, _| {
            notes.lock().expect("nobody panicked").push((method, code));
        });
        let channel = connect(&format!("http://{address}"), &recorder, &Net::machine()).expect("a URL");
        let mut client = ChainServiceClient::new(channel);
        let error = call("chain", client.get_head(deadline(GetHeadRequest {}))).await.expect_err("nobody");
        let expect = ("vision.chain.v1.ChainService/GetHead", Code::Unavailable);
        assert_eq!(*noted.lock().expect("nobody panicked"), [expect]);
        assert_eq!(error.code(), Code::Unavailable);
        assert_eq!(reason_of(&error).as_deref(), Some("DEPENDENCY_UNAVAILABLE"));
        assert_eq!(metadata_of(&error, "service").as_deref(), Some("chain"));
        assert!(error.message().contains("Connection refused"), "{}", error.message());
    }

    #[test]
    fn settling() {
        let reasoned = status(Reason::NotReady, "no head yet", &[]);
        assert_eq!(reason_of(&settle("chain", reasoned)).as_deref(), Some("NOT_READY"));
        let cases = [
            (Status::cancelled("Timeout expired"), Some("DEADLINE")),
            (Status::cancelled("by the caller"), None),
            (Status::deadline_exceeded("x"), Some("DEADLINE")),
            (Status::unavailable("x"), Some("DEPENDENCY_UNAVAILABLE")),
            (Status::not_found("x"), None),
            (Status::unknown("x"), None),
        ];
        for (error, expect) in cases {
            let desc = format!("{error:?}");
            assert_eq!(reason_of(&settle("chain", error)).as_deref(), expect, "{desc}");
        }
    }

    #[tokio::test]
    async fn a_neighbour_that_never_answers_is_late() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("bound");
        // It accepts, by the kernel, and says nothing.
        let channel = connect_lazy(&format!("http://{address}")).expect("a URL");
        let mut client = ChainServiceClient::new(channel);
        let request = within(Duration::from_millis(50), GetHeadRequest {});
        let error = call("chain", client.get_head(request)).await.expect_err("silence");
        assert_eq!(error.code(), Code::DeadlineExceeded, "{error:?}");
        assert_eq!(metadata_of(&error, "service").as_deref(), Some("chain"));
    }

    #[test]
    fn requests_carry_their_deadline() {
        let request = deadline(GetHeadRequest {});
        assert_eq!(request.metadata().get("grpc-timeout").and_then(|v| v.to_str().ok()), Some("5000000u"));
    }
}
