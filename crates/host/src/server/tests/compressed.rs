//! What is compressed on its way, and in which form metrics are sent.

use flate2::read::GzDecoder;
use tonic::body::Body;

use super::*;

/// Sends these bytes as the message of a call that says it is compressed.
async fn call_compressed(server: &Running, bytes: &[u8]) -> Status {
    let length = u32::try_from(bytes.len()).expect("short").to_be_bytes();
    let message = [&[1], length.as_slice(), bytes].concat();
    let request = http::Request::post(format!("http://{}/test.Fake/Check", server.address))
        .header("content-type", "application/grpc")
        .header("grpc-encoding", "gzip")
        .body(Body::new(axum::body::Body::from(message)))
        .expect("a request");
    let mut channel = server.channel().await;
    std::future::poll_fn(|cx| Service::<http::Request<Body>>::poll_ready(&mut channel, cx))
        .await
        .expect("ready");
    let answer = channel.call(request).await.expect("an answer");
    Status::from_header_map(answer.headers()).expect("a status in the head")
}

#[tokio::test]
async fn compressed_messages_that_are_none_or_too_large_are_refused_with_their_reason() {
    let server = Running::start().await;
    let gzip = |bytes: &[u8]| {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        std::io::Write::write_all(&mut encoder, bytes).expect("in memory");
        encoder.finish().expect("in memory")
    };
    let bomb = gzip(&[0; 10_000]);
    assert!(bomb.len() < 100, "what arrives is within the limit of the message");
    for (desc, bytes, code, expect) in [
        ("a bomb", bomb.as_slice(), Code::ResourceExhausted, "MESSAGE_TOO_LARGE"),
        ("no gzip", b"this is no gzip at all", Code::InvalidArgument, "MALFORMED_MESSAGE"),
        ("broken off", &gzip(b"\x0a\x01a")[..12], Code::InvalidArgument, "MALFORMED_MESSAGE"),
        ("no message", &gzip(b"\xff\xff"), Code::InvalidArgument, "MALFORMED_MESSAGE"),
    ] {
        let refused = call_compressed(&server, bytes).await;
        assert_eq!(
            (refused.code(), reason(&refused).as_deref()),
            (code, Some(expect)),
            "{desc}: {refused:?}"
        );
    }
    server.stop().await;
}

/// Head and body of the answer to a request for the metrics with these headers.
async fn page(server: &Running, headers: &str) -> (String, Vec<u8>) {
    let mut stream = TcpStream::connect(server.address).await.expect("connects");
    let request = format!("GET /metrics HTTP/1.0\r\nhost: localhost\r\n{headers}\r\n");
    stream.write_all(request.as_bytes()).await.expect("sent");
    let mut answer = Vec::new();
    tokio::time::timeout(SOON, stream.read_to_end(&mut answer)).await.expect("in time").expect("an answer");
    let end = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n").expect("a head");
    let body = answer.split_off(end + 4);
    (String::from_utf8(answer).expect("text"), body)
}

#[tokio::test]
async fn metrics_come_in_the_form_that_is_asked_for() {
    const OPENMETRICS: &str = "content-type: application/openmetrics-text; version=1.0.0; charset=utf-8\r\n";
    const CLASSIC: &str = "content-type: text/plain; version=0.0.4; charset=utf-8\r\n";
    let server = Running::start().await;
    for (desc, headers, content_type, packed) in [
        ("nobody in particular", "", CLASSIC, false),
        ("gzip", "accept-encoding: gzip\r\n", CLASSIC, true),
        ("OpenMetrics", "accept: application/openmetrics-text\r\n", OPENMETRICS, false),
        ("both", "accept: application/openmetrics-text\r\naccept-encoding: gzip\r\n", OPENMETRICS, true),
    ] {
        let (head, body) = page(&server, headers).await;
        assert!(head.starts_with("HTTP/1.0 200 ") && head.contains(content_type), "{desc}: {head}");
        assert!(head.contains("vary: Accept, Accept-Encoding\r\n"), "{desc}: {head}");
        assert_eq!(head.contains("content-encoding: gzip\r\n"), packed, "{desc}: {head}");
        let mut text = String::new();
        let mut unpack: Box<dyn std::io::Read> =
            if packed { Box::new(GzDecoder::new(body.as_slice())) } else { Box::new(body.as_slice()) };
        std::io::Read::read_to_string(&mut unpack, &mut text)
            .unwrap_or_else(|error| panic!("{desc}: {error}"));
        assert!(!packed || body.len() * 3 < text.len(), "{desc}: {} of {}", body.len(), text.len());
        let openmetrics = content_type == OPENMETRICS;
        assert_eq!(text.ends_with("# EOF\n"), openmetrics, "{desc}: {text}");
        let declared = if openmetrics { "process_cpu_seconds" } else { "process_cpu_seconds_total" };
        assert!(
            text.contains(&format!("# TYPE {declared} counter\nprocess_cpu_seconds_total{{")),
            "{desc}: {text}"
        );
    }
    server.stop().await;
}
