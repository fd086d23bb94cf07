//! How a server stops.

use super::*;

#[tokio::test]
async fn the_stop_is_orderly() {
    let server = Running::start().await;
    server.health.set_serving();
    let mut watch = HealthClient::new(server.channel().await)
        .watch(HealthCheckRequest::default())
        .await
        .expect("opens")
        .into_inner();
    assert_eq!(watch.next().await.expect("an item").expect("an answer").status(), ServingStatus::Serving);
    let address = server.address;
    server.stop().await;
    let first = watch.next().await.expect("an item").expect("an answer");
    assert_eq!(first.status(), ServingStatus::NotServing, "first it says that it stops");
    let end = watch.next().await.expect("an item").expect_err("the end");
    assert_eq!((end.code(), reason(&end).as_deref()), (Code::Unavailable, Some("SHUTTING_DOWN")));
    assert!(TcpStream::connect(address).await.is_err(), "the port is free");
}

#[tokio::test]
async fn what_does_not_end_is_dropped_at_the_deadline() {
    let server = Running::start().await;
    let (address, fake, channel) = (server.address, server.fake.clone(), server.channel().await);
    let hanging = tokio::spawn(async move {
        let mut grpc = tonic::client::Grpc::new(channel);
        grpc.ready().await.expect("connected");
        let request = GrpcRequest::new(HealthCheckRequest { service: "hang".into() });
        let path = http::uri::PathAndQuery::from_static("/test.Fake/Check");
        let answer: Result<GrpcResponse<HealthCheckResponse>, Status> =
            grpc.unary(request, path, tonic_health_codec()).await;
        answer.expect_err("cut")
    });
    fake.entered.notified().await;
    server.stop().await;
    let cut = tokio::time::timeout(SOON, hanging).await.expect("cut in time").expect("no panic");
    assert_ne!(cut.code(), Code::Ok);
    assert!(TcpStream::connect(address).await.is_err(), "the port is free");
}
