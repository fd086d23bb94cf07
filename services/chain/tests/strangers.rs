//! What the port towards other nodes gives to whom it does not know.

mod support;

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;

use support::{Net, Node};

fn ask(port: u16, path: &str, host: &str) -> String {
    let mut socket = TcpStream::connect(("127.0.0.1", port)).expect("connects");
    let head = format!("GET {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n");
    socket.write_all(head.as_bytes()).expect("writes");
    let mut text = String::new();
    socket.read_to_string(&mut text).expect("reads");
    text
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_are_read_by_the_nodes_own_names_only() {
    let net = Net::new(1);
    let home = net.home(0);
    let node = Node::start(home.path(), &[]);
    node.client().await;
    let (p2p, grpc) = (node.p2p, node.grpc);
    let cases = [
        (p2p, "/api/status", "localhost", "200"),
        (p2p, "/api/status", "attacker.example", "421"),
        (grpc, "/metrics", "127.0.0.1", "200"),
        (grpc, "/metrics", "attacker.example", "421"),
    ];
    for (port, path, host, expect) in cases {
        let answer = tokio::task::spawn_blocking(move || ask(port, path, host)).await.expect("no panic");
        assert!(answer.starts_with(&format!("HTTP/1.1 {expect} ")), "{path} {host}: {answer:.100}");
    }
    let answer = tokio::task::spawn_blocking(move || ask(p2p, "/api/status", "localhost")).await;
    let answer = answer.expect("no panic");
    let body = answer.split_once("\r\n\r\n").expect("a body").1.to_owned();
    let mut keys: Vec<&str> = body.split('"').filter(|word| body.contains(&format!("\"{word}\":"))).collect();
    keys.dedup();
    let all = [
        "node_id",
        "chain_id",
        "genesis_hash",
        "version",
        "height",
        "tip_hash",
        "finalized_height",
        "safe_height",
        "sync_state",
        "eligible",
        "not_eligible_because",
        "ready_peers",
        "now_ms",
        "uptime_seconds",
    ];
    assert_eq!(keys, all, "what the document lists, and nothing about how the node is operated");
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_key_that_others_may_read_is_not_used() {
    let net = Net::new(1);
    let home = net.home(0);
    let open = std::fs::Permissions::from_mode(0o644);
    std::fs::set_permissions(home.path().join("peer.key"), open).expect("changed");
    let node = Node::start(home.path(), &[]);
    let error = node.ended.await.expect("no panic").expect_err("open to others").to_string();
    assert!(error.contains("peer.key") && error.contains("0644") && error.contains("chmod 600"), "{error}");
}
