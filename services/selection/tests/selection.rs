//! The service over real gRPC.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;
use tonic::Code;
use tonic::codec::CompressionEncoding;
use tonic::transport::Channel;
use vision_host::Env;
use vision_primitives::{Hash, hash};
use vision_selection::{Config, serve};
use vision_wire::selection::selection_service_client::SelectionServiceClient;
use vision_wire::selection::{GetScheduleRequest, ScheduleParams, VerifySlotRequest};
use vision_wire::{
    MAX_MESSAGE_BYTES, MAX_POOL_IDS, MAX_SCHEDULE_BYTES, MAX_SLOTS, connect_lazy, deadline, metadata_of,
    reason_of,
};

/// A running service, stopped when dropped.
struct Running {
    env: Env,
    client: SelectionServiceClient<Channel>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.env.drain.begin();
    }
}

async fn start() -> Running {
    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = free.local_addr().expect("bound");
    drop(free);
    let env = Env::new(std::env::temp_dir(), "test");
    let serving = serve(Config { grpc_listen: address.into() }, env.clone());
    tokio::spawn(serving);
    let url = format!("http://{address}");
    let client = SelectionServiceClient::new(connect_lazy(&url).expect("a URL"))
        .max_encoding_message_size(MAX_MESSAGE_BYTES)
        .max_decoding_message_size(MAX_MESSAGE_BYTES);
    let listens = async {
        while tokio::net::TcpStream::connect(address).await.is_err() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), listens).await.expect("the service listens");
    Running { env, client }
}

fn ids(n: u64) -> Vec<String> {
    (0..n).map(|i| hash(&[&i.to_le_bytes()]).to_string()).collect()
}

/// The text of a refusal, with the details, which repeat the sentence.
const MAX_REFUSAL_CHARS: usize = 600;

#[tokio::test]
async fn no_refusal_repeats_a_long_text_or_what_a_terminal_obeys() {
    let service = start().await;
    let mut client = service.client.clone();
    let long = "a\u{1b}[2J\n".repeat(3_400);
    assert!(long.len() > 20_000);
    let good = question(ids(3));
    let cases = [
        ("chain_id", "INVALID_ARGUMENT", GetScheduleRequest { chain_id: long.clone(), ..good.clone() }),
        ("entropy", "INVALID_HASH", GetScheduleRequest { entropy: long.clone(), ..good.clone() }),
        ("active", "INVALID_HASH", GetScheduleRequest { active: vec![long.clone()], ..good.clone() }),
        ("registered", "INVALID_HASH", GetScheduleRequest { registered: vec![long.clone()], ..good.clone() }),
    ];
    let mut refusals = Vec::new();
    for (field, reason, request) in cases {
        refusals.push((field, reason, client.get_schedule(request).await.err()));
    }
    let request = VerifySlotRequest { schedule: Some(good), node_id: long, ..Default::default() };
    refusals.push(("node_id", "INVALID_HASH", client.verify_slot(request).await.err()));
    for (field, reason, refusal) in refusals {
        let refusal = refusal.unwrap_or_else(|| panic!("{field} is not refused"));
        assert_eq!(reason_of(&refusal).as_deref(), Some(reason), "{field}: {refusal:?}");
        assert_eq!(metadata_of(&refusal, "field").as_deref(), Some(field));
        let length = refusal.message().chars().count() + refusal.details().len();
        assert!(length < MAX_REFUSAL_CHARS && !refusal.message().contains(char::is_control), "{refusal:?}");
    }
}

fn question(active: Vec<String>) -> GetScheduleRequest {
    GetScheduleRequest {
        chain_id: "vision-mainnet".into(),
        entropy: "ab".repeat(32),
        height: 7,
        active,
        registered: Vec::new(),
        slots: Vec::new(),
        parent_timestamp_ms: 1_700_000_000_000,
        params: None,
    }
}

#[derive(Deserialize)]
struct Vectors {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    chain_id: String,
    entropy: String,
    height: u64,
    active: Vec<String>,
    registered: Vec<String>,
    epoch_salt: String,
    seed: String,
    winners: Vec<String>,
    slot_owners: BTreeMap<String, String>,
    jitter_ms: BTreeMap<String, u64>,
    slot_start_ms: BTreeMap<String, u64>,
}

