//! What callers nobody knows may hold and read.

use std::sync::atomic::{AtomicBool, Ordering};

use super::*;

#[tokio::test]
async fn strangers_may_check_the_health_and_no_more() {
    use tonic_reflection::pb::v1::ServerReflectionRequest;
    use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
    let (address, env, health) = started(GrpcServer::for_strangers).await;
    health.set_serving();
    let channel = connected(address).await;
    assert_eq!(check(channel.clone(), "", SOON).await, Ok(()));
    let watch = HealthClient::new(channel.clone()).watch(HealthCheckRequest::default()).await;
    assert_eq!(watch.expect_err("no watch").code(), Code::Unimplemented);
    let asked = futures::stream::iter([ServerReflectionRequest::default()]);
    let reflected = ServerReflectionClient::new(channel).server_reflection_info(asked).await;
    assert_eq!(reflected.expect_err("no reflection").code(), Code::Unimplemented);
    env.drain.begin();
}

#[tokio::test]
async fn a_health_check_is_small_and_its_errors_are() {
    let (address, env, _health) = started(|server| server).await;
    let mut client = HealthClient::new(connected(address).await);
    for (length, expect) in [(1000, Code::NotFound), (1 << 10, Code::ResourceExhausted)] {
        let request = HealthCheckRequest { service: "x".repeat(length) };
        let error = client.check(request).await.expect_err("unknown");
        assert_eq!(error.code(), expect, "{length}");
        assert!(error.message().len() < 200, "{error:?}");
    }
    env.drain.begin();
}

#[tokio::test]
async fn one_connection_holds_few_watches_and_checks_go_on_beside_them() {
    let (address, env, health) = started(|server| server).await;
    health.set_serving();
    let channel = connected(address).await;
    let mut client = HealthClient::new(channel.clone());
    let mut held = Vec::new();
    let refused = loop {
        match client.watch(HealthCheckRequest::default()).await {
            Ok(stream) => held.push(stream),
            Err(refused) => break refused,
        }
        assert!(held.len() <= 64, "no end");
    };
    assert_eq!((refused.code(), reason(&refused).as_deref()), (Code::ResourceExhausted, Some("OVERLOADED")));
    assert_eq!(check(channel, "", SOON).await, Ok(()));
    let mut other = HealthClient::new(connected(address).await);
    assert!(other.watch(HealthCheckRequest::default()).await.is_ok(), "another connection has its own");
    env.drain.begin();
}

#[tokio::test]
async fn one_connection_of_a_stranger_has_few_calls_of_a_service() {
    let fake = || Renamed(HealthServer::new(Fake::default()));
    // However the server is put together.
    for before in [true, false] {
        let (address, env, _health) = started(|server| match before {
            true => server.add(fake()).for_strangers(),
            false => server.for_strangers().add(fake()),
        })
        .await;
        let watch = async |channel: Channel| {
            let mut grpc = tonic::client::Grpc::new(channel);
            grpc.ready().await.expect("connected");
            let path = "/test.Fake/Watch".parse().expect("a path");
            let request = GrpcRequest::new(HealthCheckRequest::default());
            grpc.server_streaming(request, path, tonic_health_codec()).await
        };
        let channel = connected(address).await;
        let mut held = Vec::new();
        let refused = loop {
            match watch(channel.clone()).await {
                Ok(stream) => held.push(stream),
                Err(refused) => break refused,
            }
            assert!(held.len() <= 64, "no end");
        };
        assert_eq!(
            (refused.code(), reason(&refused).as_deref()),
            (Code::ResourceExhausted, Some("OVERLOADED"))
        );
        assert!(watch(connected(address).await).await.is_ok(), "another connection has its own");
        env.drain.begin();
    }
}

#[tokio::test]
async fn strangers_that_begin_health_checks_keep_no_others_out() {
    let (address, env, health) = started(GrpcServer::for_strangers).await;
    health.set_serving();
    let mut begun = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let channel = connected(address).await;
        for _ in 0..16 {
            let mut grpc = tonic::client::Grpc::new(channel.clone());
            begun.spawn(async move {
                grpc.ready().await.expect("connected");
                let path = "/grpc.health.v1.Health/Check".parse().expect("a path");
                let never = GrpcRequest::new(futures::stream::pending::<HealthCheckRequest>());
                grpc.client_streaming(never, path, tonic_health_codec()).await.map(|_| ())
            });
        }
    }
    // As many as there is no place for.
    for _ in 0..64 {
        let refused =
            begun.join_next().await.expect("some are left").expect("no panic").expect_err("no whole check");
        assert_eq!(reason(&refused).as_deref(), Some("OVERLOADED"), "{refused:?}");
    }
    assert_eq!(check(connected(address).await, "", SOON).await, Ok(()));
    env.drain.begin();
}

