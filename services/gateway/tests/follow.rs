//! Following the transactions of the chain by server-sent events.

mod support;

use serde_json::json;
use support::Node;
use support::sse::Events;
use vision_primitives::Hash;
use vision_wire::chain::follow_transactions_response::What;
use vision_wire::chain::{BlockUndone, CaughtUp, GetTransactionRequest};

const PATH: &str = "/api/chain/transactions/events";

fn came_back(id: &str) -> String {
    format!("last-event-id: {id}\r\n")
}

fn undone(height: u64) -> What {
    What::Undo(BlockUndone { height, block_hash: "ab".repeat(32) })
}

#[tokio::test]
async fn transactions_undone_blocks_and_catching_up_are_sent_and_streams_resume() {
    let node = Node::start().await;
    let signed = node.chain.block(4).transactions()[0].clone();
    let request = GetTransactionRequest { hash: signed.hash().to_string(), with_proof: false };
    let info = node.chain.transaction(&request).expect("there").transaction.expect("there");
    let mut events = Events::open_at(&node, PATH, "").await;
    events.until_line(": nothing happened").await;
    let log = &node.chain.pool.2;
    log.publish(Some(What::Transaction(info)));
    log.publish(Some(undone(4)));
    log.publish(Some(What::CaughtUp(CaughtUp { height: 3 })));

    let first = events.next().await;
    assert_eq!(first.name, "transaction");
    let mut expect = node.get(&format!("/api/transactions/{}", signed.hash())).await.json();
    expect["cursor"] = json!(first.id);
    assert_eq!(first.data, expect, "as it is alone, and its cursor");
    for name in ["height", "block_hash", "index", "finalized", "transaction"] {
        assert!(!first.data[name].is_null(), "{name}");
    }
    let second = events.next().await;
    assert_eq!(second.name, "undo");
    let expect = json!({ "cursor": second.id, "height": 4, "block_hash": "ab".repeat(32) });
    assert_eq!(second.data, expect);
    let third = events.next().await;
    assert_eq!(
        (third.name.as_str(), &third.data),
        ("caught_up", &json!({ "cursor": third.id, "height": 3 }))
    );
    drop(events);
    // Whoever comes back goes on behind what was seen, however the stream was opened at first.
    let path = format!("{PATH}?from={}", third.id);
    for (path, header) in [(path.as_str(), came_back(&first.id)), (PATH, came_back(&first.id))] {
        assert_eq!(Events::open_at(&node, path, &header).await.next().await, second, "{path}");
    }
    assert_eq!(Events::open_at(&node, &format!("{PATH}?from={}", second.id), "").await.next().await, third);
}

#[tokio::test]
async fn what_is_wanted_is_passed_on_and_checked() {
    let node = Node::start().await;
    let address = Hash([7; 32]).to_string();
    let path = format!("{PATH}?address=0x{address}&data_prefix=646f63&from=12.3");
    let gap = Events::open_at(&node, &path, "").await.next().await;
    // The fake knows no such cursor.
    assert_eq!((gap.name.as_str(), &gap.data["reason"]), ("gap", &json!("INVALID_CURSOR")));
    let asked = node.chain.pool.lock().followed.remove(0);
    assert_eq!((asked.address, &asked.data_prefix[..], asked.cursor), (address, &b"doc"[..], "12.3".into()));
    for query in ["?address=ab", "?data_prefix=zz", "?sender=ab", "?from=1&from=2"] {
        assert_eq!(node.get(&format!("{PATH}{query}")).await.status, 400, "{query}");
    }
}

#[tokio::test]
async fn a_stream_outlasts_the_chain_service_and_says_what_it_missed() {
    let mut node = Node::start().await;
    let mut events = Events::open_at(&node, PATH, "").await;
    events.until_line(": nothing happened").await;
    let address = node.chain_server.take().expect("running").kill().await;
    events.until_line(": the chain service is down: the stream continues when it is back").await;
    node.chain_server = Some(node.chain.serve(address).await);
    node.chain.pool.2.publish(Some(undone(9)));
    assert_eq!(events.next().await.name, "undo", "the cursor is known: nothing is missed");
}

#[tokio::test]
async fn who_finds_no_place_is_refused_and_who_finds_one_is_heard() {
    let node = Node::start_with(|config| {
        config.trusted_proxies = vec!["127.0.0.1".parse().expect("an address")];
    })
    .await;
    // More than a connection with the chain service bears; each client has but a few.
    let mut open = Vec::new();
    for number in 0..300 {
        let client = format!("x-forwarded-for: 192.0.2.{}\r\n", number / 10);
        open.push(Events::open_at(&node, PATH, &client).await);
    }
    let mut refused = 0;
    for events in &mut open {
        loop {
            match events.line().await.as_deref() {
                Some(": too many streams are open") => {
                    refused += 1;
                    break;
                }
                Some(": nothing happened") => break,
                Some(line) => assert!(!line.contains("is away"), "it is not"),
                None => break,
            }
        }
    }
    assert!((1..300).contains(&refused), "{refused}");
}
