//! Lists of transactions: by sender and by data, and those that wait.

mod support;

use serde_json::json;
use support::Node;
use vision_primitives::Hash;

#[tokio::test]
async fn transactions_are_listed_by_sender_and_data() {
    let node = Node::start().await;
    let block = node.chain.block(4);
    let count = block.transactions().len();
    assert!(count > 1);
    let sender = Hash([0xab; 32]).to_string();
    let answer = node.get(&format!("/api/transactions?sender=0x{sender}&data_prefix=646f63&limit=1")).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.keys()[..1], ["transactions"]);
    let value = answer.json();
    assert_eq!((&value["next_page_token"], &value["up_to_height"]), (&json!("more"), &json!(5)));
    let newest = block.transactions().last().expect("one at least").hash().to_string();
    let [listed] = &value["transactions"].as_array().expect("a list")[..] else { panic!("{value}") };
    assert_eq!(listed, &node.get(&format!("/api/transactions/{newest}")).await.json(), "as it is alone");
    let asked = node.chain.pool.lock().listed.pop().expect("asked");
    assert_eq!((asked.sender, &asked.data_prefix[..], asked.page_size), (sender.clone(), &b"doc"[..], 1));

    let answer = node.get(&format!("/api/transactions?sender={sender}&page_token=more")).await;
    let value = answer.json();
    assert_eq!(value["next_page_token"], json!(null), "{answer:?}");
    assert_eq!(value["transactions"].as_array().map(Vec::len), Some(count));
    let asked = node.chain.pool.lock().listed.pop().expect("asked");
    assert_eq!((asked.page_token.as_str(), asked.page_size), ("more", 50));

    let cases = [
        ("", "INVALID_ARGUMENT"),
        ("?limit=5", "INVALID_ARGUMENT"),
        ("?data_prefix=", "INVALID_ARGUMENT"),
        ("?data_prefix=0x01", "INVALID_ARGUMENT"),
        ("?sender=ab", "INVALID_HASH"),
        ("?data_prefix=01&limit=0", "INVALID_PAGE_SIZE"),
        ("?data_prefix=01&form=1", "INVALID_ARGUMENT"),
    ];
    for (query, reason) in cases {
        let answer = node.get(&format!("/api/transactions{query}")).await;
        let got = (answer.status, answer.json()["reason"].clone());
        assert_eq!(got, (400, json!(reason)), "{query}");
    }
    assert!(node.chain.pool.lock().listed.is_empty(), "none of them was passed on");
}

#[tokio::test]
async fn what_waits_is_listed() {
    let node = Node::start().await;
    let answer = node.get("/api/transactions/pending?limit=2").await;
    let hash = |byte| Hash([byte; 32]).to_string();
    let amount = u64::MAX.to_string();
    let expect = json!({
        "count": 3,
        "bytes": 700,
        "oldest_since_ms": 17,
        "transactions": [
            { "hash": hash(1), "kind": "transfer", "sender": hash(9), "since_ms": 17, "fee": amount,
              "to": hash(5), "amount": amount },
            { "hash": hash(2), "kind": "data", "sender": hash(9), "since_ms": 17, "fee": amount,
              "data": "02" },
        ],
    });
    assert_eq!((answer.status, answer.json()), (200, expect));
    for query in ["?limit=0", "?limit=x", "?page_token=1"] {
        assert_eq!(node.get(&format!("/api/transactions/pending{query}")).await.status, 400, "{query}");
    }
}
