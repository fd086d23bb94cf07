//! What is sent to those who watch events, over real gRPC.

mod support;

use std::time::Duration;

use futures::StreamExt;
use support::apart::Apart;
use support::{Client, Net, Node, free_port, head, produce, slot_of, wait_for_head, wait_until};
use tonic::Streaming;
use vision_primitives::{Hash, Height, Pool, Slot, TimestampMs};
use vision_schedule::{Schedule, SlotTiming, epoch_salt, seed};
use vision_wire::chain as proto;
use vision_wire::chain::chain_event::What;
use vision_wire::chain::{BlockInfo, ChainEvent, MissedSlot};

/// Longest that an event may be waited for.
const SOON: Duration = Duration::from_secs(30);

async fn watch_events(client: &mut Client, cursor: &str) -> Streaming<ChainEvent> {
    let request = proto::WatchEventsRequest { cursor: cursor.to_owned() };
    client.watch_events(request).await.expect("a watch").into_inner()
}

async fn next(events: &mut Streaming<ChainEvent>) -> ChainEvent {
    let event = tokio::time::timeout(SOON, events.next()).await.expect("in time");
    event.expect("goes on").expect("no error")
}

/// The next event in which something happened to the chain.
async fn happened(events: &mut Streaming<ChainEvent>) -> (String, What) {
    let something = async {
        loop {
            let event = next(events).await;
            // Tests of their own look at these, which come whenever they come.
            if matches!(event.what, Some(What::ContactLost(_) | What::ContactFound(_))) {
                continue;
            }
            if let Some(what) = event.what {
                assert!(!event.heartbeat && event.at_ms > 0);
                return (event.cursor, what);
            }
            assert!(event.heartbeat);
        }
    };
    // Heartbeats go on for ever.
    tokio::time::timeout(SOON, something).await.expect("something happens in time")
}

/// One line for each event, without what depends on hashes.
fn line(what: &What) -> String {
    match what {
        What::Block(block) => {
            let aside = if block.canonical { "" } else { " aside" };
            format!("block {} slot {}{aside}", block.height, block.slot)
        }
        What::MissedSlot(it) => format!("missed {} slot {} made in {}", it.height, it.slot, it.made_in_slot),
        What::Suspended(it) => format!("suspended at {} after {}", it.height, it.missed),
        What::Returned(it) => format!("returned at {} first {}", it.height, it.first_time),
        What::Reorg(it) => format!("reorg to {} depth {} joined {}", it.height, it.depth, it.joined_count),
        What::Finalized(it) => format!("final {}", it.height),
        What::CaughtUp(it) => format!("caught up {} to {}", it.from, it.to),
        other => format!("{other:?}"),
    }
}

/// The slots before a block's with their owners, from the protocol alone.
fn passed(net: &Net, active: &Pool, block: &BlockInfo) -> Vec<MissedSlot> {
    let parent: Hash = block.parent.parse().expect("a hash");
    let seed = seed(&parent, Height(block.height), &epoch_salt(&net.genesis.chain_id));
    let timing = SlotTiming::from(&net.genesis.params);
    let schedule =
        Schedule::new(seed, active.clone(), active.clone(), TimestampMs(0), timing).expect("a schedule");
    let slots = (0..block.slot.min(7)).filter(|_| block.height > 1);
    slots.map(|slot| MissedSlot { slot, node_id: schedule.owner(Slot(slot)).to_string() }).collect()
}

