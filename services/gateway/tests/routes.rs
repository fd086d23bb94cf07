//! Every route against fakes of the four services.

mod support;

use serde_json::json;
use std::collections::BTreeSet;
use support::Node;
use support::chain::GENESIS_TIME;
use support::others::mining_status;
use vision_primitives::{Slot, hash};

/// Text that is written over several lines, as the one line that it is.
fn one_line(text: &str) -> String {
    text.lines().map(str::trim_start).collect()
}

#[tokio::test]
async fn mining_status_is_exactly_the_documents() {
    let node = Node::start().await;
    let answer = node.get_until("/api/mining/status", |answer| answer.status == 200).await;
    assert_eq!(answer.header("content-type"), Some("application/json"));
    let [a, b, c, d] = ["aa", "bb", "cc", "dd"].map(|byte| byte.repeat(32));
    let expect = format!(
        r#"{{"next_height":6,"current_winner":"{a}","backups":["{b}","{c}"],"my_node_id":"{b}",
           "my_slot":1,"eligible":true,"sync_state":"AtTip","local_height":5,"network_height":5,
           "lag_blocks":0,"eligible_pool_size":3,"ready_peers":2,"eligible_streak":5,
           "recent_claims":[[4,{{"winner_id":"{b}","tip_hash":"0x{d}","claimed_at":1702668960000,
           "slot_idx":0}}]]}}"#
    );
    assert_eq!(answer.body, one_line(&expect));
    node.producer.log.publish(mining_status(7));
    let moved = node.get_until("/api/mining/status", |answer| answer.json()["next_height"] == 7).await;
    assert_eq!(moved.json()["local_height"], 6);
}

#[tokio::test]
async fn status_combines_chain_and_oracle() {
    let node = Node::start().await;
    let answer = node.get("/api/status").await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let mut value = answer.json();
    let now_ms = value["now_ms"].take().as_u64().expect("a time");
    assert!(now_ms > GENESIS_TIME, "{now_ms}");
    assert!(value["uptime_seconds"].take().as_u64().expect("a duration") < 60);
    assert!(value["measured_ms_ago"].take().is_u64());
    let expect = json!({
        "node_id": node.chain.ids()[0],
        "chain_id": "vision-testnet-1",
        "genesis_hash": node.chain.genesis_hash.to_string(),
        "version": "1.2.3",
        "height": 5,
        "tip_hash": node.chain.block(5).hash().to_string(),
        "finalized_height": 1,
        "safe_height": 2,
        "sync_state": "CatchingUp",
        "eligible": false,
        "not_eligible_because": "LAGGING: 1 block behind",
        "ready_peers": 2,
        "now_ms": null,
        "uptime_seconds": null,
        "traces_exported": false,
        "network_height": 6,
        "lag_blocks": 1,
        "eligible_streak": 0,
        "measured_ms_ago": null,
    });
    assert_eq!(value, expect);
    let order = ["node_id", "chain_id", "genesis_hash", "version", "height", "tip_hash", "finalized_height"];
    assert_eq!(answer.keys()[..7], order);
}

#[tokio::test]
async fn params_are_flat_and_in_the_protocols_order() {
    let node = Node::start().await;
    let genesis = node.chain.genesis_hash;
    let expect = format!(
        r#"{{"chain_id":"vision-testnet-1","genesis_hash":"{genesis}",
           "genesis_time_ms":1700000000000,"block_interval_ms":700,"claim_timeout_ms":1200,
           "backup_slots":6,"jitter_min_ms":50,"jitter_max_ms":400,"max_desync_blocks":2,
           "min_ready_peers":1,"eligible_streak_required":3,"max_missed_slots":3,"max_block_txs":500,
           "max_block_bytes":1048576,"max_clock_drift_ms":500,"max_producers":100,
           "block_reward":"50","min_fee":"1","entropy":"prev_hash","finality":"cft"}}"#
    );
    assert_eq!(node.get("/api/chain/params").await.body, one_line(&expect));
}

