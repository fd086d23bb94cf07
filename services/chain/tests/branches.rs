//! Branches that compete for the room in the tree, over the network.
#![expect(clippy::disallowed_methods, reason = "a test waits in real time, with a deadline")]

mod support;

use std::time::Duration;

use support::adversary::{Adversary, POLITE};
use support::{Client, Net, Node, head, peers, produce, schedule, wait_for_head, wait_until};
use tokio::time::Instant;
use vision_host::Clock;
use vision_primitives::{Header, Slot, Tag};
use vision_wire::chain as proto;
use vision_wire::p2p::peer_message::Kind;
use vision_wire::p2p::{BlocksEnd, BlocksPart};
use vision_wire::types::Block;

const BOUND: usize = 16;

fn bounded(seeds: &[u16]) -> vision_chain::Config {
    let seeds = seeds.iter().map(|port| format!("127.0.0.1:{port}")).collect();
    vision_chain::Config { seeds, max_open_blocks: BOUND, ..Default::default() }
}

async fn whole_block(client: &mut Client, hash: &str) -> Option<Block> {
    let id = Some(proto::get_block_request::Id::Hash(hash.to_owned()));
    let found = client.get_block(proto::GetBlockRequest { id, ..Default::default() }).await.ok()?;
    found.into_inner().block?.into_whole()
}

/// The blocks of a node's chain, from height 1 on.
async fn chain(client: &mut Client) -> Vec<Block> {
    let (mut blocks, mut hash) = (Vec::new(), head(client).await.hash);
    while let Some(next) = whole_block(client, &hash).await.filter(|block| !block.header.is_empty()) {
        hash = Header::from_bytes(&next.header).expect("a header").parent.to_string();
        blocks.push(next);
    }
    blocks.reverse();
    blocks
}

