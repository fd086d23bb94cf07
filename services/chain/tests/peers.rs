//! What bad peers can do to a node: nothing but lose their connection.

mod support;

use std::io::{Read, Write};
use std::net::TcpStream;

use support::adversary::{Adversary, Manners, POLITE, peer_of};
use support::{Client, Net, Node, head, produce, schedule, wait_for_head, wait_until};
use vision_host::Clock;
use vision_primitives::{Block, Hash, Header, Signature, Slot, Tag};
use vision_wire::chain as proto;
use vision_wire::p2p::peer_message::Kind;
use vision_wire::p2p::{BlockAnnouncement, NewBlock, PeerAddresses, Transactions};
use vision_wire::reason_of;

/// A good block on the node's head that only the test knows, made on a twin of the node.
async fn next_block(net: &Net, client: &mut Client) -> Block {
    let head = head(client).await;
    let window = schedule(net, client, &head).await.window(Slot(0));
    let prepared = client
        .prepare_block(proto::PrepareBlockRequest {
            parent: head.hash,
            slot: 0,
            producer: window.owner.to_string(),
            timestamp_ms: window.opens_at.get(),
        })
        .await
        .expect("prepared")
        .into_inner();
    let header = Header::from_bytes(&prepared.header).expect("a header");
    resign(net, header)
}

fn resign(net: &Net, header: Header) -> Block {
    let genesis_hash = net.genesis.hash();
    let hash = Header::hash_bytes(&genesis_hash, &header.to_bytes());
    let signature = net.keys[&header.producer].sign(Tag::Block, &genesis_hash, hash.as_bytes());
    Block::assemble(header, signature, Vec::new(), &genesis_hash)
}

