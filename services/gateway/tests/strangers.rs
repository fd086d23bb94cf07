//! What anybody who reaches the gateway's port may and may not do.

mod support;

use support::http::{parse, raw};
use support::{Node, SOON};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

#[tokio::test]
async fn a_page_whose_name_points_here_reads_nothing() {
    let node = Node::start().await;
    let get =
        |path: &str, host: &str| format!("GET {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n");
    for (path, host, status) in [
        ("/healthz", "localhost:8080", 200),
        ("/healthz", "127.0.0.1", 200),
        ("/healthz", "attacker.example", 421),
        ("/metrics", "attacker.example:8080", 421),
        ("/nothing", "127.0.0.1.attacker.example", 421),
    ] {
        let answer = parse(&raw(node.gateway.address, get(path, host).as_bytes()).await);
        assert_eq!(answer.status, status, "{host}: {answer:?}");
        if status == 421 {
            assert_eq!(answer.header("content-type"), Some("application/problem+json"));
            let problem = answer.json();
            assert_eq!(problem["reason"], "HOST_NOT_ALLOWED");
            assert!(
                problem["detail"].as_str().is_some_and(|text| text.contains("allowed_hosts")),
                "{problem}"
            );
        }
    }
}

#[tokio::test]
async fn the_health_is_checked_and_not_watched() {
    let node = Node::start().await;
    let url = format!("http://{}", node.gateway.address);
    let channel = tonic::transport::Endpoint::from_shared(url).expect("a URL").connect_lazy();
    let mut client = HealthClient::new(channel);
    let request = || HealthCheckRequest { service: "vision.gateway".into() };
    client.check(request()).await.expect("known");
    let refused = client.watch(request()).await.expect_err("not on this port");
    assert_eq!(refused.code(), tonic::Code::Unimplemented);
}

/// A long text, and more than any head may have.
const LONG_CHARS: usize = 20_000;
/// The text of a refusal, with all that comes beside it.
const MAX_REFUSAL_BYTES: usize = 900;

#[tokio::test]
async fn no_answer_repeats_a_long_text() {
    let node = Node::start().await;
    // As long as a head of 12 KiB leaves room for.
    let most = "a".repeat(11_000);
    let long = "a".repeat(LONG_CHARS);
    let get = |path: String| format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
    let post = |body: String| {
        let length = body.len();
        format!(
            "POST /api/transactions HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\
             content-length: {length}\r\n\r\n{body}"
        )
    };
    let line = |text: &str| format!("{text}\r\nconnection: close\r\n\r\n");
    let cases = [
        ("path", 404, get(format!("/{most}"))),
        ("longer path", 431, get(format!("/{long}"))),
        ("block", 400, get(format!("/api/chain/blocks/{most}"))),
        ("transaction", 400, get(format!("/api/transactions/{most}"))),
        ("account", 400, get(format!("/api/accounts/{most}"))),
        ("key", 400, get(format!("/api/chain/blocks?{most}=1"))),
        ("value", 400, get(format!("/api/chain/blocks?from={most}"))),
        ("limit", 400, get(format!("/api/chain/blocks?limit={most}"))),
        ("height", 400, get(format!("/api/mining/schedule?height={most}"))),
        ("slots", 400, get(format!("/api/mining/schedule?height=1&slots={most}"))),
        ("watched address", 400, get(format!("/api/transactions/events?address={most}"))),
        ("method", 405, line(&format!("{most} /api/status HTTP/1.1\r\nhost: localhost"))),
        ("host", 421, line(&format!("GET /api/status HTTP/1.1\r\nhost: {most}.example"))),
        ("body", 400, post(long.clone())),
        ("misspelt key", 400, post(format!("{{\"{long}\":1}}"))),
        ("bytes that are none", 400, post(format!("{{\"transaction\":\"{long}x\"}}"))),
        ("a text that is no flag", 400, post(format!("{{\"wait\":\"{long}\"}}"))),
        (
            "encoding",
            415,
            line(&format!(
                "POST /api/transactions HTTP/1.1\r\nhost: localhost\r\ncontent-length: 0\r\n\
                 content-encoding: {most}"
            )),
        ),
    ];
    for (desc, status, request) in cases {
        let answer = parse(&raw(node.gateway.address, request.as_bytes()).await);
        assert_eq!(answer.status, status, "{desc}: {:.300}", answer.body);
        assert_eq!(answer.header("content-type"), Some("application/problem+json"), "{desc}");
        assert!(answer.body.len() < MAX_REFUSAL_BYTES, "{desc}: {} bytes", answer.body.len());
    }
}

