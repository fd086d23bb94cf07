//! A stream whose client must read what is sent to it: one that does not keeps answers in memory and their
//! places taken.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

/// A client for which something waits to be sent must take [`MIN_BYTES`] within this.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);
/// What any link that is of use takes within [`PATIENCE`].
pub(super) const MIN_BYTES: usize = 64 << 10;

/// Fails with `TimedOut` once the client reads too slowly. Holds the place of its connection.
pub(super) struct SlowReader<S, P> {
    stream: S,
    _place: P,
    /// When it has waited too long; only of meaning while `waiting`.
    late: Pin<Box<Sleep>>,
    waiting: bool,
    taken_bytes: usize,
}

impl<S, P> SlowReader<S, P> {
    pub(super) fn new(stream: S, place: P) -> Self {
        let late = Box::pin(tokio::time::sleep(PATIENCE));
        Self { stream, _place: place, late, waiting: false, taken_bytes: 0 }
    }

    fn begin(&mut self) {
        self.late.as_mut().set(tokio::time::sleep(PATIENCE));
        (self.waiting, self.taken_bytes) = (true, 0);
    }

    /// What becomes of a write that came out so.
    fn judge(&mut self, cx: &mut Context<'_>, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        match written {
            Poll::Ready(Ok(bytes)) if self.waiting => {
                self.taken_bytes = self.taken_bytes.saturating_add(bytes);
                if self.taken_bytes >= MIN_BYTES {
                    self.waiting = false;
                }
            }
            Poll::Pending => {
                if !self.waiting {
                    self.begin();
                }
                if self.late.as_mut().poll(cx).is_ready() {
                    return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
                }
            }
            Poll::Ready(_) => {}
        }
        written
    }
}

impl<S: AsyncRead + Unpin, P: Unpin> AsyncRead for SlowReader<S, P> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl<S: AsyncWrite + Unpin, P: Unpin> AsyncWrite for SlowReader<S, P> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.judge(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.judge(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(cx);
        // Only what is all written is flushed: nothing waits.
        if flushed.is_ready() {
            self.waiting = false;
        }
        flushed
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "it measures on the clock that the tests pause")]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
    use tokio::time::Instant;

    /// Writes it all; gives how it ended, and when.
    async fn write(stream: tokio::io::DuplexStream, bytes: usize) -> (io::Result<()>, Duration) {
        let (mut stream, begin) = (SlowReader::new(stream, ()), Instant::now());
        let ended = stream.write_all(&vec![0; bytes]).await;
        (ended, begin.elapsed())
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_reads_nothing_or_next_to_nothing_is_dropped() {
        for bytes_a_second in [0, 1, MIN_BYTES / 2 / PATIENCE.as_secs() as usize] {
            let (mut client, server) = duplex(1 << 10);
            let reading = tokio::spawn(async move {
                let mut read = vec![0; bytes_a_second];
                while bytes_a_second == 0 || client.read_exact(&mut read).await.is_ok() {
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
            });
            let (ended, after) = write(server, 1 << 20).await;
            assert_eq!(ended.expect_err("too slow").kind(), io::ErrorKind::TimedOut, "{bytes_a_second}");
            assert!(after >= PATIENCE && after < PATIENCE * 2, "{bytes_a_second}: {after:?}");
            reading.abort();
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_reads_as_fast_as_it_must_gets_it_all() {
        let (mut client, server) = duplex(1 << 10);
        let (all, a_second) = (1 << 20, MIN_BYTES * 2 / PATIENCE.as_secs() as usize);
        tokio::spawn(async move {
            let mut read = vec![0; a_second];
            while client.read_exact(&mut read).await.is_ok() {
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
            let _ = client.read_to_end(&mut read).await;
        });
        let (ended, after) = write(server, all).await;
        ended.expect("fast enough");
        assert!(after > PATIENCE * 4, "it takes long nevertheless: {after:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_with_nothing_to_send_may_be_silent_for_long() {
        let (mut client, server) = duplex(1 << 10);
        let mut server = SlowReader::new(server, ());
        let mut read = vec![0; 2 << 10];
        for _ in 0..3 {
            // Twice as much as there is room for, so that the writing waits for the reading.
            let (written, got) = tokio::join!(
                async { server.write_all(&[0; 2 << 10]).await.and(server.flush().await) },
                async {
                    tokio::time::sleep(PATIENCE / 2).await;
                    client.read_exact(&mut read).await
                }
            );
            written.expect("taken");
            got.expect("sent");
            tokio::time::sleep(PATIENCE * 5).await;
        }
    }
}
