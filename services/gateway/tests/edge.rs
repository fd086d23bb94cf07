//! What holds for every route: methods, ids of requests, other origins, compression, caches.

mod support;

use std::io::Read as _;

use flate2::read::GzDecoder;
use serde_json::Value;
use support::Node;
use support::http::{Answer, parse, raw, raw_bytes, request};
use support::sse::Events;

/// One request with these headers besides, each with its line end.
async fn ask(node: &Node, method: &str, path: &str, headers: &str) -> Answer {
    let head = format!("{method} {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n{headers}\r\n");
    parse(&raw(node.gateway.address, head.as_bytes()).await)
}

#[tokio::test]
async fn every_answer_bears_the_id_of_its_request() {
    let node = Node::start().await;
    let own = "x-request-id: my-id.1\r\n";
    for (path, host) in
        [("/healthz", ""), ("/api/status", ""), ("/nothing", ""), ("/healthz", "evil.example")]
    {
        let head = |further: &str| {
            let host = if host.is_empty() { "localhost" } else { host };
            format!("GET {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n{further}\r\n")
        };
        let asked = async |further: &str| parse(&raw(node.gateway.address, head(further).as_bytes()).await);
        let echoed = asked(own).await;
        assert_eq!(echoed.header("x-request-id"), Some("my-id.1"), "{path} {host}: {echoed:?}");
        let mut made = Vec::new();
        for further in ["", "x-request-id: <script>\r\n"] {
            let answer = asked(further).await;
            let id = answer.header("x-request-id").expect("an id").to_owned();
            assert!(id.len() == 32 && !made.contains(&id), "{path}: {id}");
            if answer.status >= 400 {
                assert_eq!(answer.json()["request_id"], Value::from(id.as_str()), "{path}: {answer:?}");
            }
            made.push(id);
        }
    }
}

#[tokio::test]
async fn head_is_get_without_a_body_and_options_names_the_methods() {
    let node = Node::start().await;
    node.get_until("/api/mining/status", |answer| answer.status == 200).await;
    for path in [
        "/healthz",
        "/readyz",
        "/metrics",
        "/api/status",
        "/api/mining/status",
        "/api/chain/blocks",
        "/api/chain/blocks/4",
        "/api/chain/blocks/99",
        "/nothing",
    ] {
        let (get, head) = (node.get(path).await, request(node.gateway.address, "HEAD", path).await);
        assert_eq!((head.status, head.body.as_str()), (get.status, ""), "{path}");
        assert_eq!(head.header("content-type"), get.header("content-type"), "{path}");
    }
    for (path, allow) in [
        ("/healthz", "GET,HEAD,OPTIONS"),
        ("/api/chain/blocks/4", "GET,HEAD,OPTIONS"),
        ("/api/transactions", "GET,HEAD,POST,OPTIONS"),
    ] {
        let reported = request(node.gateway.address, "OPTIONS", path).await;
        assert_eq!(
            (reported.status, reported.body.as_str(), reported.header("allow")),
            (204, "", Some(allow)),
            "{path}"
        );
    }
    assert_eq!(request(node.gateway.address, "OPTIONS", "/nothing").await.status, 404);
}

#[tokio::test]
async fn pages_of_other_origins_read_nothing_unless_they_are_allowed() {
    const FRIEND: &str = "origin: https://wallet.example.org\r\n";
    const STRANGER: &str = "origin: https://evil.example\r\n";
    const ASKS: &str =
        "access-control-request-method: POST\r\naccess-control-request-headers: content-type\r\n";
    for listed in [false, true] {
        let node = Node::start_with(|config| {
            if listed {
                config.allowed_origins = vec!["https://wallet.example.org".parse().expect("an origin")];
            }
        })
        .await;
        for (desc, origin) in [("none", ""), ("a friend", FRIEND), ("a stranger", STRANGER)] {
            let allowed = (listed && origin == FRIEND).then_some("https://wallet.example.org");
            for path in ["/api/status", "/nothing"] {
                let answer = ask(&node, "GET", path, origin).await;
                assert_eq!(answer.header("access-control-allow-origin"), allowed, "{desc}: {path}");
                let varies = answer.headers.iter().any(|(name, value)| name == "vary" && value == "origin");
                assert_eq!(varies, listed, "{desc}: caches must keep origins apart");
            }
            let reported = ask(&node, "OPTIONS", "/api/transactions", &format!("{origin}{ASKS}")).await;
            assert_eq!(reported.status, 204, "{desc}: {reported:?}");
            assert_eq!(reported.header("access-control-allow-origin"), allowed, "{desc}: {reported:?}");
            let methods = reported.header("access-control-allow-methods");
            assert_eq!(methods.is_some_and(|methods| methods.contains("POST")), allowed.is_some(), "{desc}");
        }
    }
}

