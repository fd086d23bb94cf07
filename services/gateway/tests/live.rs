//! What happens on the node, as browsers and programs hear it.

mod support;

use futures::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use support::others::mining_status;
use support::sse::Events;
use support::{Node, SOON};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};
use tonic::Code;
use vision_wire::gateway::WatchEventsRequest;
use vision_wire::gateway::event_service_client::EventServiceClient;
use vision_wire::producer::{Claim, MiningStatus};
use vision_wire::reason_of;

const PATH: &str = "/api/mining/events";

fn came_back(id: &str) -> String {
    format!("last-event-id: {id}\r\n")
}

/// The producer claims a height.
fn claim(node: &Node, height: u64) {
    let mut status = mining_status(height + 1);
    status.recent_claims.insert(0, Claim { height, ..status.recent_claims[0].clone() });
    node.producer.log.publish(status);
}

fn claimed(height: u64) -> Value {
    json!({
        "height": height, "slot": 0, "winner_id": "bb".repeat(32), "tip_hash": "dd".repeat(32),
        "claimed_at_ms": 1_702_668_960_000_u64,
    })
}

/// A node whose gateway knows what the producer has claimed so far.
async fn node() -> Node {
    let node = Node::start().await;
    node.get_until("/api/mining/status", |answer| answer.status == 200).await;
    node
}

#[tokio::test]
async fn claims_follow_and_resume() {
    let node = node().await;
    let path = format!("{PATH}?events=claim");
    let mut events = Events::open_at(&node, &path, "").await;
    for line in ["content-type: text/event-stream", "x-accel-buffering: no", "cache-control: no-cache"] {
        assert!(events.head.contains(&line.to_owned()), "{line}: {:?}", events.head);
    }
    claim(&node, 5);
    let first = events.next().await;
    assert_eq!((first.name.as_str(), &first.data), ("claim", &claimed(5)));
    claim(&node, 6);
    assert_eq!(events.next().await.data, claimed(6));
    for (desc, path, headers) in [
        ("a browser that comes back", path.clone(), came_back(&first.id)),
        ("a page that knows a cursor", format!("{path}&cursor={}", first.id), String::new()),
        ("the header counts", format!("{path}&cursor=old"), came_back(&first.id)),
    ] {
        let mut events = Events::open_at(&node, &path, &headers).await;
        assert_eq!(events.next().await.data, claimed(6), "{desc}");
    }
}

#[tokio::test]
async fn the_status_comes_whole_and_then_what_changes() {
    let mut node = node().await;
    let mut events = Events::open_at(&node, &format!("{PATH}?events=status"), "").await;
    let mut known = serde_json::Map::new();
    let mut until = async |wanted: &dyn Fn(&Value) -> bool| {
        while !wanted(&Value::Object(known.clone())) {
            let event = events.next().await;
            assert_eq!((event.name.as_str(), event.id.as_str()), ("status", ""));
            known.extend(event.data.as_object().expect("an object").clone());
        }
    };
    until(&|status| status["services"]["chain"] == "serving" && status["mining"]["next_height"] == 6).await;
    node.producer.log.publish(mining_status(7));
    until(&|status| status["mining"]["next_height"] == 7).await;
    node.producer_server.take().expect("running").kill().await;
    until(&|status| status["mining"].is_null() && status["services"]["producer"] != "serving").await;
}

#[tokio::test]
async fn what_was_missed_is_said() {
    let node = node().await;
    for (desc, headers, reason) in [
        ("of another start", came_back("0000000000000001-3"), "CURSOR_TOO_OLD"),
        ("no cursor", came_back("nonsense"), "INVALID_CURSOR"),
    ] {
        let mut events = Events::open_at(&node, &format!("{PATH}?events=claim"), &headers).await;
        let gap = events.next().await;
        assert_eq!((gap.name.as_str(), &gap.data["reason"]), ("gap", &json!(reason)), "{desc}");
    }
}

#[tokio::test]
async fn wishes_that_mean_nothing_are_refused() {
    let node = node().await;
    for (query, field) in [("?events=blocks", "events"), ("?events=", "events"), ("?event=block", "unknown")]
    {
        let answer = node.get(&format!("{PATH}{query}")).await;
        assert_eq!(answer.status, 400, "{query}");
        assert!(answer.json()["detail"].as_str().expect("text").contains(field), "{query}: {answer:?}");
    }
    let answer = node.get("/api/mining/ws").await;
    assert_eq!((answer.status, &answer.json()["reason"]), (400, &json!("INVALID_ARGUMENT")));
}

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

