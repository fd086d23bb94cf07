//! Peers that hold places, claim what they do not have, or send text meant for a terminal.
#![expect(clippy::disallowed_methods, reason = "a test waits in real time, with a deadline")]

mod support;

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use futures::StreamExt;
use support::adversary::{Adversary, Manners, POLITE, channel_from, peer_of};
use support::transactions::{large, registration, submit_one};
use support::{Client, Net, Node, head, peers, produce, schedule, wait_until};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;
use vision_host::Clock;
use vision_primitives::{Block, Hash, Header, Height, SecretKey, Slot, Tag};
use vision_wire::chain as proto;
use vision_wire::p2p::peer_message::Kind;
use vision_wire::p2p::peer_service_client::PeerServiceClient;
use vision_wire::p2p::{BlocksEnd, BlocksRequest, ExchangeRequest, ExchangeResponse, GetBlocksRequest};
use vision_wire::reason_of;

/// Seeds of the keys of producers other than the one whose home is number 0.
fn other_producers(net: &Net) -> Vec<u8> {
    let own = net.keys.keys().next().copied();
    (1..=net.keys.len() as u8)
        .filter(|seed| Some(SecretKey::from_seed(&[*seed; 32]).public_key().id()) != own)
        .collect()
}

/// A header at some height above the node's head, signed by the producer with this seed.
async fn tall(net: &Net, client: &mut Client, seed: u8, above: u64) -> Block {
    let head = head(client).await;
    let window = schedule(net, client, &head).await.window(Slot(0));
    let request = proto::PrepareBlockRequest {
        parent: head.hash,
        slot: 0,
        producer: window.owner.to_string(),
        timestamp_ms: window.opens_at.get(),
    };
    let prepared = client.prepare_block(request).await.expect("prepared").into_inner();
    let mut header = Header::from_bytes(&prepared.header).expect("a header");
    let key = SecretKey::from_seed(&[seed; 32]);
    header.height = Height(head.height + above);
    header.weight = header.height.get() * (net.genesis.params.backup_slots + 1);
    header.producer = key.public_key().id();
    let hash = Header::hash_bytes(&net.genesis.hash(), &header.to_bytes());
    let signature = key.sign(Tag::Block, &net.genesis.hash(), hash.as_bytes());
    Block::assemble(header, signature, Vec::new(), &net.genesis.hash())
}

