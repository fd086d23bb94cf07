//! Against the REST gateway.

use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use futures::future::join_all;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::runtime::Runtime;

use super::Target;
use super::stranger::address;
use crate::harness::{get, wait_until};

const PATIENCE: Duration = Duration::from_secs(4);

/// A connection from an attacker's address.
pub async fn connect(from: IpAddr, port: u16) -> Option<TcpStream> {
    let socket = TcpSocket::new_v4().ok()?;
    socket.bind(SocketAddr::new(from, 0)).ok()?;
    let connecting = socket.connect(SocketAddr::from(([127, 0, 0, 1], port)));
    tokio::time::timeout(PATIENCE, connecting).await.ok()?.ok()
}

/// Sends as much as is taken in time, and gives the connection and the beginning of the answer, if one came.
async fn send(from: IpAddr, port: u16, bytes: &[u8], wait: Duration) -> (Option<TcpStream>, String) {
    let Some(mut stream) = connect(from, port).await else { return (None, String::new()) };
    let _ = tokio::time::timeout(PATIENCE, stream.write_all(bytes)).await;
    let mut answer = [0; 32];
    let read = tokio::time::timeout(wait, stream.read(&mut answer)).await;
    let length = read.map_or(0, |read| read.unwrap_or(0));
    (Some(stream), String::from_utf8_lossy(&answer[..length]).into_owned())
}

/// Somebody else is served all the while.
fn others_are_served(target: &Target<'_>, path: &str) {
    wait_until(&format!("another client gets {path}"), 15, || {
        get(target.rest, path).is_ok_and(|answer| answer.status == 200)
    });
}

pub fn endless_bodies(target: &Target<'_>, runtime: &Runtime) -> String {
    const BODY_BYTES: usize = 2 << 20;
    let head = format!(
        "POST /api/transactions HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: \
        application/json\r\nContent-Length: {BODY_BYTES}\r\n\r\n"
    );
    let mut bytes = head.into_bytes();
    bytes.extend(std::iter::repeat_n(b' ', BODY_BYTES - 1));
    let sending = (0..=255_u8).map(|number| send(address(number % 4 + 1), target.rest, &bytes, PATIENCE / 4));
    let sent = runtime.block_on(async { join_all(sending).await });
    others_are_served(target, "/api/status");
    let refused = sent.iter().filter(|(_, answer)| answer.starts_with("HTTP/1.1 ")).count();
    format!("{refused} of {} bodies refused while they came", sent.len())
}

pub fn slow_readers(target: &Target<'_>, runtime: &Runtime) -> String {
    let request = "GET /api/chain/blocks?from=0&limit=200 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".repeat(200);
    let sending =
        (0..200_u8).map(|number| send(address(number % 4 + 1), target.rest, request.as_bytes(), PATIENCE));
    let sent = runtime.block_on(async { join_all(sending).await });
    others_are_served(target, "/api/chain/blocks?limit=5");
    format!("{} readers", sent.iter().filter(|(stream, _)| stream.is_some()).count())
}

pub fn idle_event_readers(target: &Target<'_>, runtime: &Runtime) -> String {
    let request =
        b"GET /api/transactions/events HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: text/event-stream\r\n\r\n";
    let opening = (0..128).map(|_| send(address(1), target.rest, request, PATIENCE));
    let open = runtime.block_on(async { join_all(opening).await });
    let streams = open.iter().filter(|(_, answer)| answer.contains(" 200 ")).count();
    wait_until("another client gets a stream", 15, || {
        let (_stream, answer) = runtime.block_on(send(address(2), target.rest, request, PATIENCE));
        answer.contains(" 200 ")
    });
    format!("{streams} of {} streams", open.len())
}

pub fn hammering(target: &Target<'_>, runtime: &Runtime) -> String {
    let (answered, end) = (AtomicUsize::new(0), Instant::now() + PATIENCE);
    let paths = ["/api/chain/blocks?from=0&limit=500", "/api/mining/stats", "/api/mining/history?limit=500"];
    let asking = (0..48_usize).map(|number| {
        let path = paths[number % paths.len()];
        let request = format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n");
        let (answered, port) = (&answered, target.rest);
        async move {
            while Instant::now() < end {
                let from = address(u8::try_from(number % 4).expect("small") + 1);
                let (stream, answer) = send(from, port, request.as_bytes(), PATIENCE).await;
                if let Some(mut stream) = stream {
                    let mut rest = Vec::new();
                    let _ = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut rest)).await;
                }
                answered.fetch_add(usize::from(!answer.is_empty()), Ordering::Relaxed);
            }
        }
    });
    runtime.block_on(async { join_all(asking).await });
    others_are_served(target, "/api/mining/stats");
    format!("{} answers", answered.into_inner())
}
