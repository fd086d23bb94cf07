//! Nodes that find, follow and forgive each other.

mod support;

use std::time::Duration;

use support::adversary::{Adversary, POLITE};
use support::transactions::{account, place, submit_one, transfer};
use support::{Client, Net, Node, crashed, head, peers, produce, schedule, wait_for_head, wait_until};
use vision_primitives::{Block, Hash, Header, Height, SecretKey, Slot, Tag};
use vision_wire::chain as proto;
use vision_wire::p2p::peer_message::Kind;
use vision_wire::p2p::{BlockAnnouncement, NewBlock};

async fn wait_for_peers(client: &Client, count: usize) {
    wait_until("as many peers as there are other nodes", || {
        let mut client = client.clone();
        async move { peers(&mut client).await.len() == count }
    })
    .await;
}

async fn prepare(net: &Net, client: &mut Client, head: &proto::Head, slot: u64) -> Header {
    let window = schedule(net, client, head).await.window(Slot(slot));
    let request = proto::PrepareBlockRequest {
        parent: head.hash.clone(),
        slot,
        producer: window.owner.to_string(),
        timestamp_ms: window.opens_at.get(),
    };
    let prepared = client.prepare_block(request).await.expect("prepared").into_inner();
    Header::from_bytes(&prepared.header).expect("a header")
}

/// A block with the transactions that wait, without submitting it.
async fn prepare_whole(net: &Net, client: &mut Client, head: &proto::Head, slot: u64) -> Block {
    let window = schedule(net, client, head).await.window(Slot(slot));
    let request = proto::PrepareBlockRequest {
        parent: head.hash.clone(),
        slot,
        producer: window.owner.to_string(),
        timestamp_ms: window.opens_at.get(),
    };
    let prepared = client.prepare_block(request).await.expect("prepared").into_inner();
    let hash: Hash = prepared.hash.parse().expect("a hash");
    let signature = net.keys[&window.owner].sign(Tag::Block, &net.genesis.hash(), hash.as_bytes());
    let transactions = prepared.transactions.iter().map(|bytes| bytes.to_vec()).collect();
    Block::from_parts(prepared.header.to_vec(), &signature.0, transactions, &net.genesis.hash())
        .expect("a block")
}

fn sign(net: &Net, header: Header) -> Block {
    let genesis_hash = net.genesis.hash();
    let hash = Header::hash_bytes(&genesis_hash, &header.to_bytes());
    let signature = net.keys[&header.producer].sign(Tag::Block, &genesis_hash, hash.as_bytes());
    Block::assemble(header, signature, Vec::new(), &genesis_hash)
}

