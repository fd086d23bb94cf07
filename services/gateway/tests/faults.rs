//! What goes wrong: bad requests, and services that are away.
#![expect(clippy::disallowed_methods, reason = "a test waits in real time, with a deadline")]

mod support;

use std::sync::atomic::Ordering;
use std::time::Duration;

use support::http::{parse, raw, request};
use support::{Node, SOON, allow_one_client};
use vision_host::health::{NotServing, check};

#[tokio::test]
async fn bad_requests_are_problems_with_a_reason() {
    let node = Node::start().await;
    let (unknown, loud) = ("ab".repeat(32), "AB".repeat(32));
    let cases = [
        ("/api/chain/blocks/6", 404, "HEIGHT_NOT_FOUND"),
        ("/api/chain/blocks/99999999999999999999", 400, "INVALID_HEIGHT"),
        ("/api/chain/blocks/-1", 400, "INVALID_HEIGHT"),
        ("/api/chain/blocks/latest", 400, "INVALID_HEIGHT"),
        ("/api/chain/blocks/%ff%fe", 400, "INVALID_HEIGHT"),
        (&format!("/api/chain/blocks/{unknown}"), 404, "BLOCK_NOT_FOUND"),
        (&format!("/api/chain/blocks/{loud}"), 400, "INVALID_HASH"),
        ("/api/chain/blocks/0x5", 400, "INVALID_HEIGHT"),
        (&format!("/api/chain/blocks/0x0x{unknown}"), 400, "INVALID_HEIGHT"),
        (&format!("/api/chain/blocks/0x{unknown}"), 404, "BLOCK_NOT_FOUND"),
        ("/api/chain/blocks?from=x", 400, "INVALID_HEIGHT"),
        ("/api/chain/blocks?before=0x5", 400, "INVALID_HEIGHT"),
        ("/api/chain/blocks?from=1&before=5", 400, "INVALID_ARGUMENT"),
        ("/api/mining/history?from=1", 400, "INVALID_ARGUMENT"),
        ("/api/chain/blocks?limit=0", 400, "INVALID_PAGE_SIZE"),
        ("/api/chain/blocks?form=1", 400, "INVALID_ARGUMENT"),
        ("/api/chain/blocks?from=1&from=2", 400, "INVALID_ARGUMENT"),
        ("/api/chain/producers?height=6", 404, "HEIGHT_NOT_FOUND"),
        ("/api/chain/producers?height=1e3", 400, "INVALID_HEIGHT"),
        ("/api/mining/schedule?height=0", 400, "INVALID_HEIGHT"),
        ("/api/mining/schedule?height=7", 404, "HEIGHT_NOT_FOUND"),
        ("/api/mining/schedule?slots=0-99999999", 400, "TOO_MANY_SLOTS"),
        ("/api/mining/schedule?slots=a", 400, "INVALID_ARGUMENT"),
        ("/api/mining/history?limit=-1", 400, "INVALID_PAGE_SIZE"),
        ("/api/status?verbose=1", 400, "INVALID_ARGUMENT"),
        ("/api/nothing", 404, "ROUTE_NOT_FOUND"),
        ("/index.html", 404, "ROUTE_NOT_FOUND"),
        ("/api/chain/blocks/1/2", 404, "ROUTE_NOT_FOUND"),
    ];
    let mut traces = Vec::new();
    for (path, status, reason) in cases {
        let answer = node.get(path).await;
        assert_eq!(answer.header("content-type"), Some("application/problem+json"), "{path}: {answer:?}");
        let value = answer.json();
        assert_eq!((answer.status, value["reason"].as_str()), (status, Some(reason)), "{path}: {answer:?}");
        assert_eq!(value["status"], status);
        assert_eq!(answer.keys()[..6], ["type", "title", "status", "detail", "reason", "trace_id"], "{path}");
        assert_eq!(value["type"], format!("urn:vision:error:{reason}"));
        let trace = value["trace_id"].as_str().expect("an id").to_owned();
        assert!(trace.len() == 32 && !traces.contains(&trace), "{trace}");
        traces.push(trace);
    }
}