#[tokio::test]
async fn the_frozen_vectors() {
    let running = start().await;
    let mut client = running.client.clone();
    let text = include_str!("../../../crates/schedule/tests/vectors/selection.json");
    let vectors: Vectors = serde_json::from_str(text).expect("the vectors parse");
    assert!(!vectors.cases.is_empty());
    for (index, case) in vectors.cases.into_iter().enumerate() {
        let base = GetScheduleRequest {
            chain_id: case.chain_id,
            entropy: case.entropy,
            height: case.height,
            active: case.active,
            registered: case.registered,
            ..question(Vec::new())
        };
        let first = client.get_schedule(deadline(base.clone())).await.expect("a schedule").into_inner();
        assert_eq!((first.seed, first.epoch_salt), (case.seed, case.epoch_salt), "case {index}");
        let winners: Vec<_> = first.slots.into_iter().map(|slot| slot.node_id).collect();
        assert_eq!(winners, case.winners, "case {index}");

        let slots: Vec<u64> = case.slot_owners.keys().map(|k| k.parse().expect("a slot")).collect();
        let request = GetScheduleRequest { slots: slots.clone(), ..base.clone() };
        let answer = client.get_schedule(deadline(request)).await.expect("a schedule").into_inner();
        let asked: Vec<_> = answer.slots.iter().map(|slot| slot.slot).collect();
        assert_eq!(asked, slots, "case {index}: in the order asked");
        for slot in answer.slots {
            let key = slot.slot.to_string();
            assert_eq!(slot.node_id, case.slot_owners[&key], "case {index} slot {key}");
            if let Some(jitter) = case.jitter_ms.get(&slot.node_id) {
                assert_eq!(slot.jitter_ms, *jitter, "case {index} slot {key}");
            }
            assert_eq!(
                slot.opens_at_ms - slot.jitter_ms,
                case.slot_start_ms[&key],
                "case {index} slot {key}"
            );
            for (timestamp_ms, expect) in [
                (slot.opens_at_ms - 1, "TOO_EARLY"),
                (slot.opens_at_ms, ""),
                (slot.closes_at_ms - 1, ""),
                (slot.closes_at_ms, "TOO_LATE"),
            ] {
                let request = VerifySlotRequest {
                    schedule: Some(base.clone()),
                    slot: slot.slot,
                    node_id: slot.node_id.clone(),
                    timestamp_ms,
                };
                let verdict = client.verify_slot(deadline(request)).await.expect("a verdict").into_inner();
                assert_eq!((verdict.valid, verdict.reason.as_str()), (expect.is_empty(), expect));
                assert_eq!(verdict.slot, Some(slot.clone()));
            }
        }
    }
}

#[tokio::test]
async fn defaults_order_and_duplicates() {
    let running = start().await;
    let mut client = running.client.clone();
    let sorted = client.get_schedule(deadline(question(ids(5)))).await.expect("a schedule").into_inner();
    assert_eq!(sorted.slots.len(), 7);

    let mut messy = ids(5);
    messy.reverse();
    messy.extend(ids(3));
    let same = GetScheduleRequest { registered: messy.clone(), ..question(messy) };
    let defaults = ScheduleParams {
        block_interval_ms: Some(1800),
        claim_timeout_ms: Some(1200),
        backup_slots: Some(6),
        jitter_min_ms: Some(50),
        jitter_max_ms: Some(400),
    };
    for params in [None, Some(ScheduleParams::default()), Some(defaults)] {
        let request = GetScheduleRequest { params, ..same.clone() };
        assert_eq!(client.get_schedule(deadline(request)).await.expect("a schedule").into_inner(), sorted);
    }
    // Nobody active: the registered ones stand in.
    let only_registered = GetScheduleRequest { registered: ids(5), ..question(Vec::new()) };
    assert_eq!(
        client.get_schedule(deadline(only_registered)).await.expect("a schedule").into_inner(),
        sorted
    );

    let stranger = VerifySlotRequest {
        schedule: Some(question(ids(5))),
        slot: 0,
        node_id: Hash::ZERO.to_string(),
        timestamp_ms: 0,
    };
    let verdict = client.verify_slot(deadline(stranger)).await.expect("a verdict").into_inner();
    assert_eq!((verdict.valid, verdict.reason.as_str()), (false, "NOT_SLOT_OWNER"));
}