#[tokio::test]
async fn a_block_by_height_or_hash_with_its_transactions() {
    let node = Node::start().await;
    let block = node.chain.block(4);
    let header = block.header();
    let trace = hash(&[b"vision/trace/v1", node.chain.genesis_hash.as_bytes(), &4_u64.to_le_bytes()]);
    let zeros = "00".repeat(32);
    let sender = &node.chain.keys[0].public_key();
    let common = |at: usize| {
        let tx = &block.transactions()[at];
        let mut view = json!({
            "hash": tx.hash().to_string(), "bytes": hex::encode(tx.bytes()),
            "sender": sender.id().to_string(), "sender_public_key": sender.to_string(),
            "nonce": at, "fee": (10 + at).to_string(), "signature": tx.signature().to_string(),
        });
        let own = [
            json!({"type": "transfer", "to": "09".repeat(32), "amount": "18446744073709551615"}),
            json!({"type": "data", "data": "cafe"}),
            json!({"type": "register_producer", "public_key": node.chain.keys[2].public_key().to_string(),
                   "payout": "05".repeat(32), "proof_of_possession": "06".repeat(64)}),
            json!({"type": "exit_producer"}),
            json!({"type": "sync_proof", "block_height": 3, "block_hash": "07".repeat(32)}),
        ];
        let own = own[at].as_object().expect("an object").clone();
        view.as_object_mut().expect("an object").extend(own);
        view
    };
    let expect = json!({
        "version": 1, "height": 4, "hash": block.hash().to_string(),
        "parent": node.chain.block(3).hash().to_string(), "timestamp_ms": GENESIS_TIME + 8000, "slot": 0,
        "producer": header.producer.to_string(), "tx_root": header.tx_root.to_string(),
        "state_root": "02".repeat(32), "pool_root": header.pool_root.to_string(), "weight": 28,
        "certificate_hash": zeros, "certificate": null, "reveal": zeros, "mix": zeros, "tx_count": 5,
        "signature": "04".repeat(64), "header": hex::encode(block.header_bytes()),
        "trace_id": hex::encode(&trace.as_bytes()[..16]), "canonical": true, "finalized": false,
        "size_bytes": block.size_bytes(), "transactions": (0..5).map(common).collect::<Vec<_>>(),
    });
    for id in ["4".to_owned(), block.hash().to_string(), format!("0x{}", block.hash())] {
        let answer = node.get(&format!("/api/chain/blocks/{id}")).await;
        assert_eq!((answer.status, answer.json()), (200, expect.clone()), "{id}");
    }
}

#[tokio::test]
async fn block_zero_has_neither_header_nor_signature() {
    let node = Node::start().await;
    let value = node.get("/api/chain/blocks/0").await.json();
    let genesis_hash = node.chain.genesis_hash.to_string();
    let zeros = "00".repeat(32);
    for (key, expect) in [
        ("height", json!(0)),
        ("hash", json!(genesis_hash)),
        ("parent", json!(zeros)),
        ("timestamp_ms", json!(GENESIS_TIME)),
        ("slot", json!(0)),
        ("weight", json!(0)),
        ("mix", json!(genesis_hash)),
        ("header", json!("")),
        ("signature", json!("")),
        ("tx_count", json!(0)),
        ("transactions", json!([])),
    ] {
        assert_eq!(value[key], expect, "{key}");
    }
}

