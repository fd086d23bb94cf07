//! How large a message may be, method by method.

mod support;

use support::transactions::{large, submit_all};
use support::{Net, Node};
use tonic::codec::CompressionEncoding;
use vision_wire::chain as proto;
use vision_wire::chain::chain_service_client::ChainServiceClient;
use vision_wire::p2p::GetBlocksRequest;
use vision_wire::p2p::peer_service_client::PeerServiceClient;
use vision_wire::reason_of;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_may_be_as_large_as_its_method_needs_and_no_larger() {
    let mut net = Net::new(3);
    // Here the envelopes of the transactions have more bytes than any fixed margin was made for.
    net.genesis.params.max_block_bytes = 14_000_000;
    net.genesis.params.max_block_txs = 100_000;
    let home = net.home(0);
    let node = Node::start(home.path(), &[]);
    drop(node.client().await);
    let channel = |port| vision_wire::connect_lazy(&format!("http://127.0.0.1:{port}")).expect("a URL");
    let mut client = ChainServiceClient::new(channel(node.grpc));

    let block = |count: usize, bytes: usize| proto::SubmitBlockRequest {
        header: vec![1; 290].into(),
        signature: vec![1; 64].into(),
        transactions: vec![vec![1; bytes].into(); count],
    };
    for (desc, request) in [
        ("the largest block", block(99_996, 140)),
        ("empty entries", block(3_000_000, 0)),
        ("entries shorter than any transaction", block(100_000, 112)),
    ] {
        let refused = client.submit_block(request).await.expect_err(desc);
        assert_eq!(reason_of(&refused).as_deref(), Some("INVALID_ARGUMENT"), "{desc}: {refused:?}");
    }
    let many = proto::SubmitTransactionsRequest { transactions: vec![Default::default(); 3_000_000] };
    let refused = client.submit_transactions(many).await.expect_err("too many");
    assert_eq!(reason_of(&refused).as_deref(), Some("INVALID_ARGUMENT"));

    // Nothing else is so large.
    let refused = client.submit_block(block(15_000, 1_000)).await.expect_err("larger than any block");
    assert_eq!(reason_of(&refused).as_deref(), Some("MESSAGE_TOO_LARGE"), "{refused:?}");
    let address = "a".repeat(200_000);
    let request = proto::GetAccountRequest { address, ..Default::default() };
    let refused = client.get_account(request).await.expect_err("not read");
    assert_eq!(reason_of(&refused).as_deref(), Some("MESSAGE_TOO_LARGE"));
    let mut peer = PeerServiceClient::new(channel(node.p2p));
    let block_hash = vec![1; 200_000].into();
    let request = GetBlocksRequest { block_hash, ..Default::default() };
    let refused = peer.get_blocks(request).await.expect_err("not read");
    assert_eq!(reason_of(&refused).as_deref(), Some("MESSAGE_TOO_LARGE"));
    let request = GetBlocksRequest { locator: vec![vec![1; 32].into(); 65], ..Default::default() };
    let refused = peer.get_blocks(request).await.expect_err("too many");
    assert_eq!(reason_of(&refused).as_deref(), Some("INVALID_ARGUMENT"));
    node.stop().await;
}

