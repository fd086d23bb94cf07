//! Making blocks: when, how fast, and what is reported about it.

mod support;

use std::collections::BTreeSet;

use futures::StreamExt;
use support::{Facts, Mood, World, eventually, fast};
use tonic::codec::CompressionEncoding;
use vision_primitives::{Action, ConsensusParams, Hash, SignedTransaction, SyncProof};
use vision_wire::chain::{Producer, producer::Status as Registered};
use vision_wire::producer::{IsHeightClaimedRequest, ListClaimsRequest, WatchMiningStatusRequest};
use vision_wire::{MAX_SMALL_MESSAGE_BYTES, deadline, metadata_of, reason_of};

#[tokio::test(flavor = "multi_thread")]
async fn alone_it_makes_block_after_block_and_reports_each() {
    let world = World::start(Facts::new(fast(), 0));
    let height = 130;
    world.facts.state().last_height = height;
    let home = world.facts.home();
    let running = world.producer(home.path());
    running.until_health("serving", "").await;
    world.until_height(height).await;
    world.facts.state().eligible = false;
    let status = running.until("it stops", |status| !status.eligible && status.local_height == height).await;
    assert_eq!(status.not_eligible_because, "BEHIND: for the test");
    assert_eq!(status.next_height, height + 1);
    assert_eq!((status.my_slot, status.eligible_pool_size), (Some(0), 1));
    assert_eq!(status.current_winner, status.my_node_id);
    assert_eq!(status.backups.len(), 6);
    assert_eq!(status.recent_claims.len(), 10);
    assert_eq!(status.recent_claims[0].height, height);

    let all_done = || async {
        let (claims, _) = running.claims(ListClaimsRequest { page_size: 500, ..Default::default() }).await;
        claims.iter().all(|claim| claim.done).then_some(claims)
    };
    let claims = eventually("every claim is done", all_done).await;
    let heights: Vec<u64> = claims.iter().map(|claim| claim.height).collect();
    assert_eq!(heights, (height - 99..=height).rev().collect::<Vec<_>>(), "the last hundred, newest first");
    for claim in &claims {
        let block = world.facts.state().blocks[claim.height as usize - 1].clone();
        assert_eq!(claim.block_hash, block.hash.to_string());
        assert_eq!(claim.tip_hash, block.header.parent.to_string());
        assert_eq!(
            (claim.winner_id.clone(), claim.slot_idx),
            (world.facts.me().to_string(), block.header.slot.get())
        );
    }

    let page = ListClaimsRequest { page_size: 60, ..Default::default() };
    let (first, token) = running.claims(page.clone()).await;
    let (second, end) = running.claims(ListClaimsRequest { page_token: token, ..page }).await;
    assert_eq!([first, second].concat(), claims);
    assert_eq!(end, "");
    let one = running.claims(ListClaimsRequest { height: Some(height), ..Default::default() }).await.0;
    assert_eq!(one, claims[..1]);
    let none = ListClaimsRequest { height: Some(height + 1), ..Default::default() };
    assert!(running.claims(none).await.0.is_empty());
    let bad = ListClaimsRequest { page_token: "x".into(), ..Default::default() };
    let error = running.client().list_claims(deadline(bad)).await.expect_err("no token of this list");
    assert_eq!(reason_of(&error).as_deref(), Some("INVALID_PAGE_TOKEN"));
    assert_eq!(metadata_of(&error, "field").as_deref(), Some("page_token"));

    let is_claimed = |height| {
        let mut client = running.client();
        async move {
            let request = deadline(IsHeightClaimedRequest { height });
            client.is_height_claimed(request).await.expect("an answer").into_inner()
        }
    };
    for (height, receipt) in [(height, Some(&claims[0])), (height + 1, None), (height - 100, None)] {
        let answer = is_claimed(height).await;
        assert_eq!((answer.claimed, answer.claim.as_ref()), (receipt.is_some(), receipt), "{height}");
        assert_eq!(answer.kept_from_height, claims[99].height, "a no below is not certain");
    }

    assert_eq!(world.facts.state().pools_asked, 1, "the pools are asked for only when they change");
    world.facts.assert_never_two();
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_status_is_of_one_moment() {
    let world = World::start(Facts::new(fast(), 2));
    let home = world.facts.home();
    let running = world.producer(home.path());
    running.until("a status", |_| true).await;
    let request = WatchMiningStatusRequest::default();
    let mut watch = running.client().watch_mining_status(request).await.expect("a watch").into_inner();
    let mut seen = BTreeSet::new();
    let facts = world.facts.clone();
    let moving = tokio::spawn(async move {
        for _ in 0..60 {
            facts.foreign_block();
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    });
    while seen.len() < 30 {
        let event = tokio::time::timeout(support::PATIENCE, watch.next()).await.expect("in time");
        let status = event.expect("no end").expect("no error").status.expect("a status");
        let head = match status.local_height {
            0 => continue,
            height => world.facts.state().blocks[height as usize - 1].clone(),
        };
        let schedule = {
            let mut of_then = world.facts.head();
            of_then.height = status.local_height;
            of_then.entropy = head.hash.to_string();
            of_then.timestamp_ms = head.header.timestamp_ms.get();
            common_schedule(&world.facts, &of_then)
        };
        assert_eq!(status.next_height, status.local_height + 1);
        assert_eq!(status.current_winner, schedule[0], "of the same head");
        assert_eq!(status.backups, schedule[1..7]);
        let mine = schedule[..7].iter().position(|id| *id == status.my_node_id);
        assert_eq!(status.my_slot, mine.map(|slot| slot as u64));
        // A block in flight is no lag.
        assert!(status.network_height - status.local_height >= status.lag_blocks);
        seen.insert(status.local_height);
    }
    moving.await.expect("no panic");
    running.stop().await;
}

fn common_schedule(facts: &Facts, head: &vision_wire::chain::Head) -> Vec<String> {
    let schedule = support::schedule(facts, head);
    schedule.owners(vision_primitives::Slot(0)).take(7).map(|(_, id)| id.to_string()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn among_others_it_uses_its_own_slots_and_the_open_tail() {
    // Two dead others: every block waits for this node's slot, whichever it is.
    let params = ConsensusParams { claim_timeout_ms: 100, backup_slots: 0, ..fast() };
    let world = World::start(Facts::new(params, 2));
    let home = world.facts.home();
    let running = world.producer(home.path());
    world.until_height(8).await;
    let slots: BTreeSet<u64> =
        world.facts.state().blocks.iter().map(|block| block.header.slot.get()).collect();
    assert!(slots.iter().all(|slot| *slot <= 3), "within the first lap of the tail: {slots:?}");
    world.facts.assert_never_two();
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_net_that_stood_still_for_an_hour_goes_on() {
    let facts = Facts::new(ConsensusParams { claim_timeout_ms: 100, ..fast() }, 1);
    let mut old = facts.head();
    old.timestamp_ms = facts.clock.now_ms() - 3_600_000;
    let stamp = vision_primitives::TimestampMs(old.timestamp_ms);
    let header = support::header(&old, 0, facts.others[0], stamp, &[]);
    facts.store(header, Vec::new());
    let world = World::start(facts);
    let home = world.facts.home();
    let running = world.producer(home.path());
    world.until_height(2).await;
    let block = world.facts.state().blocks[1].clone();
    assert!(block.header.slot.get() > 1_000, "far in the tail: {}", block.header.slot);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_answer_and_a_dead_chain_cost_no_second_block() {
    for mood in [Mood::Dead, Mood::Mute, Mood::Moved] {
        let world = World::start(Facts::new(fast(), 0));
        world.facts.state().mood = mood;
        let home = world.facts.home();
        let running = world.producer(home.path());
        eventually("it tries again", || async { (world.facts.state().submitted >= 3).then_some(()) }).await;
        if mood != Mood::Mute {
            assert_eq!(world.facts.height(), 0, "{mood:?}");
        }
        world.facts.state().mood = Mood::Good;
        world.until_height(5).await;
        world.facts.assert_never_two();
        running.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_suspended_producer_shows_that_it_follows() {
    let world = World::start(Facts::new(fast(), 2));
    let me = world.facts.me();
    {
        let mut state = world.facts.state();
        state.active.retain(|id| *id != me);
        state.records = vec![Producer {
            node_id: me.to_string(),
            status: Registered::Suspended.into(),
            may_return_at: 3,
            ..Producer::default()
        }];
    }
    world.facts.announce();
    let home = world.facts.home();
    let running = world.producer(home.path());
    let status = running.until("a status", |status| status.eligible).await;
    assert_eq!((status.my_slot, status.eligible_pool_size), (None, 2));
    assert!(world.facts.state().proofs.is_empty(), "too early");
    world.facts.foreign_block();
    world.facts.foreign_block();
    let named_twice = || async {
        let state = world.facts.state();
        (state.proofs.len() >= 2).then(|| state.proofs.clone())
    };
    let proofs = eventually("proofs at every tick", named_twice).await;
    let head = world.facts.state().blocks[1].hash;
    for bytes in proofs {
        let proof = SignedTransaction::from_bytes(bytes, &world.facts.genesis_hash).expect("a transaction");
        proof.verify(&world.facts.genesis_hash).expect("signed");
        assert_eq!(proof.sender_address(), me);
        let transaction = proof.transaction();
        assert_eq!((transaction.nonce, transaction.fee), (0, 0));
        let Action::SyncProof(SyncProof { height, hash }) = transaction.action else {
            panic!("another action")
        };
        assert_eq!((height.get(), hash), (2, head));
    }
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_header_that_was_not_asked_for_is_not_signed() {
    type Bend = fn(&mut vision_primitives::Header);
    let bends: [Bend; 4] = [
        |h| h.parent = Hash::ZERO,
        |h| h.slot.0 += 1,
        |h| h.timestamp_ms.0 += 1,
        |h| h.producer = Hash::ZERO,
    ];
    for bend in bends {
        let world = World::start(Facts::new(fast(), 0));
        world.facts.state().bend = Some(bend);
        let home = world.facts.home();
        let running = world.producer(home.path());
        eventually("it asks more than once", || async {
            (world.facts.state().prepared.len() >= 2).then_some(())
        })
        .await;
        assert!(world.facts.state().signed.is_empty());
        world.facts.state().bend = None;
        world.until_height(2).await;
        running.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn compressed_questions_are_answered_and_bounded_by_what_they_hold() {
    let world = World::start(Facts::new(fast(), 0));
    let home = world.facts.home();
    let running = world.producer(home.path());
    running.until_health("serving", "").await;
    let gzip = CompressionEncoding::Gzip;
    let mut client = running.client().send_compressed(gzip).accept_compressed(gzip);
    let answer = client.list_claims(deadline(ListClaimsRequest::default())).await.expect("answered");
    assert_eq!(
        answer.metadata().get("grpc-encoding").map(|value| value.as_bytes()),
        Some(b"gzip".as_slice())
    );
    let page_token = "a".repeat(MAX_SMALL_MESSAGE_BYTES + 1);
    let request = ListClaimsRequest { page_token, ..Default::default() };
    let refused = client.list_claims(deadline(request)).await.expect_err("too large");
    assert_eq!(reason_of(&refused).as_deref(), Some("MESSAGE_TOO_LARGE"), "{refused:?}");
    running.stop().await;
}