#[tokio::test]
async fn other_methods_are_refused_and_those_allowed_named() {
    let node = Node::start().await;
    for method in ["POST", "DELETE", "PUT"] {
        let answer = request(node.gateway.address, method, "/api/status").await;
        assert_eq!((answer.status, answer.json()["reason"].as_str()), (405, Some("METHOD_NOT_ALLOWED")));
        assert_eq!(answer.header("allow"), Some("GET,HEAD,OPTIONS"), "{answer:?}");
    }
    let head = request(node.gateway.address, "HEAD", "/healthz").await;
    assert_eq!((head.status, head.body.as_str()), (200, ""));
}

#[tokio::test]
async fn garbage_does_no_harm() {
    let node = Node::start().await;
    let long = format!("GET /{} HTTP/1.1\r\nhost: localhost\r\n\r\n", "a".repeat(100_000));
    let many = format!("GET / HTTP/1.1\r\nhost: localhost\r\n{}\r\n", "x-y: z\r\n".repeat(5000));
    for bytes in ["\0\u{1}\u{2} garbage garbage\r\n\r\n", "GET  HTTP/9\r\n\r\n", long.as_str(), many.as_str()]
    {
        let text = raw(node.gateway.address, bytes.as_bytes()).await;
        assert!(text.is_empty() || (400..500).contains(&parse(&text).status), "{text}");
    }
    assert_eq!(node.get("/healthz").await.body, r#"{"status":"ok"}"#);
}

#[tokio::test]
async fn a_service_that_is_away_is_named_and_comes_back() {
    let mut node = Node::start().await;
    node.get_until("/api/mining/status", |answer| answer.status == 200).await;
    assert_eq!(node.get("/readyz").await.status, 200);

    let address = node.producer_server.take().expect("running").kill().await;
    let lost = node.get_until("/api/mining/status", |answer| answer.status != 200).await;
    let value = lost.json();
    assert_eq!((lost.status, value["reason"].as_str()), (503, Some("DEPENDENCY_UNAVAILABLE")));
    assert_eq!(value["metadata"]["service"], "producer");
    assert_eq!(node.get("/api/status").await.status, 200, "the other routes go on");
    let ready = node.get("/readyz").await;
    assert_eq!(ready.status, 503);
    assert!(ready.json()["detail"].as_str().expect("text").starts_with("producer: no answer"), "{ready:?}");
    node.producer_server = Some(node.producer.serve(address).await);
    node.get_until("/api/mining/status", |answer| answer.status == 200).await;
    node.get_until("/readyz", |answer| answer.status == 200).await;

    let address = node.chain_server.take().expect("running").kill().await;
    for path in
        ["/api/status", "/api/chain/params", "/api/chain/blocks/1", "/api/mining/schedule", "/api/peers"]
    {
        let answer = node.get(path).await;
        let value = answer.json();
        assert_eq!(
            (answer.status, value["metadata"]["service"].as_str()),
            (503, Some("chain")),
            "{path}: {answer:?}"
        );
        assert_eq!(answer.header("retry-after"), Some("1"));
    }
    assert_eq!(node.get("/healthz").await.status, 200, "the gateway itself stays up");
    node.chain_server = Some(node.chain.serve(address).await);
    node.get_until("/api/status", |answer| answer.status == 200).await;

    node.selection_server.take().expect("running").kill().await;
    let ready = node.get("/readyz").await;
    assert_eq!((ready.status, ready.json()["metadata"]["service"].as_str()), (503, Some("selection")));
    assert_eq!(node.get("/api/mining/schedule").await.status, 200, "chain reports the slots by itself");
    node.oracle_server.take().expect("running").kill().await;
    let answer = node.get("/api/status").await;
    assert_eq!(answer.status, 503, "{answer:?}");
    assert_eq!(answer.json()["metadata"]["service"], "sync-oracle");
}

#[tokio::test]
async fn readiness_repeats_why_a_service_does_not_serve() {
    let node = Node::start().await;
    let chain = node.chain_server.as_ref().expect("running");
    chain.health.set_not_serving("the store is full");
    let ready = node.get("/readyz").await;
    assert_eq!((ready.status, ready.json()["metadata"]["service"].as_str()), (503, Some("chain")));
    assert_eq!(ready.json()["detail"], "chain: not serving: the store is full");
    chain.health.set_serving();
    let ready = node.get("/readyz").await;
    let expect = concat!(
        r#"{"status":"ready","services":{"chain":"serving","producer":"serving","selection":"serving","#,
        r#""sync-oracle":"serving"}}"#,
    );
    assert_eq!((ready.status, ready.body.as_str()), (200, expect));
}

#[tokio::test]
async fn a_services_own_refusal_keeps_its_reason() {
    let node = Node::start().await;
    *node.chain.head_fault.lock().expect("no panic") =
        Some(vision_wire::status(vision_wire::Reason::StoreCorrupt, "block 3 is gone", &[]));
    let answer = node.get("/api/status").await;
    assert_eq!((answer.status, answer.json()["reason"].as_str()), (500, Some("STORE_CORRUPT")));
    assert_eq!(answer.json()["detail"], "block 3 is gone");
}

#[tokio::test]
async fn grpc_health_stands_on_the_same_port_and_follows_the_neighbours() {
    let mut node = Node::start().await;
    let channel = vision_wire::connect_lazy(&format!("http://{}", node.gateway.address)).expect("a URL");
    let until = async |wanted: &dyn Fn(&Result<(), NotServing>) -> bool| {
        let deadline = tokio::time::Instant::now() + SOON;
        loop {
            let answer = check(channel.clone(), vision_gateway::SERVICE_NAME, SOON).await;
            if wanted(&answer) {
                return;
            }
            assert!(tokio::time::Instant::now() < deadline, "stays {answer:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    until(&|answer| answer.is_ok()).await;
    node.oracle_server.take().expect("running").kill().await;
    until(&|answer| {
        matches!(answer, Err(NotServing::Because(why)) if why.starts_with("sync-oracle: no \
        answer"))
    })
    .await;
}

#[tokio::test]
async fn a_hanging_service_holds_up_nobody_else() {
    const LIMIT: usize = 256;
    let node = Node::start_with(allow_one_client(1000, 1)).await;
    node.get_until("/api/mining/status", |answer| answer.status == 200).await;
    node.chain.hangs.store(true, Ordering::SeqCst);
    let address = node.gateway.address;
    let mut held = tokio::task::JoinSet::new();
    for _ in 0..LIMIT {
        held.spawn(request(address, "GET", "/api/peers"));
    }
    let deadline = tokio::time::Instant::now() + SOON;
    while node.chain.hanging.load(Ordering::SeqCst) < LIMIT {
        assert!(tokio::time::Instant::now() < deadline, "all requests reach the chain");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let refused = node.get("/readyz").await;
    assert_eq!((refused.status, refused.header("retry-after")), (429, Some("2")));
    assert_eq!(refused.json()["reason"], "OVERLOADED");
    for path in ["/api/mining/status", "/healthz"] {
        assert_eq!(node.get(path).await.status, 200, "{path} stands outside of the limit");
    }
    while let Some(answer) = held.join_next().await {
        let answer = answer.expect("no panic");
        let value = answer.json();
        assert_eq!((answer.status, value["reason"].as_str()), (504, Some("DEADLINE")), "{answer:?}");
        assert_eq!(value["metadata"]["service"], "chain");
    }
    assert_eq!(node.get("/readyz").await.status, 200, "all places are free again");
}

#[tokio::test]
async fn the_gateway_stops_in_order() {
    let node = Node::start().await;
    let address = node.gateway.address;
    assert_eq!(node.get("/healthz").await.status, 200);
    node.gateway.stop().await;
    assert!(tokio::net::TcpStream::connect(address).await.is_err(), "the port is free");
}