/// A block on a node's head by the owner of slot 0, stamped so long after its window opens, without
/// submitting it.
async fn twin(net: &Net, client: &mut Client, delay_ms: u64) -> (String, proto::SubmitBlockRequest) {
    let head = head(client).await;
    let window = schedule(net, client, &head).await.window(Slot(0));
    let request = proto::PrepareBlockRequest {
        parent: head.hash,
        slot: 0,
        producer: window.owner.to_string(),
        timestamp_ms: window.opens_at.get() + delay_ms,
    };
    let prepared = client.prepare_block(request).await.expect("prepared").into_inner();
    let hash = prepared.hash.parse::<vision_primitives::Hash>().expect("a hash");
    let signature = net.keys[&window.owner].sign(Tag::Block, &net.genesis.hash(), hash.as_bytes());
    let signature = signature.0.to_vec().into();
    (prepared.hash, proto::SubmitBlockRequest { header: prepared.header, signature, transactions: vec![] })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_split_longer_than_half_of_the_bound_heals() {
    let net = Net::new(3);
    let homes = [net.home(0), net.home(1)];
    let rival = Node::start_with(homes[1].path(), bounded(&[]));
    let mut rival_client = rival.client().await;
    for _ in 0..9 {
        produce(&net, &mut rival_client, 0).await;
    }
    let node = Node::start_with(homes[0].path(), bounded(&[]));
    let mut client = node.client().await;
    for _ in 0..10 {
        produce(&net, &mut client, 1).await;
    }
    node.stop().await;
    let node = Node::start_with(homes[0].path(), bounded(&[rival.p2p]));
    let mut client = node.client().await;
    let heavier = head(&mut rival_client).await;
    wait_for_head(&mut client, &heavier.hash).await;
    assert_eq!(heavier.height, 9);
    node.stop().await;
    rival.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_branch_that_does_not_fit_is_asked_for_again_after_ever_longer_pauses() {
    let net = Net::new(3);
    let homes = [net.home(0), net.home(1)];
    let other = Node::start(homes[1].path(), &[]);
    let mut other_client = other.client().await;
    // Weight 1 each: 22 outweigh the three that follow, and 16 is all that there is room for.
    for _ in 0..25 {
        produce(&net, &mut other_client, 9).await;
    }
    let blocks = chain(&mut other_client).await;
    other.stop().await;
    let node = Node::start_with(homes[0].path(), bounded(&[]));
    let mut client = node.client().await;
    for _ in 0..3 {
        produce(&net, &mut client, 0).await;
    }
    let before = head(&mut client).await.hash;

    let mut peer = Adversary::call(node.p2p, &net.genesis, 77, &POLITE).await.expect("let in");
    let tip = blocks.last().expect("a tip");
    let hash = Header::hash_bytes(&net.genesis.hash(), &tip.header);
    let claim = |peer: &Adversary| {
        let mut status = peer.status(blocks.len() as u64, hash, Clock::system(0).now_ms());
        (status.header, status.header_signature) = (tip.header.clone(), tip.signature.clone());
        Kind::Status(status)
    };
    peer.say(claim(&peer)).await;
    let mut asked: Vec<Instant> = Vec::new();
    while asked.len() < 5 {
        // So that the connection is not taken for a dead one.
        let Kind::BlocksRequest(request) = peer.hear().await.expect("connected") else {
            peer.say(claim(&peer)).await;
            continue;
        };
        asked.push(Instant::now());
        let request_id = request.request_id;
        for block in &blocks {
            let block = Some(block.clone());
            peer.say(Kind::BlocksPart(BlocksPart { request_id, block })).await;
        }
        peer.say(Kind::BlocksEnd(BlocksEnd { request_id, reason: String::new() })).await;
    }
    // The first round brings something new, the others nothing: 250, 500, 1000 and 2000 ms, at least.
    assert!(asked[4] - asked[3] >= Duration::from_millis(1900), "{asked:?}");
    assert_eq!(head(&mut client).await.hash, before);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_third_block_of_one_producer_is_taken_when_a_heavier_chain_stands_on_it() {
    let net = Net::new(3);
    let homes = [net.home(0), net.home(1)];
    let node = Node::start(homes[0].path(), &[]);
    let mut client = node.client().await;
    let mut twins = Vec::new();
    for delay_ms in 0..3 {
        twins.push(twin(&net, &mut client, delay_ms).await);
    }
    // The last one is the best of them.
    twins.sort_by(|a, b| b.0.cmp(&a.0));
    for (_, block) in &twins[..2] {
        client.submit_block(block.clone()).await.expect("stored");
    }
    let (third, block) = twins.remove(2);
    let refused = client.submit_block(block.clone()).await.expect_err("one too many");
    assert_eq!(vision_wire::metadata_of(&refused, "rule").as_deref(), Some("TOO_MANY_SIBLINGS"));

    // Another node knows one of the two; it takes the third, announces it, and is not blamed for it.
    let other = Node::start(homes[1].path(), &[node.p2p]);
    let mut other_client = other.client().await;
    wait_for_head(&mut other_client, &head(&mut client).await.hash).await;
    let stored = other_client.submit_block(block).await.expect("its second").into_inner();
    assert!(stored.became_head && stored.sent_to == 1, "{stored:?}");
    wait_until("the announcement is refused too", || async {
        let text = metrics(node.grpc).await;
        text.lines()
            .any(|line| line.contains("_refused_total{") && line.ends_with("\"TOO_MANY_SIBLINGS\"} 2"))
    })
    .await;
    assert!(whole_block(&mut client, &third).await.is_none());
    produce(&net, &mut other_client, 0).await;
    let heavier = head(&mut other_client).await;
    assert_eq!(heavier.parent, third);
    wait_for_head(&mut client, &heavier.hash).await;
    assert_eq!(peers(&mut client).await.iter().map(|peer| peer.charge).collect::<Vec<_>>(), [0]);
    node.stop().await;
    other.stop().await;
}

async fn metrics(port: u16) -> String {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut stream = tokio::net::TcpStream::connect(("127.0.0.1", port)).await.expect("it listens");
    let request = "GET /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).await.expect("written");
    let mut text = String::new();
    stream.read_to_string(&mut text).await.expect("text");
    text
}