fn announce(block: &Block) -> Kind {
    Kind::NewBlock(NewBlock { block: Some(vision_wire::block_to_proto(block)), traceparent: String::new() })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn introductions_that_do_not_fit_are_refused_with_their_reason() {
    let net = Net::new(3);
    let home = net.home(0);
    let node = Node::start(home.path(), &[]);
    let client = node.client().await;
    let own_seed = (1..=3_u8)
        .find(|seed| {
            let key = vision_primitives::SecretKey::from_seed(&[*seed; 32]);
            Some(&key.public_key().id()) == net.keys.keys().next()
        })
        .expect("the node's own key");
    let cases: [(&str, u8, Manners, &str); 9] = [
        ("chain", 9, Manners { hello: |h| h.chain_id = "other".into(), ..POLITE }, "WRONG_CHAIN"),
        ("genesis", 9, Manners { hello: |h| h.genesis_hash = vec![1; 32].into(), ..POLITE }, "WRONG_GENESIS"),
        ("version", 9, Manners { hello: |h| h.protocol_version = 2, ..POLITE }, "PROTOCOL_VERSION"),
        (
            "short key",
            9,
            Manners { hello: |h| h.node_key = vec![1; 31].into(), ..POLITE },
            "MALFORMED_MESSAGE",
        ),
        (
            "challenge",
            9,
            Manners { hello: |h| h.challenge = Default::default(), ..POLITE },
            "MALFORMED_MESSAGE",
        ),
        (
            "address",
            9,
            Manners { hello: |h| h.listen_address = "no port".into(), ..POLITE },
            "MALFORMED_MESSAGE",
        ),
        (
            "not vouched",
            9,
            Manners { hello: |h| h.peer_key = vec![1; 32].into(), ..POLITE },
            "BAD_PEER_PROOF",
        ),
        ("proof", 9, Manners { proof: |p| p.signature = vec![0; 64].into(), ..POLITE }, "BAD_PEER_PROOF"),
        ("its own key", own_seed, POLITE, "SELF_CONNECTION"),
    ];
    for (desc, seed, manners, expect) in cases {
        let refused = Adversary::call(node.p2p, &net.genesis, seed, &manners).await.err().expect(desc);
        assert_eq!(reason_of(&refused).as_deref(), Some(expect), "{desc}: {refused:?}");
    }
    let stays = Adversary::call(node.p2p, &net.genesis, 9, &POLITE).await.expect("a good introduction");
    let twin = Adversary::call(node.p2p, &net.genesis, 9, &POLITE).await.err().expect("one per id");
    assert_eq!(reason_of(&twin).as_deref(), Some("PEER_ALREADY_CONNECTED"));
    wait_until("the first connection stands", || {
        let mut client = client.clone();
        let stays = &stays;
        async move { peer_of(&mut client, stays).await.is_some() }
    })
    .await;
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn misbehaviour_is_charged_until_the_peer_is_dropped_and_banned() {
    let net = Net::new(3);
    let home = net.home(0);
    let node = Node::start(home.path(), &[]);
    let mut client = node.client().await;
    produce(&net, &mut client, 0).await;
    let good = next_block(&net, &mut client).await;
    let bent = |edit: fn(&mut Header)| {
        let mut header = good.header().clone();
        edit(&mut header);
        announce(&resign(&net, header))
    };
    let mut wrong_signature = vision_wire::block_to_proto(&good);
    wrong_signature.signature = Signature::ZERO.0.to_vec().into();
    let mut garbage = vision_wire::block_to_proto(&good);
    garbage.header = vec![0xff; 40].into();
    let new = |block| Kind::NewBlock(NewBlock { block: Some(block), traceparent: String::new() });
    let cases: Vec<(&str, Vec<Kind>)> = vec![
        ("wrong signatures", vec![new(wrong_signature); 2]),
        ("undecodable blocks", vec![new(garbage); 2]),
        ("wrong state roots", vec![bent(|h| h.state_root = Hash::ZERO), bent(|h| h.state_root.0[0] ^= 1)]),
        ("wrong weights", vec![bent(|h| h.weight += 1), bent(|h| h.weight += 2)]),
        (
            "undecodable transactions",
            vec![Kind::Transactions(Transactions { transactions: vec![vec![1, 2].into()] }); 2],
        ),
        ("announcements without signature", vec![Kind::Announcement(BlockAnnouncement::default()); 5]),
        ("too many addresses", vec![Kind::Addresses(PeerAddresses { addresses: vec!["a:1".into(); 65] }); 5]),
        ("a second hello", vec![Kind::Hello(Default::default())]),
        ("an unsigned status", vec![Kind::Status(Default::default())]),
    ];
    for (seed, (desc, messages)) in (20..).zip(cases) {
        let mut peer = Adversary::call(node.p2p, &net.genesis, seed, &POLITE).await.expect(desc);
        for message in messages {
            peer.say(message).await;
        }
        let end = peer.end().await;
        assert_eq!(reason_of(&end).as_deref(), Some("PEER_BANNED"), "{desc}: {end:?}");
        let again = Adversary::call(node.p2p, &net.genesis, seed, &POLITE).await.err().expect(desc);
        assert_eq!(reason_of(&again).as_deref(), Some("PEER_BANNED"), "{desc}: {again:?}");
    }
    // Bad copies have not made the node deaf to the good one.
    let honest = Adversary::call(node.p2p, &net.genesis, 99, &POLITE).await.expect("an honest peer");
    honest.say(announce(&good)).await;
    wait_for_head(&mut client, &good.hash().to_string()).await;
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn blocks_ahead_of_the_clock_wait_and_orphans_wait_for_their_parent() {
    let net = Net::new(1);
    let (home, other_home) = (net.home(0), net.home(0));
    let node = Node::start(home.path(), &[]);
    let twin = Node::start(other_home.path(), &[]);
    let (mut client, mut twin_client) = (node.client().await, twin.client().await);
    let mut chain = Vec::new();
    for _ in 0..3 {
        let block = next_block(&net, &mut twin_client).await;
        let submit = proto::SubmitBlockRequest {
            header: block.header_bytes().to_vec().into(),
            signature: block.signature().0.to_vec().into(),
            transactions: Vec::new(),
        };
        twin_client.submit_block(submit).await.expect("stored");
        chain.push(block);
    }
    let peer = Adversary::call(node.p2p, &net.genesis, 9, &POLITE).await.expect("a peer");
    peer.say(announce(&chain[2])).await;
    peer.say(announce(&chain[1])).await;
    assert_eq!(head(&mut client).await.height, 0);
    peer.say(announce(&chain[0])).await;
    wait_for_head(&mut client, &chain[2].hash().to_string()).await;

    // The only producer owns every slot, so there is one for an instant two seconds from now.
    let now = Clock::system(0).now_ms();
    let tip = head(&mut client).await;
    let plan = schedule(&net, &mut client, &tip).await;
    let window = plan.window(plan.slot_at(vision_primitives::TimestampMs(now + 2_000)));
    let stamp = window.opens_at.get().max(now + 2_000).min(window.closes_at.get() - 1);
    let prepared = client
        .prepare_block(proto::PrepareBlockRequest {
            parent: tip.hash.clone(),
            slot: window.slot.get(),
            producer: window.owner.to_string(),
            timestamp_ms: stamp,
        })
        .await
        .expect("prepared")
        .into_inner();
    let early = resign(&net, Header::from_bytes(&prepared.header).expect("a header"));
    // This clock has not been compared with the peer's: that blocks seem far ahead may be its own fault, as
    // after it was set back, and bans nobody.
    for later_ms in 0..10 {
        let timestamp_ms = vision_primitives::TimestampMs(now + 60_000 + later_ms);
        peer.say(announce(&resign(&net, Header { timestamp_ms, ..early.header().clone() }))).await;
    }
    peer.say(announce(&early)).await;
    wait_for_head(&mut client, &early.hash().to_string()).await;
    let drift = net.genesis.params.max_clock_drift_ms;
    assert!(Clock::system(0).now_ms() + drift >= stamp, "it was held until it was time");
    node.stop().await;
    twin.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_claim_counts_only_with_a_signed_header_and_only_for_ten_seconds() {
    let net = Net::new(3);
    let home = net.home(0);
    let node = Node::start(home.path(), &[]);
    let mut client = node.client().await;
    let real = next_block(&net, &mut client).await;
    let peer = Adversary::call(node.p2p, &net.genesis, 9, &POLITE).await.expect("a peer");
    let now = Clock::system(0).now_ms();
    let mut status = peer.status(1, real.hash(), now);
    status.header = real.header_bytes().to_vec().into();
    status.header_signature = real.signature().0.to_vec().into();
    peer.say(Kind::Status(status.clone())).await;
    wait_until("the claimed height is shown", || {
        let mut client = client.clone();
        let peer = &peer;
        async move { peer_of(&mut client, peer).await.is_some_and(|seen| seen.height == 1 && seen.delivers) }
    })
    .await;
    wait_until("it does not deliver", || {
        let (mut client, status) = (client.clone(), status.clone());
        let peer = &peer;
        async move {
            peer.say(Kind::Status(status)).await;
            peer_of(&mut client, peer).await.is_some_and(|seen| !seen.delivers && seen.charge > 0)
        }
    })
    .await;

    let forger = Adversary::call(node.p2p, &net.genesis, 10, &POLITE).await.expect("a peer");
    status.header_signature = vec![1; 64].into();
    forger.sign(&mut status);
    forger.say(Kind::Status(status)).await;
    wait_until("a forged claim makes its peer not count", || {
        let mut client = client.clone();
        let peer = &forger;
        async move { peer_of(&mut client, peer).await.is_some_and(|seen| !seen.delivers && seen.height == 0) }
    })
    .await;
    assert_eq!(head(&mut client).await.height, 0);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn raw_garbage_on_the_port_leaves_the_node_answering() {
    let net = Net::new(1);
    let home = net.home(0);
    let node = Node::start(home.path(), &[]);
    let mut client = node.client().await;
    let p2p = node.p2p;
    let page = tokio::task::spawn_blocking(move || {
        for seed in 0..50_u8 {
            let mut socket = TcpStream::connect(("127.0.0.1", p2p)).expect("connects");
            let noise: Vec<u8> =
                (0..2000_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 7) as u8 ^ seed).collect();
            // The node may hang up in the middle of it.
            let _ = socket.write_all(&noise);
        }
        let mut socket = TcpStream::connect(("127.0.0.1", p2p)).expect("connects");
        socket
            .write_all(b"GET /api/status HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
            .expect("writes");
        let mut text = String::new();
        socket.read_to_string(&mut text).expect("reads");
        text
    })
    .await
    .expect("no panic");
    assert!(page.starts_with("HTTP/1.1 200"), "{page}");
    assert!(
        page.contains("\"height\":0") && page.contains("\"not_eligible_because\":\"ORACLE_SILENT"),
        "{page}"
    );
    produce(&net, &mut client, 0).await;
    node.stop().await;
}
