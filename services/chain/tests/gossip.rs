//! Transactions between nodes.

mod support;

use std::time::Duration;

use support::adversary::{Adversary, POLITE};
use support::transactions::{forged, large, submit_all, submit_one, transfer, wait_for_place};
use support::{Client, Net, Node, produce, wait_until};
use vision_primitives::SignedTransaction;
use vision_wire::chain as proto;
use vision_wire::p2p::Transactions;
use vision_wire::p2p::peer_message::Kind;
use vision_wire::reason_of;

fn gossip<'a>(transactions: impl IntoIterator<Item = &'a SignedTransaction>) -> Kind {
    let transactions = transactions.into_iter().map(|signed| signed.bytes().to_vec().into()).collect();
    Kind::Transactions(Transactions { transactions })
}

/// Hashes of the next transactions sent.
async fn hear_transactions(peer: &mut Adversary, net: &Net) -> Vec<String> {
    loop {
        if let Kind::Transactions(sent) = peer.hear().await.expect("connected") {
            let read =
                |bytes: &bytes::Bytes| SignedTransaction::from_bytes(bytes.to_vec(), &net.genesis.hash());
            return sent
                .transactions
                .iter()
                .map(|bytes| read(bytes).expect("good").hash().to_string())
                .collect();
        }
    }
}

