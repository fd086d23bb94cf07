//! What one client may have at once.
#![expect(clippy::disallowed_methods, reason = "a test waits in real time, with a deadline")]

mod support;

use std::sync::atomic::Ordering;
use std::time::Duration;

use support::http::{parse, raw};
use support::{Node, SOON};

/// `GET path` by way of a proxy that says who asks.
async fn get_for(node: &Node, client: &str, path: &str) -> support::http::Answer {
    let head = format!(
        "GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\nx-forwarded-for: {client}\r\n\r\n"
    );
    parse(&raw(node.gateway.address, head.as_bytes()).await)
}

async fn hanging(node: &Node, count: usize) {
    let deadline = tokio::time::Instant::now() + SOON;
    while node.chain.hanging.load(Ordering::SeqCst) < count {
        assert!(tokio::time::Instant::now() < deadline, "{count} requests reach the chain");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn one_client_does_not_hold_the_places_of_others() {
    for trusted in [true, false] {
        let node = Node::start_with(|config| {
            config.max_requests_per_client = 2.try_into().expect("one at least");
            if trusted {
                config.trusted_proxies = vec!["127.0.0.1".parse().expect("an address")];
            }
        })
        .await;
        node.chain.hangs.store(true, Ordering::SeqCst);
        let address = node.gateway.address;
        let mut held = tokio::task::JoinSet::new();
        for _ in 0..2 {
            let head = "GET /api/peers HTTP/1.1\r\nhost: localhost\r\nx-forwarded-for: 192.0.2.1\r\n\r\n";
            held.spawn(async move { raw(address, head.as_bytes()).await });
        }
        hanging(&node, 2).await;
        let refused = get_for(&node, "192.0.2.1", "/api/chain/params").await;
        assert_eq!((refused.status, refused.json()["reason"].as_str()), (429, Some("OVERLOADED")));
        // A header that anybody may write makes nobody another client.
        let other = get_for(&node, "192.0.2.2", "/api/chain/params").await;
        assert_eq!(other.status, if trusted { 200 } else { 429 }, "trusted: {trusted}");
        held.shutdown().await;
    }
}