async fn block(client: &mut Client, height: u64) -> BlockInfo {
    let id = Some(proto::get_block_request::Id::Height(height));
    let request = proto::GetBlockRequest { id, ..Default::default() };
    client.get_block(request).await.expect("a block").into_inner().block.expect("it")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn blocks_and_missed_slots_are_reported_in_order_and_from_any_cursor_on() {
    let net = Net::new(3);
    let home = net.home(0);
    let node = Node::start(home.path(), &[]);
    let mut client = node.client().await;
    let mut events = watch_events(&mut client, "").await;
    let first = next(&mut events).await;
    assert!(first.heartbeat && first.what.is_none() && !first.cursor.is_empty(), "{first:?}");
    for slot in [2, 0, 1, 8] {
        produce(&net, &mut client, slot).await;
    }
    let expect = [
        // Nobody misses anything at height 1.
        "block 1 slot 2",
        "block 2 slot 0",
        "block 3 slot 1",
        "missed 3 slot 0 made in 1",
        "block 4 slot 8",
        "missed 4 slot 0 made in 8",
        "missed 4 slot 1 made in 8",
        "missed 4 slot 2 made in 8",
        "missed 4 slot 3 made in 8",
        "missed 4 slot 4 made in 8",
        "missed 4 slot 5 made in 8",
        "missed 4 slot 6 made in 8",
    ];
    let mut reported = Vec::new();
    for expect in expect {
        let (cursor, what) = happened(&mut events).await;
        assert_eq!(line(&what), expect);
        reported.push((cursor, what));
    }
    let active = Pool::new(net.keys.keys().copied());
    for (_, what) in &reported {
        match what {
            What::Block(info) => {
                let shown = block(&mut client, info.height).await;
                assert_eq!(info, &shown, "an event has what GetBlock shows of a block without transactions");
                assert_eq!(info.missed, passed(&net, &active, info));
                assert!(info.arrived_ms.is_some());
            }
            What::MissedSlot(missed) => {
                let maker = block(&mut client, missed.height).await;
                assert_eq!((&missed.made_by, missed.made_in_slot), (&maker.producer, maker.slot));
                let owner = &maker.missed[usize::try_from(missed.slot).expect("few")].node_id;
                assert_eq!(&missed.node_id, owner);
            }
            other => panic!("{other:?}"),
        }
    }
    for (at, (cursor, _)) in reported.iter().enumerate() {
        let mut again = watch_events(&mut client, cursor).await;
        for (cursor, what) in &reported[at + 1..] {
            assert_eq!(&happened(&mut again).await, &(cursor.clone(), what.clone()));
        }
    }
    let of_another_start = proto::WatchEventsRequest { cursor: "1-0".into() };
    let refused = client.watch_events(of_another_start).await.expect_err("of another start");
    assert!(vision_wire::reason_of(&refused).is_some_and(|reason| reason.contains("CURSOR")), "{refused:?}");
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_suspension_and_a_return_are_reported() {
    use vision_primitives::{Action, SyncProof, Transaction};
    let net = Net::new(3);
    let home = net.home(0);
    let node = Node::start(home.path(), &[]);
    let mut client = node.client().await;
    let mut events = watch_events(&mut client, "").await;
    let ids: Vec<Hash> = net.keys.keys().copied().collect();
    // The first two make all blocks until the third is suspended.
    let status_of = async |client: &mut Client, id: &Hash| {
        let registry = client.get_producers(proto::GetProducersRequest::default()).await.expect("a registry");
        let all = registry.into_inner().registered;
        all.into_iter().find(|producer| producer.node_id == id.to_string()).expect("registered")
    };
    let mut makers = ids[..2].iter().cycle();
    let suspended = loop {
        let maker = makers.next().expect("for ever");
        let slot = slot_of(&net, &mut client, maker, 0).await;
        produce(&net, &mut client, slot).await;
        let third = status_of(&mut client, &ids[2]).await;
        if third.status() == proto::producer::Status::Suspended {
            break third;
        }
        assert!(head(&mut client).await.height < 200, "nobody is suspended");
    };
    let reported = loop {
        match happened(&mut events).await.1 {
            What::Suspended(reported) => break reported,
            What::Block(_) | What::MissedSlot(_) => {}
            other => panic!("{other:?}"),
        }
    };
    let expect = proto::Suspended {
        node_id: ids[2].to_string(),
        height: suspended.suspended_at,
        missed: suspended.missed,
    };
    assert_eq!(reported, expect);
    assert_eq!(reported.height, head(&mut client).await.height);
    while head(&mut client).await.height + 1 < suspended.may_return_at {
        produce(&net, &mut client, 0).await;
    }
    let tip = head(&mut client).await;
    let proof = SyncProof { height: Height(tip.height), hash: tip.hash.parse().expect("a hash") };
    let key = &net.keys[&ids[2]];
    let action = Action::SyncProof(proof);
    let proof = Transaction { sender: key.public_key(), nonce: 0, fee: 0, action };
    let transaction = proof.sign(key, &net.genesis.hash()).bytes().to_vec().into();
    let request = proto::SubmitTransactionRequest { transaction, wait: false };
    client.submit_transaction(request).await.expect("taken");
    produce(&net, &mut client, 0).await;
    let returned = loop {
        match happened(&mut events).await.1 {
            What::Returned(returned) => break returned,
            What::Block(_) | What::MissedSlot(_) => {}
            other => panic!("{other:?}"),
        }
    };
    let height = head(&mut client).await.height;
    let expect = proto::Returned { node_id: ids[2].to_string(), height, first_time: false };
    assert_eq!(returned, expect);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reorganisation_reports_what_left_and_what_joined_with_the_transactions_put_back() {
    use support::transactions::{submit_one, transfer};
    let (net, nodes, mut client_a, mut client_b) = Apart::start().await;
    submit_one(&mut client_a, &transfer(&net, &net.senders[0], 0, 1), false).await.expect("taken");
    for _ in 0..3 {
        produce(&net, &mut client_a, 1).await;
        produce(&net, &mut client_b, 0).await;
    }
    let mut left = Vec::new();
    for height in (1..=3).rev() {
        left.push(block(&mut client_a, height).await.hash);
    }
    let heavier = head(&mut client_b).await;
    let mut events = watch_events(&mut client_a, "").await;
    next(&mut events).await;
    let nodes = nodes.meet(&mut client_a, &heavier.hash).await;
    let reorg = match happened(&mut events).await.1 {
        What::Reorg(reorg) => reorg,
        other => panic!("{other:?}"),
    };
    // The heavier branch may have won before its last block had come.
    let hashes =
        |blocks: &[BlockInfo]| -> Vec<String> { blocks.iter().map(|block| block.hash.clone()).collect() };
    assert_eq!((reorg.depth, hashes(&reorg.left)), (3, left));
    assert_eq!((reorg.joined_count, reorg.joined.len() as u64), (reorg.height, reorg.height));
    let mut joined = Vec::new();
    for height in (1..=reorg.height).rev() {
        joined.push(block(&mut client_a, height).await.hash);
    }
    assert_eq!(hashes(&reorg.joined), joined);
    assert!(reorg.left.iter().all(|block| !block.canonical && block.slot == 1));
    assert!(reorg.joined.iter().all(|block| block.canonical && block.slot == 0));
    assert_eq!(reorg.transactions_returned, 1);
    nodes.stop().await;
}

/// A branch so long that it becomes final in the very move that makes it the head's chain.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reorganisation_that_makes_its_branch_final_reports_both_sides_too() {
    const MOST: usize = 64;
    let (net, nodes, mut client_a, mut client_b) = Apart::start().await;
    // What one producer makes alone does not become final.
    let alone = *net.keys.keys().next().expect("a key");
    for _ in 0..100 {
        let slot = slot_of(&net, &mut client_a, &alone, 0).await;
        produce(&net, &mut client_a, slot).await;
    }
    let tip = head(&mut client_a).await;
    assert_eq!((tip.height, tip.finalized_height), (100, 0));
    while head(&mut client_b).await.weight <= tip.weight {
        produce(&net, &mut client_b, 0).await;
    }
    let heavier = head(&mut client_b).await;
    assert!(heavier.finalized_height > 0 && heavier.height < tip.height, "{heavier:?}");
    let mut left = Vec::new();
    for height in (1..=tip.height).rev().take(MOST) {
        left.push(block(&mut client_a, height).await.hash);
    }
    let mut events = watch_events(&mut client_a, "").await;
    next(&mut events).await;
    let nodes = nodes.meet(&mut client_a, &heavier.hash).await;
    let reorg = loop {
        match happened(&mut events).await.1 {
            What::Reorg(reorg) => break reorg,
            What::Block(_) => {}
            other => panic!("{other:?}"),
        }
    };
    let hashes =
        |blocks: &[BlockInfo]| -> Vec<String> { blocks.iter().map(|block| block.hash.clone()).collect() };
    // Both have the first blocks, if the primaries made them.
    assert_eq!(tip.height - reorg.depth, reorg.height - reorg.joined_count);
    assert!(reorg.depth.min(reorg.joined_count) > MOST as u64, "{} {}", reorg.depth, reorg.joined_count);
    assert_eq!(hashes(&reorg.left), left);
    let mut joined = Vec::new();
    for height in (1..=reorg.height).rev().take(MOST) {
        joined.push(block(&mut client_a, height).await.hash);
    }
    assert_eq!(hashes(&reorg.joined), joined);
    assert!(reorg.left.iter().all(|block| !block.canonical));
    assert!(reorg.joined.iter().all(|block| block.canonical));
    nodes.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_catches_up_reports_old_blocks_together_and_has_their_missed_slots_also_after_a_restart() {
    let net = Net::new(3);
    let homes = [net.home(0), net.home(1)];
    let a = Node::start(homes[0].path(), &[]);
    let mut client_a = a.client().await;
    let blocks = 150;
    for height in 1..=blocks {
        produce(&net, &mut client_a, if height % 10 == 0 { 3 } else { 0 }).await;
    }
    let tip = head(&mut client_a).await;
    let (grpc, p2p) = (free_port(), free_port());
    let b = Node::start_on(homes[1].path(), grpc, p2p, &[a.p2p]);
    let mut client_b = b.client().await;
    let mut events = watch_events(&mut client_b, "").await;
    wait_for_head(&mut client_b, &tip.hash).await;
    let (mut seen, mut upto) = (Vec::new(), 0);
    while upto < blocks {
        let (_, what) = happened(&mut events).await;
        if let What::CaughtUp(it) = &what {
            upto = it.to;
        }
        seen.push(line(&what));
    }
    // Not one for each block, none of missed slots of long ago; a part may come before the watch begins.
    assert!(seen.len() <= 20, "{seen:?}");
    assert!(seen.iter().all(|line| !line.starts_with("block") && !line.starts_with("missed")), "{seen:?}");
    wait_until("finality is sent too", || async { head(&mut b.client().await).await.finalized_height > 0 })
        .await;
    // The next one is reported by itself: it is announced.
    produce(&net, &mut client_a, 2).await;
    let expect = ["block 151 slot 2", "missed 151 slot 0 made in 2", "missed 151 slot 1 made in 2"];
    let mut live = Vec::new();
    while live.len() < expect.len() {
        let line = line(&happened(&mut events).await.1);
        if line.starts_with("block") || line.starts_with("missed") {
            live.push(line);
        }
    }
    assert_eq!(live, expect);
    b.stop().await;
    let b = Node::start_on(homes[1].path(), grpc, p2p, &[]);
    let mut client_b = b.client().await;
    let active = Pool::new(net.keys.keys().copied());
    let mut after = None;
    let mut seen = 0;
    let mut token = String::new();
    loop {
        let page = proto::ListBlocksRequest { page_size: 40, page_token: token, ..Default::default() };
        let page = client_b.list_blocks(page).await.expect("a page").into_inner();
        for info in &page.blocks {
            if info.height > 0 {
                let pool = pool_below(&mut client_b, info.height).await.unwrap_or_else(|| active.clone());
                assert_eq!(info.missed, passed(&net, &pool, info), "height {}", info.height);
                seen += info.missed.len();
            }
            let interval = after.map_or(0, |before| info.timestamp_ms - before);
            assert_eq!((info.interval_ms, info.arrived_ms), (interval, None), "height {}", info.height);
            after = Some(info.timestamp_ms);
        }
        token = page.next_page_token;
        if token.is_empty() {
            break;
        }
    }
    assert!(seen >= 3 * 15, "{seen}");
    let one = block(&mut client_b, 70).await;
    assert_eq!((one.missed.len(), one.finalized), (3, true), "a final block, whose pools only the store has");
    a.stop().await;
    b.stop().await;
}

/// The active pool before a height.
async fn pool_below(client: &mut Client, height: u64) -> Option<Pool> {
    let at = Some(proto::get_producers_request::At::Height(height - 1));
    let registry = client.get_producers(proto::GetProducersRequest { at }).await.ok()?.into_inner();
    Some(Pool::new(registry.active.iter().map(|id| id.parse().expect("an id"))))
}
