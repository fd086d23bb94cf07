//! Addresses that peers send: whom a node calls again, and whom a flood cannot push out.

mod support;

use std::net::{IpAddr, Ipv4Addr};

use support::adversary::{Adversary, POLITE};
use support::{Client, Net, Node, free_port, wait_until};
use vision_chain::{Accepts, Config};
use vision_wire::chain as proto;
use vision_wire::p2p::peer_message::Kind;
use vision_wire::p2p::{BlocksRequest, GetBlocksRequest, PeerAddresses};

/// Addresses in one message.
const IN_MESSAGE: u32 = vision_wire::MAX_ADDRESSES_IN_MESSAGE as u32;
/// Messages of a flood: many times what an address book holds.
const FLOOD_MESSAGES: u32 = 50;

fn addresses(addresses: Vec<String>) -> Kind {
    Kind::Addresses(PeerAddresses { addresses })
}

/// Whether there is a connection that the node has called to somebody at this port.
async fn has_called(client: &Client, p2p: u16) -> bool {
    let peers =
        client.clone().list_peers(proto::ListPeersRequest {}).await.expect("peers").into_inner().peers;
    peers.iter().any(|peer| !peer.inbound && peer.address == format!("127.0.0.1:{p2p}"))
}

/// Calls the node from an address of this machine.
async fn caller(net: &Net, node: &Node, last: u8, seed: u8) -> Adversary {
    let from = IpAddr::from(Ipv4Addr::new(127, 0, 0, last));
    Adversary::call_from(from, node.p2p, &net.genesis, seed, &POLITE).await.expect("a good introduction")
}

/// Waits until everything that was said before has been read.
async fn heard_out(peer: &mut Adversary, request_id: u64) {
    let query = Some(GetBlocksRequest { from_height: 1, max_blocks: 1, ..Default::default() });
    peer.say(Kind::BlocksRequest(BlocksRequest { request_id, query })).await;
    loop {
        if let Kind::BlocksEnd(end) = peer.hear().await.expect("the connection stands")
            && end.request_id == request_id
        {
            return;
        }
    }
}

/// A node without seeds, that calls addresses of this machine too.
fn listener(home: &std::path::Path) -> Node {
    Node::start_with(home, Config { accept_addresses: Accepts::Any, ..Default::default() })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_whose_address_a_peer_sent_is_called_again_after_it_was_away() {
    let net = Net::new(3);
    let (home, other_home) = (net.home(0), net.home(1));
    let node = listener(home.path());
    let client = node.client().await;
    let (grpc, p2p) = (free_port(), free_port());
    let other = Node::start_on(other_home.path(), grpc, p2p, &[]);
    other.client().await;
    assert!(!has_called(&client, p2p).await, "nobody has sent its address");

    let sender = caller(&net, &node, 2, 9).await;
    sender.say(addresses(vec![format!("127.0.0.1:{p2p}")])).await;
    wait_until("the node calls whose address it was sent", || has_called(&client, p2p)).await;
    // Nobody sends its address again, and it knows nobody when it comes back.
    drop(sender);
    other.stop().await;
    wait_until("the connection is gone", || async { !has_called(&client, p2p).await }).await;
    let other = Node::start_on(other_home.path(), grpc, p2p, &[]);
    other.client().await;
    wait_until("the node has kept the address and calls again", || has_called(&client, p2p)).await;
    other.stop().await;
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_addresses_by_one_peer_pushes_out_nobody_elses() {
    let net = Net::new(3);
    let (home, other_home) = (net.home(0), net.home(1));
    let node = listener(home.path());
    let client = node.client().await;
    let (grpc, p2p) = (free_port(), free_port());
    let mut honest = caller(&net, &node, 2, 9).await;
    honest.say(addresses(vec![format!("127.0.0.1:{p2p}")])).await;
    heard_out(&mut honest, 1).await;

    let mut flooder = caller(&net, &node, 3, 10).await;
    for message in 0..FLOOD_MESSAGES {
        let address = |n: u32| format!("{}:1", Ipv4Addr::from_bits(0x7f01_0000 + message * IN_MESSAGE + n));
        flooder.say(addresses((1..=IN_MESSAGE).map(address).collect())).await;
    }
    heard_out(&mut flooder, 2).await;
    // Nobody sends its address after the flood.
    drop((honest, flooder));
    let other = Node::start_on(other_home.path(), grpc, p2p, &[]);
    other.client().await;
    wait_until("the node calls whose address it was sent before the flood", || has_called(&client, p2p))
        .await;
    other.stop().await;
    node.stop().await;
}
