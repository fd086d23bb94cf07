//! Slots, statistics and the tree of the last heights, over real gRPC.

mod support;

use std::collections::BTreeMap;

use support::apart::Apart;
use support::{Client, Net, Node, head, produce, schedule};
use tonic::Code;
use vision_primitives::{Hash, Height, Pool, Slot, TimestampMs};
use vision_schedule::{Schedule, SlotTiming, epoch_salt, seed};
use vision_wire::chain as proto;
use vision_wire::reason_of;

async fn slots(client: &mut Client, height: Option<u64>, slots: &[u64]) -> proto::GetSlotsResponse {
    let request = proto::GetSlotsRequest { height, slots: slots.to_vec() };
    client.get_slots(request).await.expect("slots").into_inner()
}

async fn statistics(client: &mut Client, window: u32) -> proto::GetStatisticsResponse {
    let request = proto::GetStatisticsRequest { window };
    client.get_statistics(request).await.expect("statistics").into_inner()
}

async fn tree(client: &mut Client, heights: u32) -> Vec<proto::TreeBlock> {
    let request = proto::GetForkTreeRequest { heights };
    client.get_fork_tree(request).await.expect("a tree").into_inner().blocks
}

async fn blocks(client: &mut Client) -> Vec<proto::BlockInfo> {
    let request = proto::ListBlocksRequest { page_size: 500, ..Default::default() };
    client.list_blocks(request).await.expect("blocks").into_inner().blocks
}

