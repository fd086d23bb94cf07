//! All that a page shows first, whatever services are away.

mod support;

use serde_json::Value;
use support::Node;
use support::http::Answer;

const PATH: &str = "/api/overview";
/// Parts that a service reports.
const PARTS: [&str; 12] = [
    "services",
    "node",
    "health",
    "nodes",
    "mining",
    "schedule",
    "tree",
    "stats",
    "propagation",
    "pending",
    "chain",
    "blocks",
];

/// Every part is there, and every one that is null is named in `missing`, and no other.
fn checked(answer: &Answer) -> Value {
    assert_eq!(answer.status, 200, "{answer:?}");
    let value = answer.json();
    for part in PARTS {
        let is_null = value.get(part).unwrap_or_else(|| panic!("{part} is not there: {value}")).is_null();
        let why = value["missing"][part].as_str();
        assert_eq!(is_null, why.is_some_and(|why| !why.is_empty()), "{part}: {value}");
    }
    value
}

#[tokio::test]
async fn what_is_missing_is_named_with_the_reason_and_comes_back() {
    let mut node = Node::start().await;
    let first = checked(&node.get(PATH).await);
    let selection = node.selection_server.as_ref().expect("running").address;
    assert_eq!(first["selection_address"], format!("http://{selection}"));
    let of =
        |part: &'static str, is_there: bool| move |answer: &Answer| answer.json()[part].is_null() != is_there;
    checked(&node.get_until(PATH, of("mining", true)).await);

    let address = node.producer_server.take().expect("running").kill().await;
    let without = checked(&node.get_until(PATH, of("mining", false)).await);
    assert!(without["missing"]["mining"].as_str().expect("why").contains("producer"), "{without}");
    node.producer_server = Some(node.producer.serve(address).await);
    checked(&node.get_until(PATH, of("mining", true)).await);

    let address = node.chain_server.take().expect("running").kill().await;
    let without = checked(&node.get_until(PATH, of("chain", false)).await);
    for part in ["chain", "blocks", "schedule", "stats", "pending"] {
        assert!(without["missing"][part].as_str().expect("why").contains("chain"), "{part}: {without}");
    }
    node.chain_server = Some(node.chain.serve(address).await);
    checked(&node.get_until(PATH, of("blocks", true)).await);
    checked(&node.get_until(PATH, of("pending", true)).await);
}