#[tokio::test]
async fn a_head_that_is_too_large_is_refused() {
    let node = Node::start().await;
    let head = |headers: usize, bytes: usize| {
        let further: String =
            (0..headers).map(|number| format!("x-{number}: {}\r\n", "v".repeat(bytes))).collect();
        format!("GET /healthz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n{further}\r\n")
    };
    for (headers, bytes, status) in
        [(60, 100, 200), (63, 1, 431), (1, 11_000, 200), (1, 13_000, 431), (8, 1_600, 431)]
    {
        let answer = parse(&raw(node.gateway.address, head(headers, bytes).as_bytes()).await);
        assert_eq!(answer.status, status, "{headers} of {bytes}: {answer:?}");
        if status == 431 {
            assert_eq!(answer.header("content-type"), Some("application/problem+json"));
            assert_eq!(answer.json()["reason"], "HEADERS_TOO_LARGE");
        }
    }
}

#[tokio::test]
async fn a_packed_body_is_refused_and_a_plain_one_is_read() {
    let node = Node::start().await;
    for (encoding, status) in
        [("gzip", 415), ("zstd, gzip", 415), ("nonsense", 415), ("identity", 400), ("IDENTITY", 400)]
    {
        let request = format!(
            "POST /api/transactions HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-length: 2\r\n\
             content-encoding: {encoding}\r\n\r\n{{}}"
        );
        let answer = parse(&raw(node.gateway.address, request.as_bytes()).await);
        assert_eq!(answer.status, status, "{encoding}: {answer:?}");
        if status == 415 {
            assert_eq!(answer.json()["reason"], "UNKNOWN_ENCODING");
            assert_eq!(answer.header("accept-encoding"), Some("identity"));
        }
    }
}

/// What a connection may send before the server has read any of it.
const MAX_UNREAD_BYTES: u64 = 64 << 10;

#[tokio::test]
async fn a_connection_leaves_little_that_nobody_has_read() {
    let node = Node::start().await;
    let mut stream = TcpStream::connect(node.gateway.address).await.expect("connects");
    let no_settings = [0, 0, 0, 4, 0, 0, 0, 0, 0];
    let hello = [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".as_slice(), &no_settings].concat();
    stream.write_all(&hello).await.expect("sent");
    // What the protocol gives unless the server says otherwise.
    let (mut of_a_stream, mut of_all) = (65_535, 65_535);
    loop {
        let mut top = [0; 9];
        tokio::time::timeout(SOON, stream.read_exact(&mut top)).await.expect("in time").expect("a frame");
        let [a, b, c, kind, flags, ..] = top;
        let mut payload = vec![0; u32::from_be_bytes([0, a, b, c]) as usize];
        stream.read_exact(&mut payload).await.expect("all of it");
        let number = |bytes: &[u8]| u64::from(u32::from_be_bytes(bytes.try_into().expect("four")));
        match (kind, flags) {
            // The answer to our settings: all of its own are sent.
            (4, 1) => break,
            (4, _) => {
                let windows = payload.chunks(6).filter(|setting| setting[..2] == [0, 4]);
                of_a_stream = windows.map(|setting| number(&setting[2..])).next_back().unwrap_or(of_a_stream);
            }
            (8, _) => of_all += number(&payload),
            _ => {}
        }
    }
    assert!(of_a_stream <= MAX_UNREAD_BYTES && of_all <= MAX_UNREAD_BYTES, "{of_a_stream} {of_all}");
}