/// What a caller is sent of a refusal, of which the details repeat the sentence.
const MAX_REFUSAL_CHARS: usize = 600;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_refusal_repeats_a_long_text() {
    let net = Net::new(3);
    let home = net.home(0);
    let node = Node::start(home.path(), &[]);
    drop(node.client().await);
    let url = format!("http://127.0.0.1:{}", node.grpc);
    let mut client = ChainServiceClient::new(vision_wire::connect_lazy(&url).expect("a URL"));
    let long = || "a".repeat(20_000);

    let id = Some(proto::get_block_request::Id::Hash(long()));
    let block = proto::GetBlockRequest { id, ..Default::default() };
    let blocks = proto::ListBlocksRequest { page_token: long(), ..Default::default() };
    let at = Some(proto::get_producers_request::At::Hash(long()));
    let account = proto::GetAccountRequest { address: long(), ..Default::default() };
    let transaction = proto::GetTransactionRequest { hash: long(), ..Default::default() };
    let cursor = proto::WatchTransactionsRequest { cursor: long(), ..Default::default() };
    let address = proto::WatchTransactionsRequest { address: long(), ..Default::default() };
    // A head has less room than a message.
    let mut packed = tonic::Request::new(proto::GetHeadRequest {});
    packed.metadata_mut().insert("grpc-encoding", "a".repeat(10_000).parse().expect("ASCII"));
    let refusals = [
        ("block", client.get_block(block).await.err()),
        ("page token", client.list_blocks(blocks).await.err()),
        ("producers", client.get_producers(proto::GetProducersRequest { at }).await.err()),
        ("account", client.get_account(account).await.err()),
        ("transaction", client.get_transaction(transaction).await.err()),
        (
            "cursor of blocks",
            client
                .watch_blocks(proto::WatchBlocksRequest { cursor: long(), ..Default::default() })
                .await
                .err(),
        ),
        ("cursor of heads", client.watch_head(proto::WatchHeadRequest { cursor: long() }).await.err()),
        ("cursor of transactions", client.watch_transactions(cursor).await.err()),
        ("watched address", client.watch_transactions(address).await.err()),
        (
            "parent",
            client
                .prepare_block(proto::PrepareBlockRequest { parent: long(), ..Default::default() })
                .await
                .err(),
        ),
        ("encoding", client.get_head(packed).await.err()),
    ];
    for (desc, refusal) in refusals {
        let refusal = refusal.unwrap_or_else(|| panic!("{desc} is not refused"));
        let sent = refusal.message().chars().count() + refusal.details().len();
        assert!(sent < MAX_REFUSAL_CHARS, "{desc}: {sent} characters: {:.300}", refusal.message());
        assert_ne!(refusal.code(), tonic::Code::Internal, "{desc}: {refusal:?}");
    }
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_may_be_larger_than_the_largest_block() {
    let mut net = Net::new(3);
    net.genesis.params.max_block_bytes = 4096;
    let home = net.home(0);
    let node = Node::start(home.path(), &[]);
    let mut client = node.client().await;
    let batch: Vec<_> = net.senders.iter().map(|key| large(&net, key, 0)).collect();
    let outcomes = submit_all(&mut client, &batch).await;
    assert_eq!(outcomes.len(), batch.len(), "1 MiB is read, and each is answered");
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn compressed_messages_are_bounded_by_what_they_hold() {
    let mut net = Net::new(3);
    net.genesis.params.max_block_txs = 1_000;
    let home = net.home(0);
    let node = Node::start(home.path(), &[]);
    let plain = node.client().await;
    let mut client = plain.clone().send_compressed(CompressionEncoding::Gzip);
    let block = |count: usize, bytes: usize| proto::SubmitBlockRequest {
        header: vec![1; 290].into(),
        signature: vec![1; 64].into(),
        transactions: vec![vec![1; bytes].into(); count],
    };
    let batch =
        |count: usize| proto::SubmitTransactionsRequest { transactions: vec![Default::default(); count] };
    let address = "a".repeat(200_000);
    let large = proto::GetAccountRequest { address, ..Default::default() };
    let cases = [
        ("a large method's bomb", client.submit_block(block(50_000, 1_000)).await.err(), "MESSAGE_TOO_LARGE"),
        ("a small method's bomb", client.get_account(large).await.err(), "MESSAGE_TOO_LARGE"),
        ("entries", client.submit_transactions(batch(300_000)).await.err(), "INVALID_ARGUMENT"),
    ];
    for (desc, refused, reason) in cases {
        let refused = refused.unwrap_or_else(|| panic!("{desc} is taken"));
        assert_eq!(reason_of(&refused).as_deref(), Some(reason), "{desc}: {refused:?}");
    }
    let mut client = client.accept_compressed(CompressionEncoding::Gzip);
    let asked = client.get_head(proto::GetHeadRequest {}).await.expect("a compressed question is answered");
    let unasked = plain.clone().get_head(proto::GetHeadRequest {}).await.expect("answered");
    let encodings = [&asked, &unasked].map(|answer| answer.metadata().get("grpc-encoding").cloned());
    assert_eq!(encodings, ["gzip".parse().ok(), None], "only those that ask get gzip");
    assert_eq!(asked.get_ref(), unasked.get_ref());
    node.stop().await;
}
