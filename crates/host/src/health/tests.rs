use tokio_stream::StreamExt;
use tonic::Request;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_server::Health as _;

use super::*;

fn ask(service: &str) -> Request<HealthCheckRequest> {
    Request::new(HealthCheckRequest { service: service.to_owned() })
}

async fn answer(health: &Health, service: &str) -> (ServingStatus, Option<String>) {
    let response = HealthRpc::new(health.clone()).check(ask(service)).await.expect("known");
    let because = response.metadata().get(BECAUSE_HEADER).map(|v| v.to_str().expect("ascii").to_owned());
    (response.get_ref().status(), because)
}

#[tokio::test]
async fn serving_only_while_every_condition_holds() {
    let health = Health::new();
    health.register("a.B");
    assert_eq!(answer(&health, "").await, (ServingStatus::NotServing, Some("starting".into())));
    let (oracle, chain) = (health.condition("sync-oracle"), health.condition("chain"));
    health.set_serving();
    type Step<'a> = (&'a str, &'a dyn Fn(), Option<&'a str>);
    let steps: [Step<'_>; 7] = [
        ("nothing known", &|| {}, Some("chain: waiting; sync-oracle: waiting")),
        ("one holds", &|| chain.ok(), Some("sync-oracle: waiting")),
        ("another reason", &|| oracle.failed("connection refused"), Some("sync-oracle: connection refused")),
        ("both hold", &|| oracle.ok(), None),
        ("one fails", &|| chain.failed("gone – away"), Some("chain: gone – away")),
        ("both fail", &|| health.set_not_serving("stopping"), Some("stopping; chain: gone – away")),
        (
            "neither",
            &|| {
                health.set_serving();
                chain.ok();
            },
            None,
        ),
    ];
    for (desc, act, expect) in steps {
        act();
        assert_eq!(health.not_serving_because().as_deref(), expect, "{desc}");
        assert_eq!(health.is_serving(), expect.is_none(), "{desc}");
        let status = if expect.is_none() { ServingStatus::Serving } else { ServingStatus::NotServing };
        for service in ["", "a.B"] {
            let header = expect.map(|text| text.replace('–', "?"));
            assert_eq!(answer(&health, service).await, (status, header), "{desc} {service}");
        }
        let alive = answer(&health, "grpc.health.v1.Health").await.0;
        assert_eq!(alive, ServingStatus::Serving, "{desc}: the process lives");
    }
}

#[tokio::test]
async fn a_service_that_stops_as_planned_serves_no_more_whatever_holds() {
    let health = Health::new();
    let chain = health.condition("chain");
    health.set_serving();
    chain.ok();
    let mut watch = HealthRpc::new(health.clone()).watch(ask("")).await.expect("opens").into_inner();
    let mut next = async || watch.next().await.expect("an item").expect("an answer").status();
    assert_eq!(next().await, ServingStatus::Serving);
    health.set_stopping();
    assert_eq!(next().await, ServingStatus::NotServing);
    let steps: [(&str, &dyn Fn()); 3] = [
        ("a neighbour goes too", &|| chain.failed("gone")),
        ("and comes back", &|| chain.ok()),
        ("ready all the same", &|| health.set_serving()),
    ];
    for (desc, act) in steps {
        act();
        assert_eq!(answer(&health, "").await, (ServingStatus::NotServing, Some("stopping".into())), "{desc}");
    }
}

#[tokio::test]
async fn unknown_services_are_not_found() {
    let health = Health::new();
    let rpc = HealthRpc::new(health.clone());
    assert_eq!(rpc.check(ask("x.Y")).await.expect_err("unknown").code(), tonic::Code::NotFound);
    let mut watch = rpc.watch(ask("x.Y")).await.expect("opens").into_inner();
    let first = watch.next().await.expect("an item").expect("an answer");
    assert_eq!(first.status(), ServingStatus::ServiceUnknown);
    health.register("x.Y");
    let second = watch.next().await.expect("an item").expect("an answer");
    assert_eq!(second.status(), ServingStatus::NotServing, "a service may come later");
}

#[tokio::test]
async fn a_watch_tells_changes_only() {
    let health = Health::new();
    let mut watch = HealthRpc::new(health.clone()).watch(ask("")).await.expect("opens").into_inner();
    let mut next = async || watch.next().await.expect("an item").expect("an answer").status();
    assert_eq!(next().await, ServingStatus::NotServing);
    health.set_not_serving("another reason");
    health.set_serving();
    assert_eq!(next().await, ServingStatus::Serving);
    health.set_serving();
    health.set_not_serving("broken");
    assert_eq!(next().await, ServingStatus::NotServing);
}