async fn charges(client: &mut Client) -> Vec<u32> {
    let peers = client.list_peers(proto::ListPeersRequest {}).await.expect("peers").into_inner().peers;
    peers.iter().map(|peer| peer.charge).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transaction_goes_on_to_every_node_and_whoever_comes_later_is_sent_all_that_wait() {
    let net = Net::new(3);
    let homes = [net.home(0), net.home(1), net.home(2)];
    let first = Node::start(homes[0].path(), &[]);
    let mut first_client = first.client().await;
    let early: Vec<_> = net.senders.iter().map(|key| transfer(&net, key, 0, 1)).collect();
    // More than fits into one message.
    let large: Vec<_> = (1..8).map(|nonce| large(&net, &net.senders[0], nonce)).collect();
    for outcome in submit_all(&mut first_client, early.iter().chain(&large)).await {
        assert_eq!(outcome.reason, "", "{}", outcome.detail);
    }
    let second = Node::start(homes[1].path(), &[first.p2p]);
    let mut second_client = second.client().await;
    for transaction in early.iter().chain(&large) {
        wait_for_place(&second_client, transaction, "waiting").await;
    }
    let third = Node::start(homes[2].path(), &[second.p2p]);
    let third_client = third.client().await;
    for transaction in early.iter().chain(&large) {
        wait_for_place(&third_client, transaction, "waiting").await;
    }
    let fresh = transfer(&net, &net.senders[1], 1, 1);
    submit_one(&mut second_client, &fresh, false).await.expect("taken");
    for client in [&first_client, &third_client] {
        wait_for_place(client, &fresh, "waiting").await;
    }
    assert!(charges(&mut second_client).await.iter().all(|charge| *charge == 0));
    for node in [first, second, third] {
        node.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_submitted_here_and_still_waits_is_sent_again() {
    let net = Net::new(3);
    let home = net.home(0);
    let node = Node::start(home.path(), &[]);
    let mut client = node.client().await;
    // Behind a gap: no block takes them.
    let [own, others] = [0, 1].map(|number| transfer(&net, &net.senders[number], 1, 1));
    let mut peer = Adversary::call(node.p2p, &net.genesis, 50, &POLITE).await.expect("a peer");
    let relayer = Adversary::call(node.p2p, &net.genesis, 51, &POLITE).await.expect("a peer");
    submit_one(&mut client, &own, false).await.expect("taken");
    assert_eq!(hear_transactions(&mut peer, &net).await, [own.hash().to_string()]);
    relayer.say(gossip([&others])).await;
    assert_eq!(hear_transactions(&mut peer, &net).await, [others.hash().to_string()]);
    // The peer may have had no room for it. While the head moves, it hears of it again; of what another
    // sent the node it does not.
    let moving = async {
        for _ in 0..600 {
            produce(&net, &mut client, 0).await;
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::select! {
        heard = hear_transactions(&mut peer, &net) => assert_eq!(heard, [own.hash().to_string()]),
        () = moving => panic!("sent nothing during 600 moves of the head"),
    }
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_is_sent_what_others_submit_and_never_its_own_back() {
    let net = Net::new(3);
    let home = net.home(0);
    let node = Node::start(home.path(), &[]);
    let mut client = node.client().await;
    let waits = transfer(&net, &net.senders[0], 0, 1);
    submit_one(&mut client, &waits, false).await.expect("taken");
    let mut peer = Adversary::call(node.p2p, &net.genesis, 50, &POLITE).await.expect("a peer");
    assert_eq!(hear_transactions(&mut peer, &net).await, [waits.hash().to_string()], "all that wait");
    let own = transfer(&net, &net.senders[1], 0, 1);
    peer.say(gossip([&own, &own, &waits])).await;
    wait_for_place(&client, &own, "waiting").await;
    let last = transfer(&net, &net.senders[2], 0, 1);
    submit_one(&mut client, &last, false).await.expect("taken");
    assert_eq!(hear_transactions(&mut peer, &net).await, [last.hash().to_string()], "not its own before");
    assert_eq!(charges(&mut client).await, [0]);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_signatures_cost_their_peer_its_connection_and_nobody_else_anything() {
    let net = Net::new(3);
    let home = net.home(0);
    let node = Node::start(home.path(), &[]);
    let mut client = node.client().await;
    let mut peer = Adversary::call(node.p2p, &net.genesis, 51, &POLITE).await.expect("a peer");
    let good: Vec<_> = net.senders.iter().map(|key| transfer(&net, key, 0, 1)).collect();
    let bad = forged(&net, &transfer(&net, &net.senders[3], 1, 1));
    peer.say(gossip(good[..8].iter().chain([&bad]).chain(&good[8..]))).await;
    for transaction in &good {
        wait_for_place(&client, transaction, "waiting").await;
    }
    wait_until("one is charged", || {
        let mut client = client.clone();
        // A point goes every second.
        async move { charges(&mut client).await.iter().any(|charge| (1..=50).contains(charge)) }
    })
    .await;
    // The second fills the measure.
    peer.say(gossip([&forged(&net, &transfer(&net, &net.senders[4], 1, 1))])).await;
    peer.say(gossip([&forged(&net, &transfer(&net, &net.senders[5], 1, 1))])).await;
    let end = tokio::time::timeout(Duration::from_secs(20), peer.end()).await.expect("dropped");
    assert_eq!(reason_of(&end).as_deref(), Some("PEER_BANNED"), "{end:?}");
    let again = Adversary::call(node.p2p, &net.genesis, 51, &POLITE).await.err().expect("banned");
    assert_eq!(reason_of(&again).as_deref(), Some("PEER_BANNED"));
    // Nothing of it waits, and the node goes on.
    let outcomes = submit_all(&mut client, [&transfer(&net, &net.senders[3], 1, 1), &bad]).await;
    assert_eq!((&outcomes[0].reason[..], &outcomes[1].rule[..]), ("", "BAD_SIGNATURE"));
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_floods_does_not_keep_out_callers_or_other_peers() {
    let net = Net::new(3);
    let home = net.home(0);
    let node = Node::start(home.path(), &[]);
    let mut client = node.client().await;
    let flooder = Adversary::call(node.p2p, &net.genesis, 52, &POLITE).await.expect("a peer");
    let other = Adversary::call(node.p2p, &net.genesis, 53, &POLITE).await.expect("a peer");
    // Far beyond the window: never admitted, never charged.
    let useless: Vec<_> = (0..1024).map(|number| transfer(&net, &net.senders[0], 64 + number, 1)).collect();
    let flood = gossip(&useless);
    let flooding = tokio::spawn(async move {
        loop {
            flooder.say(flood.clone()).await;
        }
    });
    for number in 1..8 {
        let (submitted, relayed) =
            (transfer(&net, &net.senders[number], 0, 1), transfer(&net, &net.senders[number + 8], 0, 1));
        other.say(gossip([&relayed])).await;
        submit_one(&mut client, &submitted, false).await.expect("taken");
        for transaction in [&submitted, &relayed] {
            wait_for_place(&client, transaction, "waiting").await;
        }
    }
    assert!(!flooding.is_finished());
    flooding.abort();
    node.stop().await;
}
