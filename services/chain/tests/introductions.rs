//! How much a node reads of somebody who has not proven who it is.

mod support;

use std::time::Duration;

use futures::StreamExt;
use support::adversary::{Adversary, Manners, POLITE};
use support::transactions::{large, submit_all};
use support::{Net, Node, produce};
use tonic::Status;
use vision_wire::p2p::peer_message::Kind;
use vision_wire::p2p::peer_service_client::PeerServiceClient;
use vision_wire::p2p::{
    BlocksPart, BlocksRequest, ExchangeRequest, GetBlocksRequest, Hello, HelloProof, NewBlock, PeerMessage,
};
use vision_wire::types::Block;
use vision_wire::{MAX_INTRODUCTION_BYTES, reason_of};

/// As large as the blocks of many a network.
const BLOCK_BYTES: usize = 1 << 20;

/// A message with a block, of which only the size counts.
fn block_message(bytes: usize) -> Option<PeerMessage> {
    let block = Some(Block { header: vec![1; bytes].into(), ..Default::default() });
    Some(PeerMessage { kind: Some(Kind::NewBlock(NewBlock { block, traceparent: String::new() })) })
}

/// What the node answers to a first message, past its own hello.
async fn refusal_of_first(p2p: u16, message: Option<PeerMessage>) -> Status {
    let channel = vision_wire::connect_lazy(&format!("http://127.0.0.1:{p2p}")).expect("a URL");
    let first = futures::stream::iter([ExchangeRequest { message }]).chain(futures::stream::pending());
    let opened = PeerServiceClient::new(channel).exchange(first).await;
    let mut answers = match opened {
        Ok(answers) => answers.into_inner(),
        Err(refused) => return refused,
    };
    loop {
        let next = tokio::time::timeout(Duration::from_secs(10), answers.message()).await;
        match next.expect("the node answers") {
            Ok(Some(_)) => {}
            Ok(None) => panic!("ended without a word"),
            Err(refused) => return refused,
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_first_message_is_as_small_as_an_introduction_and_later_ones_bring_blocks() {
    let net = Net::new(3);
    let home = net.home(0);
    let node = Node::start(home.path(), &[]);
    let mut client = node.client().await;

    for bytes in [MAX_INTRODUCTION_BYTES, BLOCK_BYTES] {
        let refused = refusal_of_first(node.p2p, block_message(bytes)).await;
        assert_eq!(reason_of(&refused).as_deref(), Some("MESSAGE_TOO_LARGE"), "{bytes}: {refused:?}");
    }
    // What is small and no hello is read, and refused for what it is.
    let refused = refusal_of_first(node.p2p, block_message(64)).await;
    assert_eq!(reason_of(&refused).as_deref(), Some("MALFORMED_MESSAGE"), "{refused:?}");
    // So is the second message.
    let long_proof = |proof: &mut HelloProof| proof.signature = vec![0; BLOCK_BYTES].into();
    let manners = Manners { proof: long_proof, ..POLITE };
    let refused = Adversary::call(node.p2p, &net.genesis, 9, &manners).await.err().expect("no proof");
    assert_eq!(reason_of(&refused).as_deref(), Some("MESSAGE_TOO_LARGE"), "{refused:?}");
    // Texts as long as they may be are taken.
    let long_texts = |hello: &mut Hello| {
        hello.listen_address = format!("{}.example:7072", "a".repeat(255 - ".example:7072".len()));
        hello.version = "v".repeat(255);
    };
    let manners = Manners { hello: long_texts, ..POLITE };
    let mut peer = Adversary::call(node.p2p, &net.genesis, 9, &manners).await.expect("a good introduction");

    // Who is known exchanges whole blocks, both ways.
    let batch: Vec<_> = net.senders.iter().map(|key| large(&net, key, 0)).collect();
    submit_all(&mut client, &batch).await;
    produce(&net, &mut client, 0).await;
    let ask = |request_id| {
        let query = Some(GetBlocksRequest { from_height: 1, max_blocks: 1, ..Default::default() });
        Kind::BlocksRequest(BlocksRequest { request_id, query })
    };
    peer.say(ask(7)).await;
    let part = loop {
        if let Kind::BlocksPart(part) = peer.hear().await.expect("the connection stands") {
            break part;
        }
    };
    let bytes: usize = part.block.iter().flat_map(|block| &block.transactions).map(|body| body.len()).sum();
    assert!(bytes > 8 * MAX_INTRODUCTION_BYTES, "{bytes} bytes of transactions");
    peer.say(Kind::BlocksPart(BlocksPart { request_id: 99, block: part.block })).await;
    // The question after it is answered: it was read, and the connection stands.
    peer.say(ask(8)).await;
    loop {
        if let Kind::BlocksEnd(end) = peer.hear().await.expect("the connection stands")
            && end.request_id == 8
        {
            assert_eq!(end.reason, "");
            break;
        }
    }
    node.stop().await;
}