/// Says that its head is the node's.
async fn follow(peer: &Adversary, client: &mut Client) {
    let tip = head(client).await;
    let hash: Hash = tip.hash.parse().expect("a hash");
    let mut status = peer.status(tip.height, hash, Clock::system(0).now_ms());
    if tip.height > 0 {
        let id = Some(proto::get_block_request::Id::Hash(tip.hash));
        let request = proto::GetBlockRequest { id, without_transactions: true };
        let info = client.get_block(request).await.expect("answered").into_inner().block;
        let block = info.and_then(|info| info.block).expect("a block");
        status.header = block.header;
        status.header_signature = block.signature;
    }
    peer.say(Kind::Status(status)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_producer_that_claims_blocks_it_lacks_stalls_nobody_and_is_banned_when_it_repeats_that() {
    let net = Net::new(3);
    let home = net.home(0);
    let node = Node::start(home.path(), &[]);
    let mut client = node.client().await;
    let producers = other_producers(&net);
    let honest = Adversary::call(node.p2p, &net.genesis, producers[0], &POLITE).await.expect("a peer");
    let mut liar = Adversary::call(node.p2p, &net.genesis, producers[1], &POLITE).await.expect("a peer");
    follow(&honest, &mut client).await;
    follow(&liar, &mut client).await;
    let lie = tall(&net, &mut client, producers[1], 8).await;
    wait_until("both count", || {
        let mut client = client.clone();
        async move {
            let peers = peers(&mut client).await;
            peers.iter().filter(|peer| peer.delivers && peer.state == 1).count() == 2
        }
    })
    .await;
    // What the liar is asked for it has not: nothing, and that is all.
    let mut banned = None;
    let deadline = tokio::time::Instant::now() + Duration::from_secs(60);
    liar.say(liar.claim(&lie)).await;
    while banned.is_none() {
        assert!(tokio::time::Instant::now() < deadline, "it lies and is not banned");
        follow(&honest, &mut client).await;
        let shown = peers(&mut client).await;
        let highest = shown.iter().filter(|peer| peer.delivers).map(|peer| peer.height).max();
        assert!(highest.is_none_or(|height| height == 0), "the lie counts: {shown:?}");
        match liar.hear().await {
            Ok(Kind::BlocksRequest(BlocksRequest { request_id, .. })) => {
                liar.say(Kind::BlocksEnd(BlocksEnd { request_id, reason: String::new() })).await;
                // It takes back what it said, and says it again.
                follow(&liar, &mut client).await;
                liar.say(liar.claim(&lie)).await;
            }
            Ok(_) => liar.say(liar.claim(&lie)).await,
            Err(status) => banned = Some(status),
        }
    }
    assert_eq!(banned.as_ref().and_then(reason_of).as_deref(), Some("PEER_BANNED"), "{banned:?}");
    assert!(peer_of(&mut client, &honest).await.is_some_and(|peer| peer.delivers), "the other one stays");
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_claim_signed_by_a_candidate_does_not_count() {
    const CANDIDATE: u8 = 90;
    let net = Net::new(3);
    let home = net.home(0);
    let node = Node::start(home.path(), &[]);
    let mut client = node.client().await;
    let candidate = SecretKey::from_seed(&[CANDIDATE; 32]);
    let registers = registration(&net, &net.senders[0], &candidate, &candidate);
    submit_one(&mut client, &registers, false).await.expect("waits");
    produce(&net, &mut client, 0).await;
    let signed_by = [(CANDIDATE, false), (other_producers(&net)[0], true)];
    for (peer_seed, (seed, counts)) in (91..).zip(signed_by) {
        let peer = Adversary::call(node.p2p, &net.genesis, peer_seed, &POLITE).await.expect("a peer");
        let claimed = tall(&net, &mut client, seed, 3).await;
        peer.say(peer.claim(&claimed)).await;
        wait_until("the claim is judged", || {
            let (mut client, peer, hash) = (client.clone(), &peer, claimed.hash().to_string());
            async move { peer_of(&mut client, peer).await.is_some_and(|seen| seen.tip_hash == hash) }
        })
        .await;
        let seen = peer_of(&mut client, &peer).await.expect("it is there");
        assert_eq!(seen.delivers, counts, "signed by {seed}: {seen:?}");
    }
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn strangers_that_ask_and_do_not_read_hold_no_producers_place() {
    let net = Net::new(3);
    let home = net.home(0);
    let node = Node::start(home.path(), &[]);
    let mut client = node.client().await;
    for nonce in 0..20 {
        submit_one(&mut client, &large(&net, &net.senders[0], nonce), false).await.expect("waits");
        produce(&net, &mut client, 0).await;
    }
    let ask = |request_id| {
        let query = GetBlocksRequest { from_height: 1, max_blocks: 20, ..GetBlocksRequest::default() };
        Kind::BlocksRequest(BlocksRequest { request_id, query: Some(query) })
    };
    // They ask for 16 answers of more than their windows hold, and never read.
    let mut strangers = Vec::new();
    for seed in 60..64 {
        let stranger = Adversary::call(node.p2p, &net.genesis, seed, &POLITE).await.expect("a peer");
        for request_id in 0..4 {
            stranger.say(ask(request_id)).await;
        }
        strangers.push(stranger);
    }
    // The node has taken up the questions once it has answered to what was said after them.
    for stranger in &strangers {
        follow(stranger, &mut client).await;
    }
    wait_until("the questions are taken up", || {
        let mut client = client.clone();
        async move { peers(&mut client).await.iter().filter(|peer| peer.height == 20).count() == 4 }
    })
    .await;
    let producer = other_producers(&net)[0];
    let mut producer = Adversary::call(node.p2p, &net.genesis, producer, &POLITE).await.expect("a peer");
    producer.say(ask(7)).await;
    let mut blocks = 0;
    loop {
        match producer.hear().await.expect("the connection stands") {
            Kind::BlocksPart(_) => blocks += 1,
            Kind::BlocksEnd(end) => {
                assert_eq!((end.reason.as_str(), blocks), ("", 20));
                break;
            }
            _ => {}
        }
    }
    node.stop().await;
}

/// An `Exchange` stream on which nothing is ever said.
struct Silent {
    _outbox: mpsc::Sender<ExchangeRequest>,
    inbound: Result<Streaming<ExchangeResponse>, tonic::Status>,
}

impl Silent {
    async fn call(from: IpAddr, p2p: u16) -> Self {
        let (outbox, messages) = mpsc::channel(1);
        let mut client = PeerServiceClient::new(channel_from(from, p2p));
        let inbound = client.exchange(ReceiverStream::new(messages)).await.map(tonic::Response::into_inner);
        Self { _outbox: outbox, inbound }
    }

    /// The reason of the refusal, if there is one at once.
    async fn refused(&mut self) -> Option<String> {
        match &mut self.inbound {
            Err(status) => reason_of(status),
            // A hello comes first.
            Ok(stream) => match stream.next().await {
                Some(Err(status)) => reason_of(&status),
                _ => None,
            },
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn introductions_that_never_end_keep_nobody_out() {
    let net = Net::new(3);
    let home = net.home(0);
    let node = Node::start(home.path(), &[]);
    let client = node.client().await;
    drop(client);
    // All places and more, from one address: two get one.
    let mut silent = Vec::new();
    let mut refused = 0;
    for _ in 0..66 {
        let mut call = Silent::call(Ipv4Addr::new(127, 0, 0, 2).into(), node.p2p).await;
        refused += usize::from(call.refused().await.as_deref() == Some("OVERLOADED"));
        silent.push(call);
    }
    assert!(refused >= 8, "{refused} of 66 refused");
    Adversary::call(node.p2p, &net.genesis, 70, &POLITE).await.expect("the others are not in its way");
    // And from many addresses: the oldest give way.
    for last in 3..83 {
        silent.push(Silent::call(Ipv4Addr::new(127, 0, 0, last).into(), node.p2p).await);
    }
    Adversary::call(node.p2p, &net.genesis, 71, &POLITE).await.expect("the oldest gave way");
    drop(silent);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_version_for_the_terminal_is_shown_as_plain_text() {
    let net = Net::new(3);
    let home = net.home(0);
    let node = Node::start(home.path(), &[]);
    let mut client = node.client().await;
    type Edit = fn(&mut vision_wire::p2p::Hello);
    let cases: [(u8, Edit, &str); 3] = [
        (80, |h| h.version = "1.0.0-rc.1".into(), "1.0.0-rc.1"),
        (
            81,
            |h| h.version = "\u{1b}]0;owned\u{7}\r\nWARN all is lost".into(),
            "?]0;owned???WARN all is lost",
        ),
        (82, |h| h.version = "é\u{202e}".repeat(50), &format!("{}…", "é?".repeat(16))),
    ];
    for (seed, hello, expect) in cases {
        let manners = Manners { hello, ..POLITE };
        let peer = Adversary::call(node.p2p, &net.genesis, seed, &manners).await.expect("a peer");
        wait_until("it is shown", || {
            let (mut client, peer) = (client.clone(), &peer);
            async move { peer_of(&mut client, peer).await.is_some() }
        })
        .await;
        let shown = peer_of(&mut client, &peer).await.expect("it is there");
        assert_eq!(shown.version, expect);
    }
    node.stop().await;
}
