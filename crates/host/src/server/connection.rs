//! One connection: HTTP/1 or HTTP/2, whichever the client speaks, with limits on what it may hold.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::extract::connect_info::ConnectInfo;
use hyper::Request;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::sync::CancellationToken;
use tonic::transport::server::TcpConnectInfo;

use super::Routers;
use super::guard::Shares;
use super::slow_reader::SlowReader;
use super::untaken::Untaken;
use crate::Clock;

const MAX_STREAMS_PER_CONNECTION: u32 = 256;
const MAX_HEADER_BYTES: u32 = 16 << 10;
const MAX_HTTP1_BUFFER_BYTES: usize = 64 << 10;
const MAX_PENDING_RESETS: usize = 64;
/// A silent HTTP/2 connection is asked for a sign of life after this, and dropped after this once more.
const KEEPALIVE: Duration = Duration::from_secs(10);
/// A client must have sent the head of an HTTP/1 request within this; idle connections end with it.
const HEADER_READ: Duration = Duration::from_secs(30);
/// The head of the first request must be there, whole, within this: a connection that asks nothing holds no
/// place for long.
const FIRST_REQUEST: Duration = Duration::from_secs(10);

/// What a client may send over HTTP/2 before it is read.
#[derive(Clone, Copy)]
pub(super) struct Windows {
    stream_bytes: u32,
    connection_bytes: u32,
}

impl Windows {
    /// For long messages over long distances.
    pub(super) const WIDE: Self = Self { stream_bytes: 2 << 20, connection_bytes: 8 << 20 };
    /// As much as of an HTTP/1 connection: thousands of them fit into a small memory.
    pub(super) const NARROW: Self =
        Self { stream_bytes: MAX_HTTP1_BUFFER_BYTES as u32, connection_bytes: MAX_HTTP1_BUFFER_BYTES as u32 };
}

pub(super) fn protocol(windows: Windows) -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_READ)
        .max_buf_size(MAX_HTTP1_BUFFER_BYTES);
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(KEEPALIVE)
        .keep_alive_timeout(KEEPALIVE)
        .max_concurrent_streams(MAX_STREAMS_PER_CONNECTION)
        .max_header_list_size(MAX_HEADER_BYTES)
        .max_pending_accept_reset_streams(MAX_PENDING_RESETS)
        .initial_stream_window_size(windows.stream_bytes)
        .initial_connection_window_size(windows.connection_bytes);
    builder
}

/// Serves until the client is done, asks nothing in time or does not take an answer, or, once the server is
/// `ending`, the requests in progress are. `place` is given back when the connection is gone, whatever
/// protocol it has become by then.
pub(super) async fn serve<S>(
    stream: S,
    place: impl Send + Unpin + 'static,
    info: TcpConnectInfo,
    routers: Routers,
    protocol: auto::Builder<TokioExecutor>,
    ending: CancellationToken,
    clock: Clock,
) where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let remote = info.remote_addr;
    let (asked, shares) = (Arc::new(AtomicBool::new(false)), Shares::new());
    let untaken = Untaken::new(clock);
    let service = hyper::service::service_fn({
        let (asked, untaken) = (Arc::clone(&asked), untaken.clone());
        move |mut request: Request<Incoming>| {
            asked.store(true, Ordering::Relaxed);
            request.extensions_mut().insert(info.clone());
            request.extensions_mut().insert(shares.clone());
            if let Some(remote) = remote {
                request.extensions_mut().insert(ConnectInfo(remote));
            }
            let answering = routers.clone().call(request);
            // Services of one node share connections, and one that reads slowly must not end the watches of
            // all.
            let untaken = routers.for_strangers.then(|| untaken.clone());
            async move {
                answering.await.map(|answer| match untaken {
                    Some(untaken) => untaken.watch(answer),
                    None => answer,
                })
            }
        }
    });
    let mut connection =
        pin!(protocol.serve_connection_with_upgrades(TokioIo::new(SlowReader::new(stream, place)), service));
    let silent = async {
        tokio::time::sleep(FIRST_REQUEST).await;
        if asked.load(Ordering::Relaxed) {
            std::future::pending::<()>().await;
        }
    };
    let result = tokio::select! {
        biased;
        // First, so that a request that is there when time is up counts. Each of the others comes once.
        result = connection.as_mut() => result,
        () = silent => Err("no request came in time".into()),
        () = untaken.overdue() => Err("an answer was not taken in time".into()),
        () = ending.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = result {
        tracing::debug!(?remote, error, "connection ended");
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "it measures on the clock that the tests pause")]
mod tests {
    use super::super::slow_reader::{MIN_BYTES, PATIENCE};
    use super::*;
    use axum::Router;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
    use tokio::time::Instant;

    const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    /// A frame of no settings.
    const SETTINGS: &[u8] = &[0, 0, 0, 4, 0, 0, 0, 0, 0];

    /// Length of a long answer.
    const LONG_BYTES: usize = 256 << 10;

