//! The metrics of the whole node, by the gateway.
#![expect(clippy::disallowed_methods, reason = "a test waits in real time, with a deadline")]

mod support;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use support::http::{parse, raw, request};
use support::{ANY, Node};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use vision_gateway::Config;

fn up(target: &str, up: bool) -> String {
    format!("vision_gateway_scrape_up{{service=\"\",target=\"{target}\"}} {}.0\n", u8::from(up))
}

#[tokio::test]
async fn requests_are_counted_by_route_and_not_by_path() {
    let node = Node::start().await;
    for (method, path) in [
        ("GET", "/healthz"),
        ("GET", "/api/chain/blocks/1"),
        ("GET", "/api/chain/blocks/2?x=1"),
        ("GET", "/api/chain/blocks/latest"),
        ("POST", "/api/status"),
        ("BREW", "/healthz"),
        ("GET", "/no/such/path"),
        ("GET", "/another"),
    ] {
        request(node.gateway.address, method, path).await;
    }
    let text = node.get("/metrics").await.body;
    let counted = |method: &str, route: &str, status: u16, count: u64| {
        let line = format!(
            "http_server_request_duration_seconds_count{{service=\"\",http_request_method=\"{method}\",\
             http_route=\"{route}\",http_response_status_code=\"{status}\"}} {count}\n"
        );
        assert!(text.contains(&line), "{line} in\n{text}");
    };
    counted("GET", "/healthz", 200, 1);
    counted("GET", "/api/chain/blocks/{id}", 400, 2);
    counted("GET", "/api/chain/blocks/{id}", 200, 1);
    counted("POST", "/api/status", 405, 1);
    counted("_OTHER", "/healthz", 405, 1);
    counted("GET", "_OTHER", 404, 2);
    assert!(!text.contains("such"), "no path is a label");
}

/// Accepts and answers each caller with these bytes; with none it says nothing at all.
async fn serve(answer: &'static [u8]) -> String {
    let listener = tokio::net::TcpListener::bind(ANY).await.expect("a free port");
    let address = listener.local_addr().expect("bound");
    tokio::spawn(async move {
        let mut held = Vec::new();
        while let Ok((mut stream, _)) = listener.accept().await {
            if !answer.is_empty() {
                let _ = stream.read(&mut [0; 1024]).await;
                let _ = stream.write_all(answer).await;
            } else {
                held.push(stream);
            }
        }
    });
    format!("http://{address}")
}

/// Accepts, says nothing, and counts.
async fn silent() -> (String, Arc<AtomicUsize>) {
    let listener = tokio::net::TcpListener::bind(ANY).await.expect("a free port");
    let address = listener.local_addr().expect("bound");
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    tokio::spawn(async move {
        let mut held = Vec::new();
        while let Ok((stream, _)) = listener.accept().await {
            held.push(stream);
            count.fetch_add(1, Ordering::SeqCst);
        }
    });
    (format!("http://{address}"), asked)
}

/// The metrics, asked for by way of a proxy that says who asks.
async fn scraped_for(address: SocketAddr, client: &str) -> support::http::Answer {
    let head = format!(
        "GET /metrics HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\nx-forwarded-for: {client}\r\n\r\n"
    );
    parse(&raw(address, head.as_bytes()).await)
}

#[tokio::test]
async fn one_client_does_not_hold_the_metrics_from_others() {
    let (chain, asked) = silent().await;
    let nobody = serve(b"HTTP/1.1 500 Oh\r\nconnection: close\r\n\r\n").await;
    let config = Config {
        listen: ANY.into(),
        chain,
        sync_oracle: nobody.clone(),
        selection: nobody.clone(),
        producer: nobody,
        trusted_proxies: vec!["127.0.0.1".parse().expect("an address")],
        ..Config::default()
    };
    let gateway = support::start_gateway(config).await;
    let get = |client: &'static str| scraped_for(gateway.address, client);
    let mut greedy = tokio::task::JoinSet::new();
    for _ in 0..8 {
        greedy.spawn(get("192.0.2.1"));
    }
    let deadline = tokio::time::Instant::now() + support::SOON;
    while asked.load(Ordering::SeqCst) < 2 {
        assert!(tokio::time::Instant::now() < deadline, "two questions reach the chain");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    // Those of the greedy client that find no place are answered first.
    let refused = greedy.join_next().await.expect("one").expect("no panic");
    assert_eq!((refused.status, refused.json()["reason"].as_str()), (429, Some("OVERLOADED")));
    assert!(refused.body.contains("this client"), "{refused:?}");
    assert_eq!(get("192.0.2.2").await.status, 200, "another client is answered");
    greedy.shutdown().await;
}

#[tokio::test]
async fn a_service_that_does_not_answer_is_missing_and_reported() {
    let fine = b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n# HELP there Is there.\n# TYPE there gauge\n\
        there{service=\"chain\"} 1\n# TYPE count counter\ncount_total{service=\"chain\"} 1\n\
        # HELP vision_build_info Version.\n# TYPE vision_build_info gauge\n\
        vision_build_info{service=\"chain\"} 1\n# EOF\n";
    let broken = b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n# TYPE half gauge\nhalf 1\n";
    let refusing = b"HTTP/1.1 500 Oh\r\nconnection: close\r\n\r\n# TYPE bad gauge\nbad 1\n# EOF\n";
    let config = Config {
        listen: ANY.into(),
        chain: serve(fine).await,
        sync_oracle: serve(b"").await,
        selection: serve(broken).await,
        producer: serve(refusing).await,
        ..Config::default()
    };
    let gateway = support::start_gateway(config).await;
    let began = tokio::time::Instant::now();
    let asking = "GET /metrics HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\
        accept: application/openmetrics-text\r\n\r\n";
    let answer = parse(&raw(gateway.address, asking.as_bytes()).await);
    assert!(began.elapsed() < Duration::from_secs(5), "one that is silent holds nobody up for long");
    let content_type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    assert_eq!((answer.status, answer.header("content-type")), (200, Some(content_type)));
    let text = answer.body;
    for target in ["chain", "sync-oracle", "selection", "producer"] {
        assert!(text.contains(&up(target, target == "chain")), "{target} in\n{text}");
    }
    assert!(text.contains("there{service=\"chain\"} 1\n"), "{text}");
    assert!(!text.contains("half") && !text.contains("bad 1"), "{text}");
    assert_eq!(text.matches("# TYPE vision_build_info gauge\n").count(), 1);
    assert!(text.contains(
        "vision_build_info{service=\"\",version=\"1.2.3\"} 1.0\nvision_build_info{service=\"chain\"} 1\n"
    ));
    assert!(text.ends_with("# EOF\n") && text.matches("# EOF").count() == 1);

    let answer = request(gateway.address, "GET", "/metrics").await;
    let content_type = "text/plain; version=0.0.4; charset=utf-8";
    assert_eq!(
        (answer.status, answer.header("content-type")),
        (200, Some(content_type)),
        "as nobody asks for more"
    );
    assert_eq!(answer.header("vary"), Some("Accept, Accept-Encoding"));
    let declared = "# TYPE count_total counter\ncount_total{service=\"chain\"} 1\n";
    assert!(answer.body.contains(declared) && !answer.body.contains("# EOF"), "{}", answer.body);
}