/// A height's slots as a schedule made of the answer's own inputs has them.
fn recomputed(net: &Net, reported: &proto::GetSlotsResponse, wanted: &[u64]) -> Vec<proto::Slot> {
    let pool = |ids: &[String]| Pool::new(ids.iter().map(|id| id.parse().expect("an id")));
    let entropy: Hash = reported.entropy.parse().expect("a hash");
    let seed = seed(&entropy, Height(reported.height), &epoch_salt(&reported.chain_id));
    assert_eq!(
        (seed.to_string(), epoch_salt(&reported.chain_id).to_string()),
        (reported.seed.clone(), reported.epoch_salt.clone())
    );
    let timing = SlotTiming::from(&net.genesis.params);
    let (active, registered) = (pool(&reported.active), pool(&reported.registered));
    let parent = TimestampMs(reported.parent_timestamp_ms);
    let schedule =
        Schedule::new(seed, active.clone(), registered.clone(), parent, timing).expect("a schedule");
    let show = |slot: &u64| {
        let window = schedule.window(Slot(*slot));
        let (base, size) = if *slot < 7 { (0, active.len() as u64) } else { (7, registered.len() as u64) };
        let number = vision_schedule::draw(&seed, *slot).first_u64();
        let place = (slot - base) % size;
        proto::Slot {
            slot: *slot,
            node_id: window.owner.to_string(),
            opens_at_ms: window.opens_at.get(),
            jitter_ms: window.jitter_ms,
            closes_at_ms: window.closes_at.get(),
            draw: hex::encode(number.to_be_bytes()),
            lap: (slot - base) / size,
            place,
            picked: place + number % (size - place),
        }
    };
    wanted.iter().map(show).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slots_of_every_height_are_those_its_block_was_made_in() {
    let net = Net::new(4);
    let home = net.home(0);
    let node = Node::start(home.path(), &[]);
    let mut client = node.client().await;
    // Long enough for final blocks, and with suspensions, so that the pools differ from height to height.
    for height in 1..=120_u64 {
        produce(&net, &mut client, if height.is_multiple_of(3) { 4 } else { 0 }).await;
    }
    assert!(head(&mut client).await.finalized_height > 20);
    let tip = head(&mut client).await;
    let next = slots(&mut client, None, &[]).await;
    assert_eq!((next.height, &next.parent, next.parent_timestamp_ms), (121, &tip.hash, tip.timestamp_ms));
    let main: Vec<u64> = (0..7).collect();
    assert_eq!(next.slots, recomputed(&net, &next, &main));
    assert_eq!(next, slots(&mut client, Some(121), &[]).await);
    node.stop().await;
    let node = Node::start(home.path(), &[]);
    let mut client = node.client().await;
    let mut pools: BTreeMap<Vec<String>, u32> = BTreeMap::new();
    for block in blocks(&mut client).await.into_iter().skip(1) {
        let wanted = [block.slot, 0, 9, 1_000_000];
        let reported = slots(&mut client, Some(block.height), &wanted).await;
        assert_eq!(
            (reported.height, &reported.parent, &reported.entropy),
            (block.height, &block.parent, &block.parent)
        );
        assert_eq!(reported.slots, recomputed(&net, &reported, &wanted), "height {}", block.height);
        assert_eq!(reported.slots[0].node_id, block.producer, "height {}", block.height);
        assert!(
            (reported.slots[0].opens_at_ms..reported.slots[0].closes_at_ms).contains(&block.timestamp_ms)
        );
        *pools.entry(reported.active).or_default() += 1;
    }
    assert!(pools.len() > 1, "some producer was suspended for a while");
    let refusals = [
        (Some(0), vec![], "INVALID_HEIGHT"),
        (Some(122), vec![], "HEIGHT_NOT_FOUND"),
        (None, vec![0; 1025], "TOO_MANY_SLOTS"),
    ];
    for (height, slots, expect) in refusals {
        let refused = client.get_slots(proto::GetSlotsRequest { height, slots }).await.expect_err(expect);
        assert_eq!(reason_of(&refused).as_deref(), Some(expect), "{refused:?}");
    }
    node.stop().await;
}

/// Counts from the blocks alone.
fn counted(net: &Net, all: &[proto::BlockInfo], window: usize) -> Vec<(String, [u64; 4], String)> {
    let mut counts: BTreeMap<String, [u64; 4]> = net.keys.keys().map(|id| (id.to_string(), [0; 4])).collect();
    let counted = &all[all.len().saturating_sub(window).max(1)..];
    for block in counted {
        let kind = match block.slot {
            0 => 0,
            1..7 => 1,
            _ => 2,
        };
        counts.entry(block.producer.clone()).or_default()[kind] += 1;
        let mut owners: Vec<_> = block.missed.iter().map(|missed| missed.node_id.clone()).collect();
        owners.sort();
        owners.dedup();
        owners.into_iter().for_each(|owner| counts.entry(owner).or_default()[3] += 1);
    }
    let reward = net.genesis.params.block_reward;
    let row = |(id, n): (String, [u64; 4])| (id, n, (reward * (n[0] + n[1] + n[2])).to_string());
    counts.into_iter().map(row).collect()
}

fn rows(reported: &proto::GetStatisticsResponse) -> Vec<(String, [u64; 4], String)> {
    let row = |of: &proto::ProducerStatistics| {
        (of.node_id.clone(), [of.primary, of.backup, of.tail, of.missed], of.rewards.clone())
    };
    reported.producers.iter().map(row).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn statistics_go_on_from_what_was_counted_and_are_right_after_a_reorganisation() {
    let (net, nodes, mut client_a, mut client_b) = Apart::start().await;
    let nothing = statistics(&mut client_a, 0).await;
    assert_eq!((nothing.from_height, nothing.to_height, nothing.blocks), (0, 0, 0));
    assert_eq!((nothing.interval_median_ms, nothing.interval_max_ms), (None, None));
    let check = async |client: &mut Client, what: &str| {
        let all = blocks(client).await;
        for window in [0_u32, 1, 5, 1000] {
            let reported = statistics(client, window).await;
            let size = if window == 0 { 1000 } else { window as usize };
            let from = all.len().saturating_sub(size).max(1);
            assert_eq!(
                (reported.from_height, reported.to_height),
                (from as u64, all.len() as u64 - 1),
                "{what}"
            );
            let mut expect = counted(&net, &all, size);
            expect.retain(|(id, ..)| reported.producers.iter().any(|reported| reported.node_id == *id));
            assert_eq!(rows(&reported), expect, "{what}, {window}");
            assert_eq!(reported.blocks, all.len() as u64 - from as u64, "{what}");
            let mut intervals: Vec<u64> = all[from..].iter().map(|block| block.interval_ms).collect();
            intervals.sort_unstable();
            let middle = intervals[(intervals.len() - 1) / 2];
            assert_eq!(
                (reported.interval_median_ms, reported.interval_max_ms),
                (Some(middle), intervals.last().copied())
            );
            let due: f64 = reported.producers.iter().map(|of| of.expected_share).sum();
            let share: f64 = reported.producers.iter().map(|of| of.share).sum();
            assert!((due - 1.0).abs() < 1e-9 && (share - 1.0).abs() < 1e-9, "{what}: {due} {share}");
        }
    };
    for slot in [0, 2, 9] {
        produce(&net, &mut client_a, slot).await;
        check(&mut client_a, "block by block").await;
    }
    for _ in 0..6 {
        produce(&net, &mut client_b, 0).await;
    }
    let heavier = head(&mut client_b).await;
    let nodes = nodes.meet(&mut client_a, &heavier.hash).await;
    check(&mut client_a, "after the head has moved to another branch").await;
    produce(&net, &mut client_a, 1).await;
    check(&mut client_a, "and on it").await;
    let before = [statistics(&mut client_a, 0).await, statistics(&mut client_a, 3).await];
    nodes.b.stop().await;
    nodes.a.stop().await;
    let a = Node::start(nodes.homes[0].path(), &[]);
    let mut client_a = a.client().await;
    assert_eq!(
        [statistics(&mut client_a, 0).await, statistics(&mut client_a, 3).await],
        before,
        "from nothing"
    );
    let refused =
        client_a.get_statistics(proto::GetStatisticsRequest { window: 1001 }).await.expect_err("too many");
    assert_eq!(refused.code(), Code::InvalidArgument);
    a.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_tree_shows_what_was_replaced_when_and_why() {
    let (net, nodes, mut client_a, mut client_b) = Apart::start().await;
    let first = tree(&mut client_a, 0).await;
    assert_eq!(first.len(), 1);
    assert_eq!((first[0].height, first[0].canonical, first[0].finalized), (0, true, true));
    // A backup's block, and then the primary's.
    let parent = head(&mut client_a).await;
    let slow = produce(&net, &mut client_a, 1).await.hash;
    let fast = produce(&net, &mut client_b, 0).await.hash;
    let nodes = nodes.meet(&mut client_a, &fast).await;
    let reported = tree(&mut client_a, 1).await;
    assert_eq!(
        reported.iter().map(|block| &block.hash).collect::<Vec<_>>(),
        [&fast, &slow],
        "the head's chain first"
    );
    let (fast_row, slow_row) = (&reported[0], &reported[1]);
    assert_eq!((fast_row.canonical, slow_row.canonical), (true, false));
    assert_eq!((&fast_row.parent, &slow_row.parent), (&parent.hash, &parent.hash));
    assert_eq!((fast_row.replaced_at_ms, fast_row.replaced_because.as_str()), (None, ""));
    assert!(slow_row.replaced_because.starts_with("LIGHTER: slot 1 against slot 0"), "{slow_row:?}");
    assert!(slow_row.replaced_at_ms >= slow_row.arrived_ms && slow_row.arrived_ms.is_some(), "{slow_row:?}");
    let tip = head(&mut client_a).await;
    let owner = schedule(&net, &mut client_a, &tip).await.owner(Slot(0));
    produce(&net, &mut client_a, 0).await;
    for _ in 0..99 {
        produce(&net, &mut client_a, 0).await;
    }
    let tip = head(&mut client_a).await;
    assert_eq!((tip.height, tip.finalized_height > 2), (101, true));
    let reported = tree(&mut client_a, 64).await;
    assert_eq!(reported.iter().map(|block| block.height).collect::<Vec<_>>(), (38..=101).collect::<Vec<_>>());
    assert_eq!(reported.last().map(|block| &block.hash), Some(&tip.hash));
    let all = blocks(&mut client_a).await;
    for block in &reported {
        let info = &all[usize::try_from(block.height).expect("few")];
        let expect = (&info.hash, &info.parent, &info.producer, info.slot, info.timestamp_ms, info.finalized);
        let got =
            (&block.hash, &block.parent, &block.producer, block.slot, block.timestamp_ms, block.finalized);
        assert_eq!((got, block.canonical, block.arrived_ms), (expect, true, info.arrived_ms));
    }
    assert_eq!(all[2].producer, owner.to_string());
    assert_eq!(tree(&mut client_a, 0).await.len(), 16);
    let refused =
        client_a.get_fork_tree(proto::GetForkTreeRequest { heights: 65 }).await.expect_err("too many");
    assert_eq!(refused.code(), Code::InvalidArgument);
    nodes.stop().await;
}