    /// The client's end of a connection that is served.
    fn served() -> DuplexStream {
        let (client, server) = duplex(64 << 10);
        let info = TcpConnectInfo { local_addr: None, remote_addr: Some(([127, 0, 0, 1], 1).into()) };
        let routes = Router::new()
            .route("/", axum::routing::get(|| async { "hello" }))
            .route("/long", axum::routing::get(|| async { vec![0_u8; LONG_BYTES] }));
        let routers = Routers::plain(routes);
        let (protocol, ending) = (protocol(Windows::WIDE), CancellationToken::new());
        tokio::spawn(serve(server, (), info, routers, protocol, ending, Clock::system(0)));
        client
    }

    /// Reads until the other side ends it.
    async fn until_dropped(client: &mut DuplexStream) {
        let mut bytes = Vec::new();
        let end = client.read_to_end(&mut bytes);
        let _ = tokio::time::timeout(FIRST_REQUEST * 10, end).await.expect("dropped");
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_asks_nothing_is_dropped() {
        let preface_and_settings = [PREFACE, SETTINGS].concat();
        let cases: [(&str, &[u8]); 6] = [
            ("nothing", b""),
            ("a letter", b"P"),
            ("half a preface", b"PRI * HTTP/2.0\r\n"),
            ("a preface and no stream", PREFACE),
            ("settings and no stream", &preface_and_settings),
            ("half a head", b"GET / HTTP/1.1\r\nhost: x\r\n"),
        ];
        for (desc, said) in cases {
            let (mut client, start) = (served(), Instant::now());
            client.write_all(said).await.expect("room");
            until_dropped(&mut client).await;
            assert_eq!(start.elapsed().as_secs(), FIRST_REQUEST.as_secs(), "{desc}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_head_that_trickles_is_not_waited_for() {
        let (client, start) = (served(), Instant::now());
        let (mut read, mut write) = tokio::io::split(client);
        tokio::spawn(async move {
            let _ = write.write_all(b"GET / HTTP/1.1\r\nx: ").await;
            while write.write_all(b"y").await.is_ok() {
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        });
        let mut bytes = Vec::new();
        let _ = read.read_to_end(&mut bytes).await;
        assert_eq!(start.elapsed().as_secs(), FIRST_REQUEST.as_secs());
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_has_asked_may_rest() {
        let mut client = served();
        let ask = b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n";
        for _ in 0..2 {
            client.write_all(ask).await.expect("room");
            let mut bytes = [0; 1024];
            let read = client.read(&mut bytes).await.expect("an answer");
            assert!(bytes[..read].ends_with(b"hello"), "{:?}", String::from_utf8_lossy(&bytes[..read]));
            tokio::time::sleep(FIRST_REQUEST * 2).await;
        }
    }

    fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
        let length = u32::try_from(payload.len()).expect("short").to_be_bytes();
        [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
    }

    /// Asks for `/long` over HTTP/2 with a window of so many bytes, answers pings, and takes what comes,
    /// slowly, if it does. Gives how many bytes came, and when the connection or the answer ended.
    async fn take(window: u32, takes: bool) -> (usize, Duration) {
        let (mut client, begin) = (served(), Instant::now());
        let settings = frame(4, 0, 0, &[&[0, 4], &window.to_be_bytes()[..]].concat());
        let head = frame(1, 5, 1, b"\x82\x86\x04\x05/long\x01\x09localhost");
        client.write_all(&[PREFACE, &settings, &head].concat()).await.expect("room");
        let mut got = 0;
        let mut top = [0; 9];
        while got < LONG_BYTES && client.read_exact(&mut top).await.is_ok() {
            let [a, b, c, kind, flags, ..] = top;
            let mut payload = vec![0; u32::from_be_bytes([0, a, b, c]) as usize];
            if client.read_exact(&mut payload).await.is_err() {
                break;
            }
            let more = u32::try_from(payload.len()).expect("short").to_be_bytes();
            let reply = match kind {
                0 => {
                    got += payload.len();
                    // Little more than it must.
                    tokio::time::sleep(PATIENCE.mul_f64(0.9 * payload.len() as f64 / MIN_BYTES as f64)).await;
                    [frame(8, 0, 0, &more), frame(8, 0, 1, &more)].concat()
                }
                6 if flags == 0 => frame(6, 1, 0, &payload),
                _ => continue,
            };
            if (kind == 6 || takes) && client.write_all(&reply).await.is_err() {
                break;
            }
        }
        (got, begin.elapsed())
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_stops_an_answer_does_not_hold_it() {
        for window in [0, 1, 70_000] {
            let taking = tokio::time::timeout(FIRST_REQUEST * 10, take(window, false));
            let (got, ended) = taking.await.expect("the connection is dropped");
            assert!(got <= window as usize && ended <= FIRST_REQUEST * 3, "{window}: {got} bytes, {ended:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_takes_an_answer_slowly_gets_it_all() {
        for window in [20_000, 65_535] {
            assert_eq!(take(window, true).await.0, LONG_BYTES, "{window}");
        }
    }
}
