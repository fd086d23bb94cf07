//! The dashboard's files.

mod support;

use support::{Node, http};

#[tokio::test]
async fn the_page_comes_with_a_policy_that_lets_nothing_else_in() {
    let node = Node::start().await;
    let (mut total, mut files) = (0, vec!["/".to_owned()]);
    let index = node.get("/").await;
    // All that the page names lies beside it.
    for part in index.body.split(['"', '\'']).filter(|part| part.ends_with(".js") || part.ends_with(".css")) {
        files.push(format!("/{part}"));
    }
    files.sort();
    files.dedup();
    assert!((3..=5).contains(&files.len()), "{files:?}");
    for path in &files {
        let answer = node.get(path).await;
        assert_eq!(answer.status, 200, "{path}");
        let policy = answer.header("content-security-policy").expect("a policy");
        assert!(policy.starts_with("default-src 'none'; script-src 'self'; style-src 'self';"), "{policy}");
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
        assert_eq!(answer.header("cache-control"), Some("no-cache"));
        let tag = answer.header("etag").expect("a tag");
        let head = format!(
            "GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\nif-none-match: {tag}\r\n\r\n"
        );
        let again = http::parse(&http::raw(node.gateway.address, head.as_bytes()).await);
        assert_eq!((again.status, again.body.as_str()), (304, ""), "{path}");
        total += answer.body.len();
    }
    assert!(total <= 150 << 10, "{total} bytes");
    assert_eq!(node.get("/favicon.ico").await.status, 204, "no picture, and no fault");
    // Nor does any link lead to another host, or to nothing.
    let links = index.body.split("href=\"").skip(1).filter_map(|rest| rest.split('"').next());
    let links: Vec<&str> = links.filter(|link| !link.starts_with('#')).collect();
    assert!(links.contains(&"protocol.txt") && links.contains(&"api/openapi.json"), "{links:?}");
    for link in links {
        assert!(!link.contains(':') && !link.starts_with('/'), "{link}");
        assert_eq!(node.get(&format!("/{link}")).await.status, 200, "{link}");
    }
    let protocol = node.get("/protocol.txt").await;
    assert_eq!(protocol.header("content-type"), Some("text/plain; charset=utf-8"));
    assert_eq!(protocol.body, include_str!("../../../docs/protocol.md"));
}
