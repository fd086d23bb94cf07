//! Deep reorganisations: what was in the blocks that are left.

mod support;

use std::collections::BTreeMap;

use support::transactions::{place, submit_one, transfer};
use support::{Client, Net, Node, crashed, head, produce, slot_of, wait_for_head};
use vision_primitives::{NodeId, SignedTransaction};

/// Blocks on each of the two branches: more than it takes for a block to be final, were they made by a
/// majority.
const BRANCH_BLOCKS: usize = 70;

/// One transaction for each block of a branch, in the order in which they apply.
fn transactions(net: &Net) -> Vec<SignedTransaction> {
    let senders = net.senders.len();
    let of = |n: usize| transfer(net, &net.senders[n % senders], (n / senders) as u64, 1 + n as u64);
    (0..BRANCH_BLOCKS).map(of).collect()
}

/// How many are where.
async fn places(client: &mut Client, all: &[SignedTransaction]) -> BTreeMap<String, usize> {
    let mut places = BTreeMap::new();
    for transaction in all {
        *places.entry(place(client, transaction).await).or_default() += 1;
    }
    places
}

/// A node whose chain of blocks by one producer, each with one of the transactions, is left for a heavier
/// one.
async fn reorganised(
    net: &Net,
    home: &std::path::Path,
    config: vision_chain::Config,
    all: &[SignedTransaction],
) -> Node {
    let makers: Vec<NodeId> = net.keys.keys().copied().collect();
    let other_home = net.home(1);
    let other = Node::start(other_home.path(), &[]);
    let mut other_client = other.client().await;
    for _ in 0..BRANCH_BLOCKS {
        let slot = slot_of(net, &mut other_client, &makers[1], 0).await;
        produce(net, &mut other_client, slot).await;
    }
    let node = Node::start_with(home, vision_chain::Config { seeds: vec![], ..config.clone() });
    let mut client = node.client().await;
    for (number, transaction) in all.iter().enumerate() {
        submit_one(&mut client, transaction, false).await.expect("taken");
        let slot = slot_of(net, &mut client, &makers[0], 3).await;
        produce(net, &mut client, slot).await;
        assert_eq!(place(&mut client, transaction).await, format!("included {}/0", number + 1));
    }
    let heavier = head(&mut other_client).await;
    assert!(heavier.weight > head(&mut client).await.weight);
    node.stop().await;
    let seeds = vec![format!("127.0.0.1:{}", other.p2p)];
    let node = Node::start_with(home, vision_chain::Config { seeds, ..config });
    let mut client = node.client().await;
    wait_for_head(&mut client, &heavier.hash).await;
    other.stop().await;
    node
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn transactions_of_all_blocks_that_are_left_wait_again_and_after_a_crash() {
    let net = Net::new(3);
    let home = net.home(0);
    let all = transactions(&net);
    let node = reorganised(&net, home.path(), vision_chain::Config::default(), &all).await;
    let mut client = node.client().await;
    assert_eq!(places(&mut client, &all).await, BTreeMap::from([("waiting".into(), BRANCH_BLOCKS)]));
    let crashed = crashed(home.path());
    node.stop().await;
    let node = Node::start(crashed.path(), &[]);
    let mut client = node.client().await;
    assert_eq!(places(&mut client, &all).await, BTreeMap::from([("waiting".into(), BRANCH_BLOCKS)]));
    produce(&net, &mut client, 0).await;
    assert_eq!(head(&mut client).await.tx_count as usize, BRANCH_BLOCKS);
    for transaction in &all {
        let place = place(&mut client, transaction).await;
        assert!(place.starts_with("included 71/"), "{place}");
    }
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_finds_no_room_to_wait_again_has_a_fate_that_outlives_a_restart() {
    let net = Net::new(3);
    let home = net.home(0);
    let all = transactions(&net);
    // A reorganisation may bring back half as many more.
    let config = vision_chain::Config { max_waiting_transactions: 20, ..Default::default() };
    let node = reorganised(&net, home.path(), config.clone(), &all).await;
    let mut client = node.client().await;
    let expect = BTreeMap::from([("waiting".into(), 30), ("dropped EVICTED".into(), BRANCH_BLOCKS - 30)]);
    assert_eq!(places(&mut client, &all).await, expect);
    node.stop().await;
    let node = Node::start_with(home.path(), config);
    let mut client = node.client().await;
    assert_eq!(places(&mut client, &all).await, expect);
    node.stop().await;
}
