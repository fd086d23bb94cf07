//! Following transactions by server-sent events, as a browser does.
#![expect(clippy::disallowed_methods, reason = "a test waits in real time, with a deadline")]

mod support;

use serde_json::{Value, json};
use support::Node;
use support::pool::{Pool, waiting};
use support::sse::Events;
use vision_primitives::Hash;
use vision_wire::chain::TransactionInfo;

fn info(byte: u8) -> TransactionInfo {
    let hash = Hash([byte; 32]).to_string();
    TransactionInfo { hash, place: Some(waiting()), ..TransactionInfo::default() }
}

fn view(byte: u8) -> Value {
    json!({ "hash": Hash([byte; 32]).to_string(), "status": "pending", "since_ms": 17 })
}

fn came_back(id: &str) -> String {
    format!("last-event-id: {id}\r\n")
}

#[tokio::test]
async fn events_follow_and_resume() {
    let node = Node::start().await;
    let mut events = Events::open(&node, "").await;
    assert!(events.head.contains(&"x-accel-buffering: no".to_owned()), "{:?}", events.head);
    let first = events.nothing().await;
    node.chain.pool.1.publish(vec![info(1), info(2)]);
    assert_eq!(events.next().await.data, json!({ "transactions": [view(1), view(2)] }));
    drop(events);
    node.chain.pool.1.publish(vec![info(3)]);
    let mut events = Events::open(&node, &came_back(&first)).await;
    assert_eq!(events.next().await.data, json!({ "transactions": [view(1), view(2)] }));
    assert_eq!(events.next().await.data, json!({ "transactions": [view(3)] }));
}

#[tokio::test]
async fn what_was_missed_is_said_and_the_stream_goes_on() {
    let node = Node::start().await;
    let first = Events::open(&node, "").await.nothing().await;
    // More than is kept.
    for byte in 0..20 {
        node.chain.pool.1.publish(vec![info(byte)]);
    }
    for (desc, cursor, reason) in [
        ("too old", first.as_str(), "CURSOR_TOO_OLD"),
        ("no cursor", "nonsense", "INVALID_CURSOR"),
        ("no ASCII", "\u{e9}", "INVALID_CURSOR"),
    ] {
        let mut events = Events::open(&node, &came_back(cursor)).await;
        let gap = events.next().await;
        assert_eq!((gap.name.as_str(), &gap.data["reason"]), ("gap", &json!(reason)), "{desc}");
        assert!(gap.data["detail"].is_string(), "{desc}: {gap:?}");
        assert_eq!(events.nothing().await, gap.id, "{desc}");
        // Whoever comes back from there missed nothing.
        drop(events);
        node.chain.pool.1.publish(vec![info(19)]);
        let again = Events::open(&node, &came_back(&gap.id)).await.next().await;
        assert_eq!(
            (again.name.as_str(), again.data),
            ("transactions", json!({ "transactions": [view(19)] }))
        );
    }
}

#[tokio::test]
async fn a_stream_outlasts_the_chain_service() {
    let mut node = Node::start().await;
    let mut staying = Events::open(&node, "").await;
    let seen = staying.nothing().await;
    let address = node.chain_server.take().expect("running").kill().await;
    staying.until_line(": the chain service is down: the stream continues when it is back").await;
    // A browser that comes back meanwhile must see 200, or it gives up for good.
    let mut returning = Events::open(&node, &came_back(&seen)).await;
    returning.until_line("retry: 1000").await;
    returning.until_line(": the chain service is down: the stream continues when it is back").await;

    node.chain.pool = Pool::started(2);
    node.chain.pool.1.publish(vec![info(7)]);
    node.chain_server = Some(node.chain.serve(address).await);
    for events in [&mut staying, &mut returning] {
        let gap = events.next().await;
        assert_eq!((gap.name.as_str(), &gap.data["reason"]), ("gap", &json!("CURSOR_TOO_OLD")));
        events.nothing().await;
    }
    node.chain.pool.1.publish(vec![info(8)]);
    for mut events in [staying, returning] {
        assert_eq!(events.next().await.data, json!({ "transactions": [view(8)] }));
    }
}

#[tokio::test]
async fn one_client_does_not_hold_the_streams_of_others() {
    let node = Node::start_with(|config| {
        config.max_streams_per_client = 2.try_into().expect("one at least");
        config.trusted_proxies = vec!["127.0.0.0/8".parse().expect("a network")];
    })
    .await;
    let of = |client: &str| format!("x-forwarded-for: 1.1.1.1, {client}\r\n");
    let mut held = Vec::new();
    for client in ["192.0.2.1", "192.0.2.1", "192.0.2.2"] {
        let mut events = Events::open(&node, &of(client)).await;
        events.nothing().await;
        held.push(events);
    }
    let mut refused = Events::open(&node, &of("192.0.2.1")).await;
    refused.until_line("retry: 10000").await;
    let mut rest = Vec::new();
    while let Some(line) = refused.line().await.filter(|line| line != "0") {
        rest.push(line);
    }
    assert!(!rest.iter().any(|line| line.starts_with("data")), "{rest:?}");
    held.remove(0);
    let deadline = tokio::time::Instant::now() + support::SOON;
    loop {
        let mut events = Events::open(&node, &of("192.0.2.1")).await;
        if !is_full(&mut events).await {
            break;
        }
        assert!(tokio::time::Instant::now() < deadline, "the place comes free");
    }
}

