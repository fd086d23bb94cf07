//! Requests per second of `GET /api/mining/status` against a bare axum handler that returns the same
//! bytes, both asked by the same client in turns. Prints the ratio and fails below one half.
#![allow(missing_docs, clippy::disallowed_methods, reason = "a benchmark measures with the machine's clock")]

#[path = "../tests/support/mod.rs"]
mod support;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use axum::http::header::CONTENT_TYPE;
use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

const CONNECTIONS: usize = 32;
const ROUND: Duration = Duration::from_secs(2);
const ROUNDS: usize = 4;

async fn requests_per_second(address: SocketAddr) -> f64 {
    let end = Instant::now() + ROUND;
    let mut clients = JoinSet::new();
    for _ in 0..CONNECTIONS {
        clients.spawn(async move {
            let stream = TcpStream::connect(address).await.expect("connects");
            stream.set_nodelay(true).expect("a socket");
            let (mut client, connection) =
                hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.expect("HTTP/1");
            tokio::spawn(connection);
            let mut done = 0_u32;
            while Instant::now() < end {
                let request = hyper::Request::get("/api/mining/status")
                    .header("host", "x")
                    .body(Empty::<Bytes>::new())
                    .expect("a request");
                let response = client.send_request(request).await.expect("an answer");
                assert_eq!(response.status(), 200);
                let body = response.into_body().collect().await.expect("a body").to_bytes();
                assert!(body.len() > 500);
                done += 1;
            }
            done
        });
    }
    let done: u32 = clients.join_all().await.into_iter().sum();
    f64::from(done) / ROUND.as_secs_f64()
}

async fn bare(body: Bytes) -> SocketAddr {
    let handler = move || {
        let body = body.clone();
        async move { ([(CONTENT_TYPE, "application/json")], body) }
    };
    let router = axum::Router::new().route("/api/mining/status", axum::routing::get(handler));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("bound");
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}

#[tokio::main]
async fn main() {
    let node = support::Node::start().await;
    let ready = node.get_until("/api/mining/status", |answer| answer.status == 200).await;
    let bare = bare(Bytes::from(ready.body)).await;
    let gateway = node.gateway.address;
    // One unmeasured round each, then in turns, so that both see the same machine.
    requests_per_second(bare).await;
    requests_per_second(gateway).await;
    let (mut bare_sum, mut gateway_sum) = (0.0, 0.0);
    for _ in 0..ROUNDS {
        bare_sum += requests_per_second(bare).await;
        gateway_sum += requests_per_second(gateway).await;
    }
    let ratio = gateway_sum / bare_sum;
    let rounds = ROUNDS as f64;
    println!("bare axum handler:       {:>8.0} requests/s", bare_sum / rounds);
    println!("GET /api/mining/status:  {:>8.0} requests/s", gateway_sum / rounds);
    println!("ratio:                   {ratio:>8.2} (at least 0.50)");
    assert!(ratio >= 0.5, "the gateway is too slow: {ratio:.2}");
}