#[tokio::test]
async fn lists_of_blocks() {
    let node = Node::start().await;
    let heights = |value: &serde_json::Value| -> Vec<u64> {
        value["blocks"]
            .as_array()
            .expect("a list")
            .iter()
            .map(|b| b["height"].as_u64().expect("a height"))
            .collect()
    };
    for (query, expect, next) in [
        ("", vec![0, 1, 2, 3, 4, 5], json!(null)),
        ("?from=2&limit=2", vec![2, 3], json!(4)),
        ("?from=4", vec![4, 5], json!(null)),
        ("?from=6", vec![], json!(null)),
    ] {
        let value = node.get(&format!("/api/chain/blocks{query}")).await.json();
        assert_eq!((heights(&value), &value["next_from"]), (expect, &next), "{query}");
        assert!(value["blocks"].as_array().expect("a list").iter().all(|b| b.get("transactions").is_none()));
    }
    for (query, expect, next) in [
        ("?before=99&limit=2", vec![5, 4], json!(4)),
        ("?before=4&limit=2", vec![3, 2], json!(2)),
        ("?before=2&limit=2", vec![1, 0], json!(null)),
        ("?before=2", vec![1, 0], json!(null)),
        ("?before=0", vec![], json!(null)),
    ] {
        let value = node.get(&format!("/api/chain/blocks{query}")).await.json();
        assert_eq!((heights(&value), &value["next_before"]), (expect, &next), "{query}");
    }
    for (query, expect, next) in [
        ("?limit=2", vec![5, 4], json!(4)),
        ("?before=4&limit=2", vec![3, 2], json!(2)),
        ("?before=2&limit=1", vec![1], json!(null)),
        ("?before=1", vec![], json!(null)),
    ] {
        let value = node.get(&format!("/api/mining/history{query}")).await.json();
        assert_eq!((heights(&value), &value["next_before"]), (expect, &next), "{query}");
    }
    let history = node.get("/api/mining/history?limit=3").await.json();
    assert_eq!(heights(&history), [5, 4, 3]);
    let third = node.chain.block(3);
    let expect = json!({
        "height": 3, "hash": third.hash().to_string(), "producer": third.header().producer.to_string(),
        "slot": 2, "timestamp_ms": GENESIS_TIME + 6000,
    });
    assert_eq!(history["blocks"][2], expect);
    assert_eq!(heights(&node.get("/api/mining/history").await.json()), [5, 4, 3, 2, 1], "without block 0");
}

#[tokio::test]
async fn producers_and_peers() {
    let node = Node::start().await;
    for (query, height) in [("", 5), ("?height=0", 0), ("?height=3", 3)] {
        let value = node.get(&format!("/api/chain/producers{query}")).await.json();
        assert_eq!(value["height"], height, "{query}");
        assert_eq!(value["active"], json!(node.chain.ids()));
        let first = json!({
            "node_id": node.chain.ids()[0], "public_key": node.chain.keys[0].public_key().to_string(),
            "payout": "05".repeat(32), "status": "active", "missed": 1, "suspensions": 0, "suspended_at": 0,
            "may_return_at": 0,
        });
        assert_eq!(value["registered"][0], first);
    }
    let expect = json!({"peers": [{
        "node_id": "ab".repeat(32), "address": "127.0.0.1:7073", "state": "connected", "height": 5,
        "tip_hash": "cd".repeat(32), "rtt_ms": 0.5, "clock_offset_ms": null, "version": "0.1.0",
        "inbound": true, "last_status_at_ms": 17, "charge": 3,
    }]});
    assert_eq!(node.get("/api/peers").await.json(), expect);
}

