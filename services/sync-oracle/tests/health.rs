//! The judgement of the network's health beside a fake chain service, over real gRPC.

mod support;

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use support::{ChainProcess, Facts, OracleProcess, eventually, free_address, id};
use vision_wire::sync_oracle::network_health::State;
use vision_wire::sync_oracle::{
    GetNetworkHealthRequest, NetworkHealth, ReportProducerRequest, WatchNetworkHealthRequest,
};

/// Between two ticks, milliseconds.
const FAST_MS: u64 = 30;

async fn health(oracle: &OracleProcess) -> Option<NetworkHealth> {
    oracle.client.clone().get_network_health(GetNetworkHealthRequest {}).await.ok()?.into_inner().health
}

async fn until(oracle: &OracleProcess, what: &str, fits: impl Fn(&NetworkHealth) -> bool) -> NetworkHealth {
    eventually(what, || async { health(oracle).await.filter(&fits) }).await
}

async fn producer_says(oracle: &OracleProcess, because: &str) {
    // The oracle may have yet to bind its address.
    eventually("it is taken", || async {
        let request = ReportProducerRequest { not_eligible_because: because.into() };
        oracle.client.clone().report_producer(request).await.ok()
    })
    .await;
}

/// A producer service that may produce and goes on to say so while the returned guard lives.
fn well(oracle: &OracleProcess) -> tokio_util::task::AbortOnDropHandle<()> {
    let mut client = oracle.client.clone();
    tokio_util::task::AbortOnDropHandle::new(tokio::spawn(async move {
        loop {
            // It may not listen yet.
            let _ = client.report_producer(ReportProducerRequest::default()).await;
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    }))
}

/// Blocks that come, and nodes that are heard, while the returned guard lives.
fn alive(facts: &Arc<Facts>, gone: &'static [&'static str]) -> tokio_util::task::AbortOnDropHandle<()> {
    let facts = Arc::clone(facts);
    tokio_util::task::AbortOnDropHandle::new(tokio::spawn(async move {
        for height in 11.. {
            facts.set_head_now(height);
            facts.set_nodes(height, gone);
            facts.set_peers(&[(height, 0.0), (height, 0.0)]);
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_dies_is_a_reason_and_the_rest_is_sent_with_it() {
    let (address, facts) = (free_address(), Facts::new());
    let _chain = ChainProcess::start(address, &facts);
    let alive_all = alive(&facts, &[]);
    let oracle = OracleProcess::start(address, FAST_MS);
    let _well = well(&oracle);
    let fine = until(&oracle, "all is well", |health| {
        health.state() == State::Fine && health.this_node.as_ref().is_some_and(|me| me.eligible)
    })
    .await;
    assert_eq!(
        (fine.producing, fine.registered, fine.spare, fine.pending),
        (3, 3, Some(1), Some(4)),
        "{fine:?}"
    );
    assert!(fine.headline.starts_with("3 of 3 nodes producing, last block {ago:"), "{fine:?}");
    assert!(fine.last_block_at_ms.is_some() && fine.interval_median_ms.is_some(), "{fine:?}");
    let request = WatchNetworkHealthRequest::default();
    let mut watch = oracle.client.clone().watch_network_health(request).await.expect("a watch").into_inner();
    drop(alive_all);
    let _alive = alive(&facts, &["b"]);
    let reported = tokio::time::timeout(Duration::from_secs(20), async {
        loop {
            let health =
                watch.next().await.expect("an event").expect("no error").health.expect("a judgement");
            if health.state() == State::Trouble {
                return health;
            }
        }
    });
    let reported = reported.await.expect("the watch reports it");
    let reason = &reported.reasons[0];
    assert_eq!((reason.code.as_str(), &reason.node_id), ("NODE_LOST", &id("b")), "{reported:?}");
    assert_eq!(reason.remedy, "start node2 again");
    assert_eq!((reported.producing, reported.spare), (2, Some(0)));
    oracle.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_producers_word_and_its_silence_are_heard_and_passed_on() {
    let (address, facts) = (free_address(), Facts::new());
    let _chain = ChainProcess::start(address, &facts);
    let _alive = alive(&facts, &[]);
    let oracle = OracleProcess::start(address, FAST_MS);
    producer_says(&oracle, "SIGNING_FLOOR: nothing is signed up to height 9").await;
    let trouble = until(&oracle, "it objects", |health| {
        health.reasons.iter().any(|reason| reason.code == "SIGNING_FLOOR")
    })
    .await;
    let me = trouble.this_node.expect("sent");
    assert_eq!((me.eligible, me.remedy.as_str()), (false, "wait for that height"));
    assert_eq!(trouble.producing, 2, "{:?}", trouble.reasons);
    eventually("it is reported to the chain service", || async {
        facts.makes_no_block_because.lock().unwrap().starts_with("SIGNING_FLOOR: ").then_some(())
    })
    .await;
    // Whoever says it, it is short and obeys no terminal.
    producer_says(&oracle, &format!("CLAIMS_UNAVAILABLE: {}", "\u{1b}[31m".repeat(20_000))).await;
    let reported = until(&oracle, "it objects at length", |health| {
        health.reasons.iter().any(|reason| reason.code == "CLAIMS_UNAVAILABLE")
    })
    .await;
    let because = reported.this_node.expect("sent").not_eligible_because;
    assert!(because.chars().count() < 500 && !because.contains(char::is_control), "{because:?}");
    // Then it says nothing any more.
    let gone = until(&oracle, "it is missed", |health| {
        health.reasons.iter().any(|reason| reason.code == "PRODUCER_UNAVAILABLE")
    })
    .await;
    assert_eq!(gone.state(), State::Trouble);
    assert!(
        facts.reports.lock().unwrap().iter().any(|snapshot| snapshot.eligible),
        "the snapshot is the oracle's own"
    );
    oracle.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_chain_service_nothing_is_known() {
    let (address, facts) = (free_address(), Facts::new());
    let chain = ChainProcess::start(address, &facts);
    let _alive = alive(&facts, &[]);
    let oracle = OracleProcess::start(address, FAST_MS);
    until(&oracle, "something is known", |health| health.registered == 3).await;
    drop(chain);
    let blind = until(&oracle, "nothing is known", |health| health.state() == State::Unknown).await;
    assert!(blind.headline.starts_with("No answer from this node's chain service for {ago:"), "{blind:?}");
    assert_eq!((blind.reasons[0].code.as_str(), blind.spare), ("CHAIN_UNAVAILABLE", None));
    let _chain = ChainProcess::start(address, &facts);
    until(&oracle, "it is known again", |health| health.state() != State::Unknown).await;
    oracle.stop().await;
}