async fn submit(client: &mut Client, block: &Block) -> Result<proto::SubmitBlockResponse, tonic::Status> {
    let request = proto::SubmitBlockRequest {
        header: block.header_bytes().to_vec().into(),
        signature: block.signature().0.to_vec().into(),
        transactions: block.transactions().iter().map(|signed| signed.bytes().to_vec().into()).collect(),
    };
    Ok(client.submit_block(request).await?.into_inner())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_that_have_only_a_seed_in_common_find_each_other() {
    let net = Net::new(3);
    let homes = [net.home(0), net.home(1), net.home(2)];
    // The seed has the highest id, so the connections the others make are the ones that stay and its own
    // calls meet them. It must count those addresses as good all the same.
    let seed = Node::start(homes[2].path(), &[]);
    let one = Node::start(homes[0].path(), &[seed.p2p]);
    let (one_client, seed_client) = (one.client().await, seed.client().await);
    wait_for_peers(&seed_client, 1).await;
    let two = Node::start(homes[1].path(), &[seed.p2p]);
    let two_client = two.client().await;
    for client in [&one_client, &two_client] {
        wait_for_peers(client, 2).await;
    }
    for node in [one, two, seed] {
        node.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_restarts_again_and_again_is_not_charged() {
    let net = Net::new(2);
    let (stays_home, restarts_home) = (net.home(0), net.home(1));
    let stays = Node::start(stays_home.path(), &[]);
    let mut client = stays.client().await;
    for _ in 0..3 {
        let node = Node::start(restarts_home.path(), &[stays.p2p]);
        wait_for_peers(&client, 1).await;
        assert_eq!(peers(&mut client).await[0].charge, 0);
        node.stop().await;
        wait_for_peers(&client, 0).await;
    }
    stays.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn peers_that_claim_much_and_send_nothing_do_not_keep_a_node_from_catching_up() {
    let net = Net::new(3);
    let (behind_home, ahead_home) = (net.home(0), net.home(1));
    let ahead = Node::start(ahead_home.path(), &[]);
    let mut ahead_client = ahead.client().await;
    for _ in 0..5 {
        produce(&net, &mut ahead_client, 0).await;
    }
    let tip = head(&mut ahead_client).await.hash;
    ahead.stop().await;
    let behind = Node::start(behind_home.path(), &[]);
    let mut behind_client = behind.client().await;
    let first = head(&mut behind_client).await;
    let mut header = prepare(&net, &mut behind_client, &first, 0).await;
    (header.height, header.weight) = (Height(1_000_000), 10_000_000);
    let tall = sign(&net, header);
    let mut liars = Vec::new();
    for seed in [60, 61] {
        let liar = Adversary::call(behind.p2p, &net.genesis, seed, &POLITE).await.expect("a peer");
        let tall = tall.clone();
        liars.push(tokio::spawn(async move {
            loop {
                liar.say(liar.claim(&tall)).await;
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }));
    }
    wait_for_peers(&behind_client, 2).await;
    let ahead = Node::start(ahead_home.path(), &[behind.p2p]);
    wait_for_head(&mut behind_client, &tip).await;
    liars.iter().for_each(tokio::task::JoinHandle::abort);
    behind.stop().await;
    ahead.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_node_says_in_good_faith_is_not_charged() {
    let net = Net::new(3);
    let home = net.home(0);
    let node = Node::start(home.path(), &[]);
    let mut client = node.client().await;
    for _ in 0..70 {
        produce(&net, &mut client, 0).await;
    }
    let tip = head(&mut client).await;
    assert!(tip.finalized_height >= 2, "{}", tip.finalized_height);
    let good = prepare(&net, &mut client, &tip, 0).await;
    let peer = Adversary::call(node.p2p, &net.genesis, 70, &POLITE).await.expect("a peer");
    // From a part of the network that was cut off since before the last final block.
    for weight in 0..3 {
        let stale = Header { height: Height(2), parent: Hash([weight; 32]), ..good.clone() };
        let block = vision_wire::block_to_proto(&sign(&net, stale));
        peer.say(Kind::NewBlock(NewBlock { block: Some(block), traceparent: String::new() })).await;
    }
    // From a producer that was registered in blocks this node does not have yet.
    let stranger = SecretKey::from_seed(&[200; 32]);
    for height in 100..106 {
        let header = Header { height: Height(height), producer: stranger.public_key().id(), ..good.clone() };
        let hash = Header::hash_bytes(&net.genesis.hash(), &header.to_bytes());
        let signature = stranger.sign(Tag::Block, &net.genesis.hash(), hash.as_bytes());
        peer.say(Kind::Announcement(BlockAnnouncement {
            header: header.to_bytes().into(),
            signature: signature.0.to_vec().into(),
            traceparent: String::new(),
        }))
        .await;
    }
    let good = sign(&net, good);
    let block = Some(vision_wire::block_to_proto(&good));
    peer.say(Kind::NewBlock(NewBlock { block, traceparent: String::new() })).await;
    wait_for_head(&mut client, &good.hash().to_string()).await;
    // The list is published a moment after what it shows: this one is of after the block.
    let delivered = tip.height + 1;
    wait_until("the list shows the peer with the block it sent", || {
        let mut client = client.clone();
        async move { peers(&mut client).await.first().is_some_and(|peer| peer.height == delivered) }
    })
    .await;
    let shown = peers(&mut client).await;
    let charges: Vec<u32> = shown.iter().map(|peer| peer.charge).collect();
    assert_eq!(charges, [0], "{shown:?}");
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn transactions_of_a_block_that_is_left_wait_again() {
    let net = Net::new(3);
    let home = net.home(0);
    let node = Node::start(home.path(), &[]);
    let mut client = node.client().await;
    let genesis = head(&mut client).await;
    let (first, second) = (&net.senders[0], &net.senders[1]);
    let in_both = transfer(&net, first, 0, 9);
    submit_one(&mut client, &in_both, false).await.expect("waits");
    // The other branch has one of the three, and another one with the nonce of the second.
    let rival = transfer(&net, second, 0, 8);
    submit_one(&mut client, &rival, false).await.expect("waits");
    let better = prepare_whole(&net, &mut client, &genesis, 0).await;
    let (left, outdone) = (transfer(&net, first, 1, 7), transfer(&net, second, 0, 10));
    for transaction in [&left, &outdone] {
        submit_one(&mut client, transaction, false).await.expect("waits");
    }
    assert!(produce(&net, &mut client, 1).await.became_head);
    let places = [(&outdone, "included 1/0"), (&in_both, "included 1/1"), (&left, "included 1/2")];
    for (transaction, expect) in places {
        assert_eq!(place(&mut client, transaction).await, expect);
    }
    assert!(submit(&mut client, &better).await.expect("stored").became_head, "an earlier slot is heavier");
    let again = submit(&mut client, &better).await.expect_err("it is there");
    assert_eq!(vision_wire::reason_of(&again).as_deref(), Some("BLOCK_KNOWN"));
    let places = [
        (&in_both, "included 1/0"),
        (&rival, "included 1/1"),
        (&left, "waiting"),
        (&outdone, "dropped NONCE_USED"),
    ];
    for (transaction, expect) in places {
        assert_eq!(place(&mut client, transaction).await, expect);
    }
    assert_eq!(account(&mut client, first.public_key().id(), false).await.pending_nonce, 2);
    let crashed = crashed(home.path());
    node.stop().await;
    for home in [home.path(), crashed.path()] {
        let node = Node::start(home, &[]);
        let mut client = node.client().await;
        assert_eq!(place(&mut client, &left).await, "waiting");
        produce(&net, &mut client, 0).await;
        assert_eq!(head(&mut client).await.tx_count, 1);
        assert_eq!(place(&mut client, &left).await, "included 2/0");
        assert_eq!(account(&mut client, Hash([5; 32]), false).await.balance, 3);
        node.stop().await;
    }
}
