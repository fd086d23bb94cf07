//! The oracle beside a fake chain service, over real gRPC.

mod support;

use std::sync::atomic::Ordering;
use std::time::Duration;

use support::{ChainProcess, Facts, OracleProcess, eventually, free_address, id};
use tonic::Code;
use tonic::codec::CompressionEncoding;
use vision_host::health::check;
use vision_sync_oracle::{Config, SERVICE_NAME, serve};
use vision_wire::sync_oracle::{
    GetEligiblePoolRequest, GetEligiblePoolResponse, GetSnapshotRequest, Snapshot, SyncState,
    WatchSnapshotRequest,
};
use vision_wire::{MAX_SMALL_MESSAGE_BYTES, Reason, metadata_of, reason_of};

const FAST_MS: u64 = 30;
/// So slow that nothing observed in a test comes from a second tick.
const SLOW_MS: u64 = 4_000;

async fn pool(oracle: &OracleProcess, parent: &str) -> Result<GetEligiblePoolResponse, tonic::Status> {
    let request = GetEligiblePoolRequest { parent: parent.to_owned() };
    Ok(oracle.client.clone().get_eligible_pool(request).await?.into_inner())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_at_the_tip_becomes_eligible_and_reports_it_to_the_chain() {
    let (address, facts) = (free_address(), Facts::new());
    let _chain = ChainProcess::start(address, &facts);
    let _fresh = facts.keep_peers(&[(10, 0.4), (10, -3.0)]);
    let oracle = OracleProcess::start(address, FAST_MS);
    let found = oracle.until("eligible", |snapshot| snapshot.eligible).await;
    assert!(found.streak >= 3 && found.tick >= 3, "{found:?}");
    let expect = Snapshot {
        tick: found.tick,
        taken_at_ms: found.taken_at_ms,
        streak: found.streak,
        local_height: 10,
        local_hash: id("block 10 with three"),
        network_height: 10,
        lag_blocks: 0,
        state: SyncState::AtTip.into(),
        ready_peers: 2,
        eligible: true,
        not_eligible_because: String::new(),
        active_pool_size: 3,
        ready_producers: 2,
        head_ahead_ms: 0,
    };
    assert_eq!(found, expect);
    let reported = || async { facts.reports.lock().unwrap().iter().find(|report| report.eligible).cloned() };
    assert_eq!(eventually("it is reported to the chain", reported).await.ready_peers, 2);
    let first = facts.reports.lock().unwrap()[0].clone();
    assert!(first.not_eligible_because.starts_with("STREAK: "), "{first:?}");
    check(oracle.channel.clone(), SERVICE_NAME, Duration::from_secs(5)).await.expect("serving");
    check(oracle.channel.clone(), "", Duration::from_secs(5)).await.expect("serving");
    oracle.stop().await;
}

/// The text of a refusal, with the details, which repeat the sentence.
const MAX_REFUSAL_CHARS: usize = 600;

#[tokio::test(flavor = "multi_thread")]
async fn no_refusal_repeats_a_long_text_or_what_a_terminal_obeys() {
    let (address, facts) = (free_address(), Facts::new());
    let _chain = ChainProcess::start(address, &facts);
    let oracle = OracleProcess::start(address, FAST_MS);
    oracle.until("a snapshot", |_| true).await;
    let long = "a\u{1b}[2J\n".repeat(3_400);
    assert!(long.len() > 20_000);
    let cursor = WatchSnapshotRequest { cursor: long.clone() };
    let refusals = [
        ("parent", "INVALID_HASH", pool(&oracle, &long).await.err()),
        ("cursor", "INVALID_CURSOR", oracle.client.clone().watch_snapshot(cursor).await.err()),
    ];
    for (field, reason, refusal) in refusals {
        let refusal = refusal.unwrap_or_else(|| panic!("{field} is not refused"));
        assert_eq!(reason_of(&refusal).as_deref(), Some(reason), "{field}: {refusal:?}");
        let length = refusal.message().chars().count() + refusal.details().len();
        assert!(length < MAX_REFUSAL_CHARS && !refusal.message().contains(char::is_control), "{refusal:?}");
    }
    oracle.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_moved_head_shows_at_once_without_a_tick() {
    let (address, facts) = (free_address(), Facts::new());
    facts.params.lock().unwrap().eligible_streak_required = 1;
    let _chain = ChainProcess::start(address, &facts);
    let _fresh = facts.keep_peers(&[(10, 0.0), (10, 0.0)]);
    let oracle = OracleProcess::start(address, SLOW_MS);
    oracle.until("the first tick", |snapshot| snapshot.eligible).await;
    let watch = oracle.client.clone().watch_snapshot(WatchSnapshotRequest::default()).await;
    let mut watch = watch.expect("a watch").into_inner();
    let current = watch.message().await.expect("no error").expect("an event");
    assert_eq!(
        current.snapshot.as_ref().map(|snapshot| (snapshot.tick, snapshot.local_height)),
        Some((1, 10))
    );

    facts.set_head(11, "three");
    let moved = watch.message().await.expect("no error").expect("an event");
    let snapshot = moved.snapshot.expect("a snapshot");
    assert!(!moved.heartbeat && moved.cursor != current.cursor);
    assert_eq!((snapshot.tick, snapshot.local_height, snapshot.eligible), (1, 11, true), "forward");
    assert_eq!(snapshot.local_hash, id("block 11 with three"));

    facts.set_head(8, "three");
    let snapshot = watch.message().await.expect("no error").expect("an event").snapshot.expect("a snapshot");
    assert_eq!((snapshot.tick, snapshot.lag_blocks, snapshot.eligible), (1, 2, false), "back");
    assert_eq!(snapshot.state(), SyncState::CatchingUp);
    assert!(snapshot.not_eligible_because.starts_with("CATCHING_UP: "), "{snapshot:?}");
    let reported =
        || async { facts.reports.lock().unwrap().last().filter(|report| !report.eligible).cloned() };
    eventually("a changed verdict is reported between ticks too", reported).await;

    // A watch that comes back gets what it missed.
    let request = WatchSnapshotRequest { cursor: current.cursor };
    let mut resumed = oracle.client.clone().watch_snapshot(request).await.expect("a watch").into_inner();
    let next = resumed.message().await.expect("no error").expect("an event");
    assert_eq!(next.cursor, moved.cursor);
    let request = WatchSnapshotRequest { cursor: "0000000000000001-5".into() };
    let error = oracle.client.clone().watch_snapshot(request).await.expect_err("of another start");
    assert_eq!(reason_of(&error).as_deref(), Some(Reason::CursorTooOld.as_str()));
}

#[tokio::test(flavor = "multi_thread")]
async fn verdicts_bear_their_reason() {
    let (address, facts) = (free_address(), Facts::new());
    let _chain = ChainProcess::start(address, &facts);
    let oracle = OracleProcess::start(address, FAST_MS);
    type Case = (&'static str, &'static [(u64, f64)], u64, SyncState, &'static str);
    let cases: [Case; 6] = [
        ("behind", &[(90, 0.0), (90, 0.0)], 0, SyncState::Behind, "BEHIND: local height 10 is 80 behind"),
        (
            "catching up",
            &[(12, 0.0), (12, 0.0)],
            0,
            SyncState::CatchingUp,
            "CATCHING_UP: local height 10 is 2",
        ),
        ("alone", &[], 0, SyncState::AtTip, "TOO_FEW_PEERS: 0 ready peers of 0 connected, 1 needed"),
        (
            "silent peers",
            &[(10, 0.0)],
            5_000,
            SyncState::AtTip,
            "TOO_FEW_PEERS: 0 ready peers of 1 connected",
        ),
        (
            "skew",
            &[(10, -5003.2), (10, -5003.4)],
            0,
            SyncState::AtTip,
            "CLOCK_SKEW: this clock is 5003 ms ahead of 2",
        ),
        ("far ahead", &[(5, 0.0), (5, 0.0)], 0, SyncState::TooFarAhead, ""),
    ];
    for (desc, peers, age_ms, state, because) in cases {
        let fits = |snapshot: &Snapshot| {
            let reported = &snapshot.not_eligible_because;
            snapshot.state() == state
                && if because.is_empty() { reported.is_empty() } else { reported.starts_with(because) }
        };
        let ask = || async {
            facts.set_peers_of_age(peers, age_ms);
            oracle.snapshot().await.filter(fits)
        };
        eventually(desc, ask).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_ahead_of_the_clock_is_reported_until_the_clock_is_there() {
    let (address, facts) = (free_address(), Facts::new());
    let _chain = ChainProcess::start(address, &facts);
    let _fresh = facts.keep_peers(&[(10, 0.0), (10, 0.0)]);
    let oracle = OracleProcess::start(address, FAST_MS);
    oracle.until("eligible", |snapshot| snapshot.eligible).await;
    facts.set_head_ahead(11, 3_600_000);
    let ahead = |snapshot: &Snapshot| {
        snapshot
            .not_eligible_because
            .starts_with("HEAD_AHEAD: the timestamp of the head, block 11, is 3600 s ahead")
    };
    let found = oracle.until("the head is an hour ahead", ahead).await;
    assert!(!found.eligible && (3_500_000..=3_600_000).contains(&found.head_ahead_ms), "{found:?}");
    facts.set_head(11, "three");
    let found = oracle.until("another head, of the past", |snapshot| snapshot.eligible).await;
    assert_eq!(found.head_ahead_ms, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn pools_are_asked_for_once_per_change_of_membership() {
    let (address, facts) = (free_address(), Facts::new());
    let _chain = ChainProcess::start(address, &facts);
    let _fresh = facts.keep_peers(&[(10, 0.0), (10, 0.0)]);
    let oracle = OracleProcess::start(address, FAST_MS);
    oracle.until("eligible", |snapshot| snapshot.eligible).await;
    let found = pool(&oracle, "").await.expect("the head's pools");
    let ids = vec![id("a"), id("b"), id("c")];
    let expect = GetEligiblePoolResponse {
        height: 11,
        parent: id("block 10 with three"),
        active: ids.clone(),
        registered: ids.clone(),
        pool_root: id("three"),
    };
    assert_eq!(found, expect);
    for height in 11..=30 {
        facts.set_head(height, "three");
    }
    oracle.until("the head moved", |snapshot| snapshot.local_height == 30).await;
    assert_eq!(pool(&oracle, &id("block 20 with three")).await.expect("a block passed").height, 21);
    assert_eq!(facts.pool_questions.load(Ordering::SeqCst), 1);

    facts.set_pools("two", &["a", "c"], &["a", "b", "c"]);
    facts.set_head(31, "two");
    let found = oracle.until("a suspension", |snapshot| snapshot.active_pool_size == 2).await;
    assert_eq!(found.local_height, 31);
    let found = pool(&oracle, &id("block 31 with two")).await.expect("the head's pools");
    assert_eq!((found.height, found.active, found.registered), (32, vec![id("a"), id("c")], ids));
    assert_eq!(facts.pool_questions.load(Ordering::SeqCst), 2);

    let unknown = pool(&oracle, &id("nobody's block")).await.expect_err("unknown");
    assert_eq!(reason_of(&unknown).as_deref(), Some(Reason::BlockNotFound.as_str()));
    let malformed = pool(&oracle, "0xabc").await.expect_err("no hash");
    assert_eq!(
        (malformed.code(), metadata_of(&malformed, "field").as_deref()),
        (Code::InvalidArgument, Some("parent"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_chain_service_is_reported_and_survived() {
    let (address, facts) = (free_address(), Facts::new());
    let oracle = OracleProcess::start(address, FAST_MS);
    let not_serving = |what: &'static str| {
        let channel = oracle.channel.clone();
        eventually(what, move || {
            let channel = channel.clone();
            async move { Some(check(channel, SERVICE_NAME, Duration::from_secs(5)).await.err()?.to_string()) }
        })
    };
    let reported = |snapshot: &Snapshot| snapshot.not_eligible_because.starts_with("CHAIN_UNAVAILABLE: ");
    let found = oracle.until("not there at the start", reported).await;
    assert!(!found.eligible && found.tick == 0, "{found:?}");
    let because = not_serving("not there at the start").await;
    assert!(because.starts_with("not serving: chain is unavailable"), "{because}");

    let _fresh = facts.keep_peers(&[(10, 0.0), (10, 0.0)]);
    for round in 1..=2 {
        let chain = ChainProcess::start(address, &facts);
        oracle.until("eligible", |snapshot| snapshot.eligible).await;
        check(oracle.channel.clone(), SERVICE_NAME, Duration::from_secs(5)).await.expect("serving");
        drop(chain);
        let found = oracle.until("killed", reported).await;
        assert_eq!((found.eligible, found.streak, found.ready_peers), (false, 0, 0), "round {round}");
        not_serving("killed").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn other_parameters_after_a_restart_of_the_chain_service_are_heeded() {
    let (address, facts) = (free_address(), Facts::new());
    let chain = ChainProcess::start(address, &facts);
    let _fresh = facts.keep_peers(&[(10, 0.0)]);
    let oracle = OracleProcess::start(address, FAST_MS);
    oracle.until("one peer is enough", |snapshot| snapshot.eligible).await;
    drop(chain);
    oracle.until("killed", |snapshot| !snapshot.eligible).await;
    facts.params.lock().unwrap().min_ready_peers = 2;
    let _chain = ChainProcess::start(address, &facts);
    let wants =
        |snapshot: &Snapshot| snapshot.not_eligible_because.starts_with("TOO_FEW_PEERS: 1 ready peer of 1");
    oracle.until("two peers are needed", wants).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_configuration_is_refused_before_anything_starts() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = taken.local_addr().expect("bound");
    let good = Config { grpc_listen: free_address().into(), ..Config::default() };
    let cases = [
        (
            Config { snapshot_interval_ms: 5, ..good.clone() },
            "[sync_oracle] snapshot_interval_ms is 5, must be",
        ),
        (
            Config { chain: "chain:50051".into(), ..good.clone() },
            "[sync_oracle] chain: \"chain:50051\" is not the URL",
        ),
        (Config { grpc_listen: address.into(), ..good }, "[sync_oracle] grpc_listen: port 127.0.0.1:"),
    ];
    for (config, expect) in cases {
        let error = serve(config, vision_host::Env::new("/nonexistent", "test")).await.expect_err(expect);
        assert!(error.to_string().starts_with(expect), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn compressed_questions_are_answered_and_bounded_by_what_they_hold() {
    let (address, facts) = (free_address(), Facts::new());
    let _chain = ChainProcess::start(address, &facts);
    let _fresh = facts.keep_peers(&[(10, 0.4), (10, -3.0)]);
    let oracle = OracleProcess::start(address, FAST_MS);
    oracle.until("a snapshot", |snapshot| snapshot.tick > 0).await;
    let gzip = CompressionEncoding::Gzip;
    let mut client = oracle.client.clone().send_compressed(gzip).accept_compressed(gzip);
    let answer = client.get_snapshot(GetSnapshotRequest {}).await.expect("answered");
    assert_eq!(
        answer.metadata().get("grpc-encoding").map(|value| value.as_bytes()),
        Some(b"gzip".as_slice())
    );
    let request = GetEligiblePoolRequest { parent: "a".repeat(MAX_SMALL_MESSAGE_BYTES + 1) };
    let refused = client.get_eligible_pool(request).await.expect_err("too large");
    assert_eq!(reason_of(&refused).as_deref(), Some("MESSAGE_TOO_LARGE"), "{refused:?}");
    oracle.stop().await;
}
