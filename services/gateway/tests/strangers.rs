//! What anybody who reaches the gateway's port may and may not do.

mod support;

use support::Node;
use support::http::{parse, raw};
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
