//! One connection: HTTP/1 or HTTP/2, whichever the client speaks, with limits on what it may hold.

use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::extract::connect_info::ConnectInfo;
use hyper::Request;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Sleep;
use tokio_util::sync::CancellationToken;
use tonic::transport::server::TcpConnectInfo;

use super::Routers;
use super::slow_reader::SlowReader;

const MAX_STREAMS_PER_CONNECTION: u32 = 256;
const MAX_HEADER_BYTES: u32 = 16 << 10;
const MAX_HTTP1_BUFFER_BYTES: usize = 64 << 10;
const MAX_PENDING_RESETS: usize = 64;
const STREAM_WINDOW_BYTES: u32 = 2 << 20;
const CONNECTION_WINDOW_BYTES: u32 = 8 << 20;
/// A silent HTTP/2 connection is asked for a sign of life after this, and dropped after this once more.
const KEEPALIVE: Duration = Duration::from_secs(10);
/// A client must have sent the head of an HTTP/1 request within this; idle connections end with it.
const HEADER_READ: Duration = Duration::from_secs(30);
/// A client must have said something within this.
const FIRST_BYTES: Duration = Duration::from_secs(10);
/// No request of any kind is shorter.
const MIN_REQUEST_BYTES: usize = 16;

pub(super) fn protocol() -> auto::Builder<TokioExecutor> {
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
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES);
    builder
}

/// Serves until the client is done, or, once the server is `ending`, the requests in progress are.
pub(super) async fn serve(
    stream: TcpStream,
    remote: SocketAddr,
    routers: Routers,
    protocol: auto::Builder<TokioExecutor>,
    ending: CancellationToken,
) {
    let _ = stream.set_nodelay(true);
    let info = TcpConnectInfo { local_addr: stream.local_addr().ok(), remote_addr: Some(remote) };
    let service = hyper::service::service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(info.clone());
        request.extensions_mut().insert(ConnectInfo(remote));
        routers.clone().call(request)
    });
    let io = TokioIo::new(Impatient::new(SlowReader::new(stream)));
    let mut connection = pin!(protocol.serve_connection_with_upgrades(io, service));
    let result = tokio::select! {
        result = connection.as_mut() => result,
        () = ending.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = result {
        tracing::debug!(%remote, error, "connection ended");
    }
}

/// A stream whose client must say something soon: a connection that never speaks holds no place for long.
struct Impatient<S> {
    stream: S,
    received_bytes: usize,
    patience: Option<Pin<Box<Sleep>>>,
}

impl<S> Impatient<S> {
    fn new(stream: S) -> Self {
        let patience = Some(Box::pin(tokio::time::sleep(FIRST_BYTES)));
        Self { stream, received_bytes: 0, patience }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Impatient<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buffer);
        let Some(patience) = &mut self.patience else { return read };
        if read.is_pending() && patience.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        self.received_bytes += buffer.filled().len() - before;
        if self.received_bytes >= MIN_REQUEST_BYTES {
            self.patience = None;
        }
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Impatient<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
    use tokio::time::Instant;

    #[tokio::test(start_paused = true)]
    async fn a_client_that_does_not_speak_is_dropped() {
        for said in ["", "P", "PRI * HTTP/2.0\r"] {
            let (mut client, server) = duplex(100);
            let mut server = Impatient::new(server);
            let start = Instant::now();
            client.write_all(said.as_bytes()).await.expect("room");
            let mut text = String::new();
            let error = server.read_to_string(&mut text).await.expect_err("no more comes");
            assert_eq!((error.kind(), start.elapsed()), (io::ErrorKind::TimedOut, FIRST_BYTES), "{said:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_has_spoken_may_be_slow() {
        let (mut client, server) = duplex(100);
        let mut server = Impatient::new(server);
        let reading = tokio::spawn(async move {
            let mut text = String::new();
            server.read_to_string(&mut text).await.map(|_| text)
        });
        client.write_all(b"GET /some/path HTTP/1.1").await.expect("room");
        tokio::time::sleep(FIRST_BYTES * 3).await;
        client.write_all(b", and more").await.expect("room");
        drop(client);
        let text = reading.await.expect("no panic").expect("no error");
        assert_eq!(text, "GET /some/path HTTP/1.1, and more");
    }
}
