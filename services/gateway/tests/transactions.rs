//! Handing in transactions, finding them, following them, and accounts.
#![expect(clippy::disallowed_methods, reason = "a test waits in real time, with a deadline")]

mod support;

use serde_json::json;
use support::http::post;
use support::pool::{DROPPED, ITS_HEIR, behind_a_gap, dropped, waiting};
use support::sse::Events;
use support::{Node, SOON, allow_one_client};
use vision_primitives::{Action, Hash, SecretKey, SignedTransaction, Transaction, hash};
use vision_wire::chain::Included;
use vision_wire::chain::transaction_info::Place;
use vision_wire::{Reason, status};

fn transfer(node: &Node, nonce: u64) -> SignedTransaction {
    let key = SecretKey::from_seed(&[9; 32]);
    let action = Action::Transfer { to: Hash([1; 32]), amount: 5 };
    Transaction { sender: key.public_key(), nonce, fee: 1, action }.sign(&key, &node.chain.genesis_hash)
}

fn one(transaction: &SignedTransaction, wait: bool) -> String {
    json!({ "transaction": hex::encode(transaction.bytes()), "wait": wait }).to_string()
}

#[tokio::test]
async fn one_is_submitted() {
    let node = Node::start().await;
    let transaction = transfer(&node, 0);
    let answer = node.post("/api/transactions", &one(&transaction, false)).await;
    assert_eq!(answer.status, 202, "{answer:?}");
    assert_eq!(answer.body, format!(r#"{{"hash":"{}","status":"pending"}}"#, transaction.hash()));
    assert_eq!(node.chain.pool.lock().submitted, [(transaction.bytes().to_vec(), false)]);
    node.chain.pool.lock().ends_in = Some(behind_a_gap());
    let answer = node.post("/api/transactions", &one(&transaction, false)).await;
    assert_eq!(answer.json()["missing_nonce"], 3, "{answer:?}");
}

#[tokio::test]
async fn one_that_is_waited_for_is_answered_as_it_stands_in_the_end() {
    let node = Node::start().await;
    let transaction = transfer(&node, 0);
    let included = Included { height: 4, block_hash: "aa".repeat(32), index: 2, ..Included::default() };
    let cases = [
        (
            "it waits still",
            waiting(),
            202,
            json!({ "status": "pending", "since_ms": 17, "missing_nonce": null }),
        ),
        ("behind a gap", behind_a_gap(), 202, json!({ "status": "pending", "missing_nonce": 3 })),
        (
            "a block has it",
            Place::Included(included),
            200,
            json!({
                "status": "included", "height": 4, "block_hash": "aa".repeat(32), "index": 2,
                "finalized": false,
            }),
        ),
        (
            "another took its place",
            dropped(),
            200,
            json!({
                "status": "dropped", "reason": "REPLACED", "at_ms": 18, "replaced_by": ITS_HEIR.to_string(),
            }),
        ),
    ];
    for (desc, ends_in, status, expect) in cases {
        node.chain.pool.lock().ends_in = Some(ends_in);
        let answer = node.post("/api/transactions", &one(&transaction, true)).await;
        assert_eq!(answer.status, status, "{desc}: {answer:?}");
        let value = answer.json();
        assert_eq!(value["hash"], transaction.hash().to_string(), "{desc}");
        assert_eq!(value["transaction"]["amount"], "5", "{desc}");
        for (key, expect) in expect.as_object().expect("an object") {
            assert_eq!(&value[key], expect, "{desc}, {key}");
        }
    }
    assert!(node.chain.pool.lock().submitted.iter().all(|(_, wait)| *wait));
}

#[tokio::test]
async fn many_are_judged_one_by_one() {
    let node = Node::start().await;
    let good = [transfer(&node, 0), transfer(&node, 5)];
    let texts = [hex::encode(good[0].bytes()), "beef".into(), hex::encode(good[1].bytes())];
    let answer = node.post("/api/transactions", &json!({ "transactions": texts }).to_string()).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let value = answer.json();
    let results = value["results"].as_array().expect("a list");
    assert_eq!(results[0], json!({ "hash": good[0].hash().to_string(), "accepted": true }));
    let behind_a_gap = json!({ "hash": good[1].hash().to_string(), "accepted": true, "missing_nonce": 3 });
    assert_eq!(results[2], behind_a_gap);
    let detail = &results[1]["detail"];
    assert!(detail.as_str().is_some_and(|detail| detail.contains("transaction")), "{detail}");
    let expect =
        json!({ "accepted": false, "reason": "INVALID_TRANSACTION", "rule": "MALFORMED", "detail": detail });
    assert_eq!(results[1], expect);
    assert_eq!(node.chain.pool.lock().batches, [3]);
}

#[tokio::test]
async fn refusals_keep_their_reason() {
    let node = Node::start().await;
    let cases = [
        (Reason::InvalidTransaction, 422, None),
        (Reason::TransactionKnown, 409, None),
        (Reason::NonceGap, 409, None),
        (Reason::PoolFull, 429, Some("2")),
        (Reason::Overloaded, 429, Some("2")),
        (Reason::StoreUnavailable, 503, Some("1")),
    ];
    let transaction = transfer(&node, 0);
    let many = json!({ "transactions": [hex::encode(transaction.bytes())] }).to_string();
    for (reason, expect, retry_after) in cases {
        let refusal = status(reason, "so it is", &[("rule", "SOME_RULE".into())]);
        node.chain.pool.lock().refusal = Some(refusal);
        for body in [one(&transaction, false), one(&transaction, true), many.clone()] {
            let answer = node.post("/api/transactions", &body).await;
            let value = answer.json();
            assert_eq!((answer.status, &value["reason"]), (expect, &json!(reason.as_str())), "{answer:?}");
            assert_eq!(
                (&value["detail"], &value["metadata"]["rule"]),
                (&json!("so it is"), &json!("SOME_RULE"))
            );
            assert_eq!(answer.header("retry-after"), retry_after, "{reason:?}");
        }
    }
}

#[tokio::test]
async fn bad_requests_reach_no_service() {
    let node = Node::start().await;
    let long = format!(r#"{{"transaction":"{}"}}"#, "a".repeat(2 << 20));
    let (loud, some) = ("AB".repeat(32), "ab".repeat(32));
    let prefixed = format!("0x{some}");
    let bodies = [
        ("no body", "", 400, "INVALID_ARGUMENT"),
        ("no hex", r#"{"transaction":"xy"}"#, 400, "INVALID_ARGUMENT"),
        ("too long", &long, 413, "MESSAGE_TOO_LARGE"),
    ];
    for (desc, body, status, reason) in bodies {
        let answer = node.post("/api/transactions", body).await;
        assert_eq!((answer.status, answer.json()["reason"].as_str()), (status, Some(reason)), "{desc}");
    }
    let paths = [
        (format!("/api/transactions/{loud}"), 400, "INVALID_HASH"),
        ("/api/transactions/17".into(), 400, "INVALID_HASH"),
        (format!("/api/transactions/{some}?proof=1"), 400, "INVALID_ARGUMENT"),
        (format!("/api/transactions/{some}"), 404, "TRANSACTION_NOT_FOUND"),
        (format!("/api/transactions/{prefixed}"), 404, "TRANSACTION_NOT_FOUND"),
        (format!("/api/transactions/0x{prefixed}"), 400, "INVALID_HASH"),
        (format!("/api/accounts/{loud}"), 400, "INVALID_HASH"),
        (format!("/api/accounts/{some}?prof=true"), 400, "INVALID_ARGUMENT"),
        ("/api/transactions".into(), 400, "INVALID_ARGUMENT"),
        ("/api/transactions/events?address=1".into(), 400, "INVALID_HASH"),
    ];
    for (path, status, reason) in paths {
        let answer = node.get(&path).await;
        assert_eq!(
            (answer.status, answer.json()["reason"].as_str()),
            (status, Some(reason)),
            "{path}: {answer:?}"
        );
    }
    assert!(node.chain.pool.lock().submitted.is_empty());
    let other = post(node.gateway.address, "/api/status", "{}").await;
    assert_eq!((other.status, other.header("allow")), (405, Some("GET,HEAD,OPTIONS")));
}

#[tokio::test]
async fn a_transaction_is_found_wherever_it_is() {
    let node = Node::start().await;
    let block = node.chain.block(4);
    let in_block = node.get("/api/chain/blocks/4").await.json();
    let trace = hash(&[b"vision/trace/v1", node.chain.genesis_hash.as_bytes(), &4_u64.to_le_bytes()]);
    for (at, transaction) in block.transactions().iter().enumerate() {
        let value = node.get(&format!("/api/transactions/{}", transaction.hash())).await.json();
        let expect = json!({
            "hash": transaction.hash().to_string(), "status": "included", "height": 4,
            "block_hash": block.hash().to_string(), "index": at, "finalized": false,
            "trace_id": hex::encode(&trace.as_bytes()[..16]), "transaction": in_block["transactions"][at],
        });
        assert_eq!(value, expect);
    }
    let gone = node.get(&format!("/api/transactions/{DROPPED}")).await.json();
    let expect = json!({
        "hash": DROPPED.to_string(), "status": "dropped", "reason": "REPLACED", "at_ms": 18,
        "replaced_by": ITS_HEIR.to_string(),
    });
    assert_eq!(gone, expect);
    let transaction = transfer(&node, 3);
    node.post("/api/transactions", &one(&transaction, false)).await;
    let value = node.get(&format!("/api/transactions/{}", transaction.hash())).await.json();
    assert_eq!((&value["status"], &value["since_ms"]), (&json!("pending"), &json!(17)));
    assert_eq!(
        (&value["transaction"]["nonce"], &value["transaction"]["to"]),
        (&json!(3), &json!("01".repeat(32)))
    );
}

#[tokio::test]
async fn proofs_bear_all_that_is_needed_to_check_them() {
    let node = Node::start().await;
    let block = node.chain.block(4);
    let (genesis_hash, header) = (node.chain.genesis_hash.to_string(), hex::encode(block.header_bytes()));
    // Five leaves: the last is carried up twice and has one neighbour.
    for (at, steps) in [(0, ["right"; 3].as_slice()), (3, &["left", "left", "right"]), (4, &["left"])] {
        let hash = block.transactions()[at].hash();
        let proof = node.get(&format!("/api/transactions/{hash}?proof=true")).await.json()["proof"].take();
        assert_eq!((&proof["genesis_hash"], &proof["header"]), (&json!(genesis_hash), &json!(header)));
        let key = node.chain.keys[4 % 3].public_key();
        let seal = (&proof["signature"], &proof["producer"], &proof["producer_public_key"]);
        let expect = (json!("04".repeat(64)), json!(key.id()), json!(key));
        assert_eq!(seal, (&expect.0, &expect.1, &expect.2));
        let reported = proof["steps"].as_array().expect("a list");
        let sides: Vec<&str> = reported.iter().map(|step| step["side"].as_str().expect("a side")).collect();
        assert_eq!(sides, steps);
        assert!(reported.iter().all(|step| step["hash"].as_str().is_some_and(|text| text.len() == 64)));
    }
    let address = "ab".repeat(32);
    let plain = json!({
        "address": address, "balance": "18446744073709551615", "nonce": 7, "pending_nonce": 9, "height": 5,
    });
    assert_eq!(node.get(&format!("/api/accounts/{address}")).await.json(), plain);
    assert_eq!(node.get(&format!("/api/accounts/0x{address}")).await.json(), plain);
    let mut proven = node.get(&format!("/api/accounts/{address}?proof=true")).await.json();
    let expect = json!({
        "genesis_hash": genesis_hash, "header": hex::encode(node.chain.block(5).header_bytes()),
        "block_hash": node.chain.block(5).hash().to_string(), "state_root": "02".repeat(32),
        "account_proof": "010203", "signature": "04".repeat(64),
        "producer": node.chain.keys[5 % 3].public_key().id(),
        "producer_public_key": node.chain.keys[5 % 3].public_key(),
    });
    assert_eq!(proven["proof"].take(), expect);
    proven.as_object_mut().expect("an object").remove("proof");
    assert_eq!(proven, plain);
}

#[tokio::test]
async fn who_waits_and_who_watches_does_not_hold_up_the_stop() {
    let node = Node::start().await;
    node.chain.pool.lock().hangs = true;
    let (address, body) = (node.gateway.address, one(&transfer(&node, 0), true));
    let waiting = tokio::spawn(async move { post(address, "/api/transactions", &body).await });
    let mut events = Events::open(&node, "").await;
    events.nothing().await;
    let deadline = tokio::time::Instant::now() + SOON;
    while node.chain.pool.lock().submitted.is_empty() {
        assert!(tokio::time::Instant::now() < deadline, "the transaction reaches the chain");
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    let begin = tokio::time::Instant::now();
    node.gateway.stop().await;
    assert!(begin.elapsed() < std::time::Duration::from_secs(4), "{:?}", begin.elapsed());
    let answer = waiting.await.expect("no panic");
    assert_eq!((answer.status, answer.json()["reason"].as_str()), (503, Some("SHUTTING_DOWN")));
}

#[tokio::test]
async fn who_waits_holds_up_nobody_else() {
    const PLACES: usize = 128;
    let node = Node::start_with(allow_one_client(1000, 1000)).await;
    node.chain.pool.lock().hangs = true;
    let (address, body) = (node.gateway.address, one(&transfer(&node, 0), true));
    let mut waiting = tokio::task::JoinSet::new();
    for _ in 0..PLACES {
        let body = body.clone();
        waiting.spawn(async move { post(address, "/api/transactions", &body).await });
    }
    let deadline = tokio::time::Instant::now() + SOON;
    while node.chain.pool.lock().submitted.len() < PLACES {
        assert!(tokio::time::Instant::now() < deadline, "all reach the chain");
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    let refused = node.post("/api/transactions", &body).await;
    assert_eq!((refused.status, refused.json()["reason"].as_str()), (429, Some("OVERLOADED")), "{refused:?}");
    node.chain.pool.lock().hangs = false;
    assert_eq!(node.post("/api/transactions", &one(&transfer(&node, 1), false)).await.status, 202);
    assert_eq!(node.get("/api/status").await.status, 200);
}
