//! How fast a node catches up from a local peer, beside what checking the same blocks costs alone.
//!
//! `cargo bench -p vision-chain`. The figures to quote are the ratios: both halves run on the same
//! machine within seconds of each other.

#[path = "../tests/support/mod.rs"]
mod support;

use std::sync::Arc;
use std::time::{Duration, Instant};

use support::{Client, Net, Node, head, produce, submit_transfers, wait_for_head};
use vision_block_tree::{BlockTree, ChainRules};
use vision_primitives::Block;
use vision_wire::chain::{self as proto, get_block_request::Id};

/// Transfers of each of the 16 senders in a full block: 496 of the 500 that fit.
const PER_SENDER: u64 = 31;

async fn blocks_of(net: &Net, client: &mut Client, upto: u64) -> Vec<Block> {
    let mut blocks = Vec::new();
    for height in 1..=upto {
        let request = proto::GetBlockRequest { id: Some(Id::Height(height)), ..Default::default() };
        let info = client.get_block(request).await.expect("a block").into_inner().block.expect("it");
        let block = vision_wire::block_from_proto(info.into_whole().expect("bytes"), &net.genesis.hash());
        blocks.push(block.expect("a block"));
    }
    blocks
}

#[expect(clippy::disallowed_methods, reason = "a benchmark reads the machine's clock")]
fn now() -> Instant {
    Instant::now()
}

/// Checks and inserts the blocks into a fresh tree: no network, no disk.
fn check_alone(net: &Net, blocks: &[Block]) -> Duration {
    let mut tree = BlockTree::new(Arc::new(ChainRules::new(net.genesis.clone()))).expect("a tree");
    let start = now();
    for block in blocks {
        let checked = tree.check(block).expect("valid");
        tree.insert(checked, false);
    }
    start.elapsed()
}

async fn measure(desc: &str, blocks: u64, full: bool) {
    let net = Net::new(3);
    let homes = [net.home(0), net.home(1)];
    let source = Node::start(homes[0].path(), &[]);
    let mut client = source.client().await;
    for number in 0..blocks {
        if full {
            submit_transfers(&net, &mut client, number * PER_SENDER, PER_SENDER).await;
        }
        produce(&net, &mut client, 0).await;
    }
    let tip = head(&mut client).await;
    assert_eq!(tip.height, blocks);
    let alone = check_alone(&net, &blocks_of(&net, &mut client, blocks).await);
    let start = now();
    let follower = Node::start(homes[1].path(), &[source.p2p]);
    let mut follower_client = follower.client().await;
    wait_for_head(&mut follower_client, &tip.hash).await;
    let took = start.elapsed();
    #[expect(clippy::cast_precision_loss, reason = "a count of blocks is small")]
    let rate = |time: Duration| blocks as f64 / time.as_secs_f64();
    println!(
        "{desc}: {blocks} blocks; caught up at {:.0} blocks/s (start and connecting included), \
         checking alone {:.0} blocks/s, ratio of times {:.2}",
        rate(took),
        rate(alone),
        took.as_secs_f64() / alone.as_secs_f64()
    );
    source.stop().await;
    follower.stop().await;
}

fn main() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        measure("empty blocks", 5_000, false).await;
        measure("blocks of 496 transfers", 100, true).await;
    });
}