#[tokio::test]
async fn long_answers_are_compressed_for_those_who_ask() {
    let node = Node::start().await;
    for (path, is_long) in [("/api/chain/blocks", true), ("/api/chain/blocks/4", true), ("/healthz", false)] {
        let plain = node.get(path).await;
        assert_eq!(plain.header("content-encoding"), None, "{path}");
        assert_eq!(plain.header("vary"), is_long.then_some("accept-encoding"), "{path}");
        let head = format!(
            "GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\naccept-encoding: br, gzip\r\n\r\n"
        );
        let bytes = raw_bytes(node.gateway.address, head.as_bytes()).await;
        let at = bytes.windows(4).position(|four| four == b"\r\n\r\n").expect("a head") + 4;
        let head = parse(std::str::from_utf8(&bytes[..at]).expect("text"));
        // HEAD gives the same head, and no body.
        for (headers, get) in [("", &plain), ("accept-encoding: gzip\r\n", &head)] {
            let reported = ask(&node, "HEAD", path, headers).await;
            assert_eq!((reported.status, reported.body.as_str()), (200, ""), "{path}");
            for name in ["vary", "content-encoding", "content-length", "content-type", "etag"] {
                assert_eq!(reported.header(name), get.header(name), "{path} {headers}{name}");
            }
        }
        if !is_long {
            assert_eq!((head.header("content-encoding"), &bytes[at..]), (None, plain.body.as_bytes()));
            continue;
        }
        assert_eq!(head.header("content-encoding"), Some("gzip"), "{path}");
        assert_eq!(head.header("content-length"), Some((bytes.len() - at).to_string().as_str()), "{path}");
        assert!(
            bytes.len() - at < plain.body.len() / 2,
            "{path}: {} of {}",
            bytes.len() - at,
            plain.body.len()
        );
        let mut text = String::new();
        GzDecoder::new(&bytes[at..]).read_to_string(&mut text).expect("gzip");
        assert_eq!(text, plain.body, "{path}");
    }
}

#[tokio::test]
async fn a_stream_of_events_is_never_collected() {
    let node = Node::start().await;
    let mut events = Events::open(&node, "accept-encoding: gzip\r\n").await;
    assert!(!events.head.iter().any(|line| line.starts_with("content-encoding")), "{:?}", events.head);
    events.nothing().await;
    node.chain.pool.1.publish(vec![]);
    assert_eq!(events.next().await.name, "transactions");
}

#[tokio::test]
async fn final_blocks_are_kept_by_caches_and_others_are_not() {
    let node = Node::start().await;
    // Of the fake's blocks 0 and 1 are final.
    let (one, four) = (node.chain.block(1).hash(), node.chain.block(4).hash());
    // Another chain, begun anew at the same address, has another block at a height.
    // Another version of the program may show a block in another way: nothing is kept without asking for
    // ever.
    let (a_day, ask_again, never) = ("public, max-age=86400", "no-cache", "no-store");
    for (id, kept) in [
        ("1".to_owned(), ask_again),
        (one.to_string(), a_day),
        ("4".to_owned(), never),
        (four.to_string(), never),
    ] {
        let (path, is_final) = (format!("/api/chain/blocks/{id}"), kept != never);
        let answer = node.get(&path).await;
        assert_eq!(answer.header("cache-control"), Some(kept), "{path}");
        let Some(tag) = answer.header("etag") else {
            assert!(!is_final, "{path}: {answer:?}");
            continue;
        };
        assert!(is_final && tag.contains(&one.to_string()) && tag.contains("1.2.3"), "{path}: {tag}");
        for (given, status) in [
            (tag.to_owned(), 304),
            (format!("\"x\", W/{tag}"), 304),
            ("*".into(), 304),
            ("\"x\"".into(), 200),
        ] {
            let again = ask(&node, "GET", &path, &format!("if-none-match: {given}\r\n")).await;
            assert_eq!(again.status, status, "{path} {given}: {again:?}");
            assert_eq!((again.header("etag"), again.header("cache-control")), (Some(tag), Some(kept)));
            assert_eq!(again.body.is_empty(), status == 304);
            assert_eq!(again.header("vary"), Some("accept-encoding"), "{path} {given}");
        }
    }
    let lists = node.get("/api/chain/blocks").await;
    assert_eq!((lists.header("cache-control"), lists.header("etag")), (Some("no-store"), None));
}

#[tokio::test]
async fn every_refusal_is_a_problem() {
    let node = Node::start().await;
    let many = "x-y: z\r\n".repeat(70);
    let cases = [
        ("no route", "GET", "/nothing", "", 404),
        ("wrong method", "PUT", "/api/status", "", 405),
        ("too large", "POST", "/api/transactions", "content-length: 3000000\r\n", 413),
        ("encoded", "POST", "/api/transactions", "content-length: 0\r\ncontent-encoding: br\r\n", 415),
        ("another host", "GET", "http://evil.example/", "", 421),
        ("too many headers", "GET", "/healthz", many.as_str(), 431),
    ];
    for (desc, method, path, headers, status) in cases {
        let answer = ask(&node, method, path, headers).await;
        assert_eq!(answer.status, status, "{desc}: {answer:?}");
        assert_eq!(answer.header("content-type"), Some("application/problem+json"), "{desc}");
        assert_eq!(answer.json()["status"], status, "{desc}");
        assert_eq!(answer.header("x-request-id"), answer.json()["request_id"].as_str(), "{desc}");
    }
}