/// Whether a stream says that there is no place for it.
async fn is_full(events: &mut Events) -> bool {
    loop {
        match events.line().await.as_deref() {
            None | Some("retry: 10000") => return true,
            Some("retry: 1000") => return false,
            _ => {}
        }
    }
}

#[tokio::test]
async fn those_who_listen_to_an_address_share_the_watch_and_hear_only_what_concerns_it() {
    let node = Node::start().await;
    let account = |byte: u8| Hash([byte; 32]).to_string();
    let paid = |byte: u8, sender: u8, receiver: &str| TransactionInfo {
        sender: account(sender),
        receiver: receiver.to_owned(),
        ..info(byte)
    };
    let mut listeners = Vec::new();
    for byte in [0xa, 0xb, 0xc] {
        let path = format!("/api/transactions/events?address={}", account(byte));
        let mut events = Events::open_at(&node, &path, "").await;
        events.nothing().await;
        listeners.push(events);
    }
    assert_eq!(node.chain.pool.lock().watched, [""], "one for all three");
    node.chain.pool.1.publish(vec![
        paid(1, 0xa, &account(0xb)),
        paid(2, 0xd, ""),
        paid(3, 0xa, &account(0xa)),
    ]);
    node.chain.pool.1.publish(vec![paid(4, 0xd, "")]);
    node.chain.pool.1.publish(vec![paid(5, 0xd, &account(0xc)), paid(6, 0xb, &account(0xd))]);
    let expected: [&[&[u8]]; 3] = [&[&[1, 3]], &[&[1], &[6]], &[&[5]]];
    let mut first = Vec::new();
    for (events, expected) in listeners.iter_mut().zip(expected) {
        for (number, bytes) in expected.iter().enumerate() {
            let event = events.next().await;
            let views: Vec<Value> = bytes.iter().map(|byte| view(*byte)).collect();
            assert_eq!(
                (event.name.as_str(), &event.data),
                ("transactions", &json!({ "transactions": views }))
            );
            if number == 0 {
                first.push(event.id);
            }
        }
    }
    // One that comes back hears what concerns it and no more.
    let path = format!("/api/transactions/events?address={}", account(0xb));
    let mut returning = Events::open_at(&node, &path, &came_back(&first[1])).await;
    assert_eq!(returning.next().await.data, json!({ "transactions": [view(6)] }));
    assert_eq!(node.chain.pool.lock().watched, [""]);
}

#[tokio::test]
async fn all_who_listen_to_all_share_one_watch_and_those_who_were_away_join_it() {
    let node = Node::start().await;
    let watched = || node.chain.pool.lock().watched.clone();
    let mut listeners = Vec::new();
    for _ in 0..5 {
        let mut events = Events::open(&node, "").await;
        events.nothing().await;
        listeners.push(events);
    }
    assert_eq!(watched(), [""], "one for all five");
    node.chain.pool.1.publish(vec![info(1)]);
    let mut reported = Vec::new();
    for events in &mut listeners {
        reported.push(events.next().await);
    }
    assert_eq!(reported[0].data, json!({ "transactions": [view(1)] }));
    assert!(reported.iter().all(|event| *event == reported[0]), "{reported:?}");
    node.chain.pool.1.publish(vec![info(2)]);
    let second = listeners[0].next().await;
    // One who comes back hears from the shared watch what it missed.
    let mut returning = Events::open(&node, &came_back(&reported[0].id)).await;
    assert_eq!(returning.next().await, second);
    assert_eq!(watched(), [""]);
    // When the last one is gone the watch ends; one who comes back then catches up alone, and shares the new
    // one.
    drop((listeners, returning));
    node.chain.pool.1.publish(vec![info(3)]);
    let deadline = tokio::time::Instant::now() + support::SOON;
    let mut returning = loop {
        let mut events = Events::open(&node, &came_back(&second.id)).await;
        assert_eq!(events.next().await.data, json!({ "transactions": [view(3)] }));
        if watched().len() > 1 {
            break events;
        }
        assert!(tokio::time::Instant::now() < deadline, "the watch ends with the last listener");
    };
    for byte in 4..8 {
        node.chain.pool.1.publish(vec![info(byte)]);
        assert_eq!(returning.next().await.data, json!({ "transactions": [view(byte)] }));
    }
    let begun_now = || watched().into_iter().filter(String::is_empty).count();
    while begun_now() < 2 {
        assert!(tokio::time::Instant::now() < deadline, "the second shared watch begins: {:?}", watched());
        tokio::task::yield_now().await;
    }
    let mut late = Events::open(&node, "").await;
    late.nothing().await;
    let count = watched().len();
    node.chain.pool.1.publish(vec![info(9)]);
    for events in [&mut late, &mut returning] {
        assert_eq!(events.next().await.data, json!({ "transactions": [view(9)] }));
    }
    assert_eq!(watched().len(), count);
}