async fn open(node: &Node, origin: Option<&str>) -> Result<Socket, tungstenite::Error> {
    let url = format!("ws://{}/api/mining/ws", node.gateway.address);
    let mut request = url.into_client_request().expect("a request");
    if let Some(origin) = origin {
        request.headers_mut().insert("origin", origin.parse().expect("a header"));
    }
    connect_async(request).await.map(|(socket, _)| socket)
}

async fn next(socket: &mut Socket) -> Message {
    loop {
        let message = tokio::time::timeout(SOON, socket.next()).await.expect("in time");
        match message.expect("the socket is open").expect("readable") {
            Message::Ping(_) => {}
            message => return message,
        }
    }
}

async fn next_event(socket: &mut Socket) -> Value {
    let message = next(socket).await;
    serde_json::from_str(message.to_text().expect("text")).expect("JSON")
}

#[tokio::test]
async fn a_socket_hears_what_it_subscribes_to() {
    let node = node().await;
    let mut socket = open(&node, None).await.expect("open");
    assert_eq!(next_event(&mut socket).await["event"], "status", "all events until it chooses");
    socket.send(r#"{"type":"subscribe","events":["claim"]}"#.into()).await.expect("sent");
    // What was on its way may still come.
    let mut claims = async |height| {
        claim(&node, height);
        loop {
            let event = next_event(&mut socket).await;
            if event["event"] == "claim" && event["data"]["height"] == height {
                return event;
            }
        }
    };
    let first = claims(5).await;
    assert_eq!(first["data"], claimed(5));
    claims(6).await;
    let cursor = first["id"].as_str().expect("an id");
    socket
        .send(json!({"type": "subscribe", "events": ["claim"], "cursor": cursor}).to_string().into())
        .await
        .expect("sent");
    assert_eq!(next_event(&mut socket).await["data"], claimed(6));
    socket
        .send(json!({"type": "subscribe", "events": ["claim"], "cursor": "old"}).to_string().into())
        .await
        .expect("sent");
    let gap = next_event(&mut socket).await;
    assert_eq!((&gap["event"], &gap["data"]["reason"]), (&json!("gap"), &json!("INVALID_CURSOR")));
}

#[tokio::test]
async fn a_socket_is_closed_with_a_reason() {
    let node = node().await;
    for (said, code, reason) in [
        (Message::text("hello"), CloseCode::Policy, "no subscription"),
        (Message::text(r#"{"type":"subscribe","events":["blocks"]}"#), CloseCode::Policy, "no such event"),
        (Message::binary(vec![1]), CloseCode::Unsupported, "send text"),
    ] {
        let mut socket = open(&node, None).await.expect("open");
        socket.send(said.clone()).await.expect("sent");
        let frame = loop {
            if let Message::Close(frame) = next(&mut socket).await {
                break frame.expect("a reason");
            }
        };
        assert_eq!(frame.code, code, "{said:?}");
        assert!(frame.reason.contains(reason), "{said:?}: {frame:?}");
    }
}

#[tokio::test]
async fn pages_of_others_open_no_socket() {
    let node = node().await;
    let own = format!("http://{}", node.gateway.address);
    open(&node, Some(&own)).await.expect("the own page");
    for origin in ["http://evil.example", "null"] {
        match open(&node, Some(origin)).await {
            Err(tungstenite::Error::Http(answer)) => assert_eq!(answer.status(), 403, "{origin}"),
            other => panic!("{origin}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn programs_hear_the_same_by_grpc() {
    let node = node().await;
    let url = format!("http://{}", node.gateway.address);
    let channel = vision_wire::connect_lazy(&url).expect("a URL");
    let mut client = EventServiceClient::new(channel);
    let ask = |cursor: &str, events: &[&str]| WatchEventsRequest {
        cursor: cursor.to_owned(),
        events: events.iter().map(|name| (*name).to_owned()).collect(),
    };
    let mut events = client.watch_events(ask("", &["claim"])).await.expect("a stream").into_inner();
    let quiet = events.message().await.expect("readable").expect("open");
    assert!(quiet.heartbeat && !quiet.cursor.is_empty(), "{quiet:?}");
    claim(&node, 5);
    let reported = events.message().await.expect("readable").expect("open");
    let data: Value = serde_json::from_str(&reported.data).expect("JSON");
    assert_eq!((reported.event.as_str(), data), ("claim", claimed(5)));

    let mut events = client.watch_events(ask(&quiet.cursor, &[])).await.expect("a stream").into_inner();
    let again = loop {
        let event = events.message().await.expect("readable").expect("open");
        if event.event == "claim" {
            break event;
        }
    };
    assert_eq!(again, reported);
    let mut events = client.watch_events(ask("nonsense", &["claim"])).await.expect("a stream").into_inner();
    assert_eq!(events.message().await.expect("readable").expect("open").event, "gap");
    let refused = client.watch_events(ask("", &["claims"])).await.expect_err("no such event");
    assert_eq!(reason_of(&refused).as_deref(), Some("INVALID_ARGUMENT"));
}

#[tokio::test]
async fn the_overview_says_what_is_missing_and_where_to_go_on() {
    let mut node = node().await;
    let overview =
        node.get_until("/api/overview", |answer| answer.json()["services"]["chain"] == "serving").await;
    let overview = overview.json();
    assert_eq!((&overview["missing"]["blocks"], &overview["version"]), (&Value::Null, &json!("1.2.3")));
    assert_eq!(
        (overview["blocks"][0]["height"].clone(), &overview["chain"]["chain_id"]),
        (json!(0), &json!("vision-testnet-1"))
    );
    claim(&node, 5);
    let path = format!("{PATH}?events=claim&cursor={}", overview["cursor"].as_str().expect("a cursor"));
    assert_eq!(Events::open_at(&node, &path, "").await.next().await.data, claimed(5));
    let claims = node.get("/api/overview").await.json()["events"].clone();
    assert_eq!((&claims[0]["event"], &claims[0]["data"]), (&json!("claim"), &claimed(5)));

    node.chain_server.take().expect("running").kill().await;
    let away = node
        .get_until("/api/overview", |answer| answer.json()["services"]["chain"] != "serving")
        .await
        .json();
    assert!(away["blocks"].is_null() && away["missing"]["blocks"].is_string(), "{away}");
    assert_eq!(away["mining"]["next_height"], 6, "the producer is still there");
}

#[tokio::test]
async fn a_stop_ends_all_that_listen() {
    let node = node().await;
    let mut events = Events::open_at(&node, PATH, "").await;
    let mut socket = open(&node, None).await.expect("open");
    node.gateway.env.drain.begin();
    while events.line().await.is_some() {}
    loop {
        if let Message::Close(frame) = next(&mut socket).await {
            assert_eq!(frame.expect("a reason").code, CloseCode::Away);
            break;
        }
    }
}

#[tokio::test]
async fn a_question_for_events_is_small() {
    let node = node().await;
    let url = format!("http://{}", node.gateway.address);
    let channel = tonic::transport::Endpoint::from_shared(url).expect("a URL").connect_lazy();
    let mut client = EventServiceClient::new(channel);
    for (bytes, code) in [(1 << 10, Code::InvalidArgument), (1 << 20, Code::ResourceExhausted)] {
        let request = WatchEventsRequest { cursor: String::new(), events: vec!["x".repeat(bytes)] };
        let error = client.watch_events(request).await.expect_err("no event has that name");
        assert_eq!(error.code(), code, "{bytes}: {error:?}");
        assert!(error.message().len() < 300, "{error:?}");
    }
}

#[tokio::test]
async fn a_socket_takes_a_long_status() {
    let node = node().await;
    // More than a connection's buffers hold.
    let backup = "x".repeat(2 << 20);
    node.producer.log.publish(MiningStatus { backups: vec![backup.clone()], ..mining_status(6) });
    let has_it = |answer: &support::http::Answer| answer.body.len() > backup.len();
    node.get_until("/api/mining/status", has_it).await;
    let mut socket = open(&node, None).await.expect("open");
    loop {
        let event = next_event(&mut socket).await;
        if event["data"]["mining"]["backups"][0] == backup.as_str() {
            break;
        }
    }
}