/// What is wrong, the request, its reason and the field that is named.
fn bad_requests() -> [(&'static str, GetScheduleRequest, &'static str, &'static str); 11] {
    let params = |params: ScheduleParams| GetScheduleRequest { params: Some(params), ..question(ids(3)) };
    let some = ScheduleParams::default;
    [
        ("no pool", question(Vec::new()), "EMPTY_POOL", "active"),
        (
            "no chain",
            GetScheduleRequest { chain_id: String::new(), ..question(ids(3)) },
            "INVALID_ARGUMENT",
            "chain_id",
        ),
        (
            "long chain",
            GetScheduleRequest { chain_id: "a".repeat(65), ..question(ids(3)) },
            "INVALID_ARGUMENT",
            "chain_id",
        ),
        (
            "entropy",
            GetScheduleRequest { entropy: "0x12".into(), ..question(ids(3)) },
            "INVALID_HASH",
            "entropy",
        ),
        ("id", question(vec!["G".repeat(64)]), "INVALID_HASH", "active"),
        (
            "registered",
            GetScheduleRequest { registered: vec!["x".into()], ..question(ids(3)) },
            "INVALID_HASH",
            "registered",
        ),
        (
            "W",
            params(ScheduleParams { claim_timeout_ms: Some(0), ..some() }),
            "INVALID_PARAMETER",
            "claim_timeout_ms",
        ),
        (
            "interval",
            params(ScheduleParams { block_interval_ms: Some(u64::MAX), ..some() }),
            "INVALID_PARAMETER",
            "block_interval_ms",
        ),
        (
            "backups",
            params(ScheduleParams { backup_slots: Some(64), ..some() }),
            "INVALID_PARAMETER",
            "backup_slots",
        ),
        (
            "jitter",
            params(ScheduleParams { jitter_min_ms: Some(400), ..some() }),
            "INVALID_PARAMETER",
            "jitter_min_ms",
        ),
        (
            "jitter past W/2",
            params(ScheduleParams { jitter_max_ms: Some(601), ..some() }),
            "INVALID_PARAMETER",
            "jitter_max_ms",
        ),
    ]
}

#[tokio::test]
async fn bad_requests_are_refused_with_what_is_wrong() {
    let running = start().await;
    let mut client = running.client.clone();
    for (desc, request, reason, field) in bad_requests() {
        let error = client.get_schedule(deadline(request.clone())).await.expect_err(desc);
        assert_eq!(error.code(), Code::InvalidArgument, "{desc}");
        assert_eq!(reason_of(&error).as_deref(), Some(reason), "{desc}");
        assert_eq!(metadata_of(&error, "field").as_deref(), Some(field), "{desc}");
        let verify = VerifySlotRequest {
            schedule: Some(request),
            slot: 0,
            node_id: ids(1)[0].clone(),
            timestamp_ms: 0,
        };
        let error = client.verify_slot(deadline(verify)).await.expect_err(desc);
        assert_eq!(reason_of(&error).as_deref(), Some(reason), "{desc}");
    }
}

#[tokio::test]
async fn too_many_slots_and_bad_proposals_are_refused_with_what_is_wrong() {
    let running = start().await;
    let mut client = running.client.clone();
    let many = GetScheduleRequest { slots: vec![0; MAX_SLOTS + 1], ..question(ids(3)) };
    let error = client.get_schedule(deadline(many)).await.expect_err("too many slots");
    assert_eq!((error.code(), reason_of(&error).as_deref()), (Code::InvalidArgument, Some("TOO_MANY_SLOTS")));
    assert_eq!(metadata_of(&error, "limit").as_deref(), Some("1024"));

    let bad_node = VerifySlotRequest {
        schedule: Some(question(ids(3))),
        slot: 0,
        node_id: "me".into(),
        timestamp_ms: 0,
    };
    let error = client.verify_slot(deadline(bad_node)).await.expect_err("a bad node");
    assert_eq!(metadata_of(&error, "field").as_deref(), Some("node_id"));
    let error = client.verify_slot(deadline(VerifySlotRequest::default())).await.expect_err("no schedule");
    assert_eq!(metadata_of(&error, "field").as_deref(), Some("schedule"));
}

#[tokio::test]
async fn the_largest_pools_are_answered_and_larger_ones_refused() {
    let running = start().await;
    // Without a deadline: a build without optimisation takes seconds for such pools, and more on a busy
    // machine.
    let mut client = running.client.clone();
    let full = ids(MAX_POOL_IDS as u64);
    let mut other = full.clone();
    other.reverse();
    let request =
        GetScheduleRequest { registered: other, slots: vec![0, 6, 7, u64::MAX], ..question(full.clone()) };
    let answer = client.get_schedule(request.clone()).await.expect("a schedule").into_inner();
    assert_eq!(answer.slots.len(), 4);

    // A slot in each of a thousand laps of so large a pool would be a minute of hashing.
    let slots = (0..MAX_SLOTS as u64).map(|lap| lap * MAX_POOL_IDS as u64 + 50_000).collect();
    let error = client.get_schedule(GetScheduleRequest { slots, ..request }).await.expect_err("too dear");
    assert_eq!(reason_of(&error).as_deref(), Some("TOO_MANY_SLOTS"));

    let error = client.get_schedule(question(ids(MAX_POOL_IDS as u64 + 1))).await.expect_err("too many");
    assert_eq!((error.code(), reason_of(&error).as_deref()), (Code::InvalidArgument, Some("TOO_MANY_IDS")));
    assert_eq!(metadata_of(&error, "limit").as_deref(), Some("100000"));
    let empty = question(vec![String::new(); 6_000_000]);
    let error = client.get_schedule(empty).await.expect_err("too many");
    assert_eq!(reason_of(&error).as_deref(), Some("TOO_MANY_IDS"), "refused before they are decoded");
    let large = GetScheduleRequest { chain_id: "a".repeat(MAX_SCHEDULE_BYTES), ..question(ids(3)) };
    let error = client.get_schedule(large).await.expect_err("too large");
    assert_eq!(reason_of(&error).as_deref(), Some("MESSAGE_TOO_LARGE"), "not even read");
}

#[tokio::test]
async fn every_slot_there_is_has_an_owner() {
    let running = start().await;
    let mut client = running.client.clone();
    let request = GetScheduleRequest { slots: vec![u64::MAX, 0, u64::MAX, 7], ..question(ids(3)) };
    let answer = client.get_schedule(deadline(request)).await.expect("a schedule").into_inner();
    let asked: Vec<_> = answer.slots.iter().map(|slot| slot.slot).collect();
    assert_eq!(asked, [u64::MAX, 0, u64::MAX, 7]);
    assert_eq!(answer.slots[0], answer.slots[2]);
    assert!(answer.slots.iter().all(|slot| ids(3).contains(&slot.node_id)));
}

#[tokio::test]
async fn compressed_questions_are_answered_alike_and_bounded_by_what_they_hold() {
    let running = start().await;
    let mut plain = running.client.clone();
    let gzip = CompressionEncoding::Gzip;
    let mut client = running.client.clone().send_compressed(gzip).accept_compressed(gzip);
    let unasked = plain.get_schedule(deadline(question(ids(300)))).await.expect("answered");
    let asked = client.get_schedule(deadline(question(ids(300)))).await.expect("answered");
    let encodings = [&asked, &unasked].map(|answer| answer.metadata().get("grpc-encoding").cloned());
    assert_eq!(encodings, ["gzip".parse().ok(), None], "only those that ask get gzip");
    assert_eq!(asked.get_ref(), unasked.get_ref());
    for (desc, pool, reason) in [
        ("too many entries", vec![String::new(); MAX_POOL_IDS + 1], "TOO_MANY_IDS"),
        ("too many bytes", vec!["a".repeat(MAX_SCHEDULE_BYTES + 1)], "MESSAGE_TOO_LARGE"),
    ] {
        let refused = client.get_schedule(deadline(question(pool))).await.expect_err(desc);
        assert_eq!(reason_of(&refused).as_deref(), Some(reason), "{desc}: {refused:?}");
    }
}