#[tokio::test]
async fn an_address_has_few_connections_and_gets_them_back() {
    let (address, env, health) = started(|server| server.connections_per_address(2)).await;
    health.set_serving();
    let first = connected(address).await;
    let second = connected(address).await;
    assert_eq!(check(first.clone(), "", SOON).await, Ok(()));
    assert_eq!(check(second.clone(), "", SOON).await, Ok(()));
    let mut third = TcpStream::connect(address).await.expect("the listener's queue takes it");
    let mut text = String::new();
    let ended = tokio::time::timeout(SOON, third.read_to_string(&mut text)).await.expect("dropped in time");
    assert!(ended.is_err() || text.is_empty(), "{text}");
    drop(first);
    let again = async {
        while check(
            Channel::from_shared(format!("http://{address}")).expect("a URL").connect_lazy(),
            "",
            SOON,
        )
        .await
        .is_err()
        {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(SOON, again).await.expect("the place came back");
    env.drain.begin();
}

#[tokio::test]
async fn a_connection_that_becomes_another_protocol_keeps_its_place() {
    let (leave, left) = (Arc::new(Notify::new()), Arc::new(AtomicBool::new(false)));
    let (leaving, leaves) = (Arc::clone(&leave), Arc::clone(&left));
    let upgrade = move |request: Request| {
        let (leaving, leaves) = (Arc::clone(&leaving), Arc::clone(&leaves));
        async move {
            tokio::spawn(async move {
                let upgraded = hyper::upgrade::on(request).await.expect("upgraded");
                leaving.notified().await;
                leaves.store(true, Ordering::SeqCst);
                drop(upgraded);
            });
            (StatusCode::SWITCHING_PROTOCOLS, [("connection", "upgrade"), ("upgrade", "echo")])
        }
    };
    let (address, env, _health) = started(|server| {
        let routes = Router::new().route("/", axum::routing::get(upgrade));
        server.connections_per_address(1).http_routes(routes)
    })
    .await;
    let head = "GET / HTTP/1.1\r\nhost: localhost\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n";
    let mut first = TcpStream::connect(address).await.expect("connects");
    first.write_all(head.as_bytes()).await.expect("sent");
    let mut answer = [0; 12];
    first.read_exact(&mut answer).await.expect("an answer");
    assert_eq!(&answer, b"HTTP/1.1 101");
    let ask = async || {
        let mut stream = TcpStream::connect(address).await.expect("the listener's queue takes it");
        let mut text = String::new();
        // A connection that finds no place may be gone before it is written to.
        let _ =
            stream.write_all(b"GET /nothing HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").await;
        let reading = tokio::time::timeout(SOON, stream.read_to_string(&mut text)).await;
        let _ = reading.expect("ended in time");
        text
    };
    for _ in 0..20 {
        assert_eq!(ask().await, "", "its address has one place, and it is taken");
    }
    leave.notify_one();
    let again = async {
        while ask().await.is_empty() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(SOON, again).await.expect("the place came back");
    assert!(left.load(Ordering::SeqCst));
    env.drain.begin();
}

#[tokio::test]
async fn a_page_of_another_name_reads_nothing() {
    let (address, env, _health) = started(|server| {
        let routes = Router::new().route("/hello", axum::routing::get(|| async { "hello" }));
        server.http_routes(routes).show_metrics().called("node.example.org")
    })
    .await;
    let get =
        |path: &str, host: &str| format!("GET {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n");
    let here = address.to_string();
    for (path, host, expect) in [
        ("/hello", here.as_str(), "200"),
        ("/hello", "node.example.org", "200"),
        ("/hello", "attacker.example", "421"),
        ("/metrics", "attacker.example", "421"),
        ("/metrics", "localhost", "200"),
    ] {
        let answer = http1(address, &get(path, host)).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {expect} ")), "{path} {host}: {answer:.200}");
    }
    env.drain.begin();
}