#[tokio::test]
async fn schedules_of_the_next_and_of_past_heights() {
    let node = Node::start().await;
    for (query, height, slots) in [
        ("", 6_u64, vec![0, 1, 2, 3, 4, 5, 6]),
        ("?height=6&slots=0,9", 6, vec![0, 9]),
        ("?height=1&slots=5-8", 1, vec![5, 6, 7, 8]),
        ("?height=4", 4, vec![0, 1, 2, 3, 4, 5, 6]),
    ] {
        let answer = node.get(&format!("/api/mining/schedule{query}")).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let value = answer.json();
        let expect = node.chain.schedule(height - 1);
        let parent = match height {
            1 => node.chain.genesis_hash.to_string(),
            _ => node.chain.block(height - 1).hash().to_string(),
        };
        let windows: Vec<_> = slots
            .iter()
            .map(|slot| {
                let window = expect.window(Slot(*slot));
                json!({
                    "slot": slot, "node_id": window.owner.to_string(),
                    "opens_at_ms": window.opens_at.get(), "jitter_ms": window.jitter_ms,
                    "closes_at_ms": window.closes_at.get(), "draw": "", "lap": 0, "place": 0, "picked": 0,
                })
            })
            .collect();
        let expect = json!({
            "chain_id": "vision-testnet-1", "height": height, "parent": parent,
            "parent_timestamp_ms": GENESIS_TIME + 2000 * (height - 1),
            "epoch_salt": vision_schedule::epoch_salt("vision-testnet-1").to_string(), "entropy": parent,
            "seed": expect.seed().to_string(), "active": node.chain.ids(),
            "registered": node.chain.ids(), "slots": windows,
        });
        assert_eq!(value, expect, "{query}");
    }
}

#[tokio::test]
async fn stats_are_those_of_the_chain_service() {
    let node = Node::start().await;
    let expect = format!(
        r#"{{"from_height":1,"to_height":5,"blocks":5,"producers":[{{"node_id":"{}","primary":2,
           "backup":1,"tail":0,"missed":4,"rewards":"36893488147419103230","share":0.6,
           "expected_share":0.25}}],"interval_median_ms":2000,"interval_max_ms":2000}}"#,
        node.chain.ids()[0]
    );
    assert_eq!(node.get("/api/mining/stats").await.body, one_line(&expect));
}

#[tokio::test]
async fn every_route_of_the_document_is_there() {
    let node = Node::start().await;
    let document = include_str!("../../../docs/rest.md");
    let rows = document.lines().filter_map(|line| line.strip_prefix("| `/")?.split_once(" |"));
    let paths = rows.flat_map(|(routes, _)| routes.split(", ").map(|route| route.trim_matches(['`', '/'])));
    let paths: Vec<String> = paths
        .map(|path| path.split('?').next().unwrap_or_default())
        .map(|path| path.split_once('{').map_or(path.to_owned(), |(before, _)| format!("{before}5")))
        .collect();
    assert!(paths.len() >= 15, "{paths:?}");
    for path in paths.iter().filter(|path| !path.ends_with("events")) {
        let answer = node.get(&format!("/{path}")).await;
        assert_ne!(answer.status, 404, "{path}: {answer:?}");
    }
}

/// The first list of names in a row of the document's table, and whatever single names stand behind it up to
/// the full stop.
fn documented(document: &str, row: &str) -> BTreeSet<String> {
    let start = format!("| {row} | ");
    let text = document.lines().find_map(|line| line.strip_prefix(&start)).expect(row);
    let sentence = text.split(". ").next().unwrap_or_default();
    let names = sentence.split('`').skip(1).step_by(2).flat_map(|names| names.split(", "));
    names.map(str::to_owned).collect()
}

#[tokio::test]
async fn the_document_lists_every_field_of_peers_accounts_and_producers() {
    let node = Node::start().await;
    let document = include_str!("../../../docs/rest.md");
    let account = format!("/api/accounts/{}?proof=true", "05".repeat(32));
    let cases = [
        ("peer", "/api/peers".to_owned(), "/peers/0"),
        ("account", account, ""),
        ("producer", "/api/chain/producers".to_owned(), "/registered/0"),
    ];
    for (row, path, pointer) in cases {
        let answer = node.get(&path).await;
        assert_eq!(answer.status, 200, "{row}: {answer:?}");
        let answer = answer.json();
        let fields = answer.pointer(pointer).and_then(|entry| entry.as_object()).expect(row);
        let fields: BTreeSet<String> = fields.keys().cloned().collect();
        assert_eq!(documented(document, row), fields, "{row}");
    }
}
