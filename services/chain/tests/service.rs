//! The chain service over real gRPC: blocks, peers, catch-up, restart, damage.

mod support;

use support::{Net, Node, free_port, head, produce, wait_for_head, wait_until};
use vision_wire::chain::{self as proto, get_block_request::Id};
use vision_wire::reason_of;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn blocks_are_stored_served_and_survive_a_restart() {
    let net = Net::new(1);
    let home = net.home(0);
    // What a kill in the middle of the very first start leaves is no store and in nobody's way.
    std::fs::create_dir(home.path().join("data")).expect("writable");
    std::fs::write(home.path().join("data/chain.new"), b"half-made").expect("writable");
    let node = Node::start(home.path(), &[]);
    let mut client = node.client().await;
    for height in 1..=5 {
        let stored = produce(&net, &mut client, 0).await;
        assert_eq!((stored.height, stored.became_head), (height, true));
    }
    let tip = head(&mut client).await;
    assert_eq!((tip.height, tip.weight), (5, 35));
    let page = proto::ListBlocksRequest { page_size: 4, ..Default::default() };
    let page = client.list_blocks(page).await.expect("a page").into_inner();
    assert_eq!(page.blocks.iter().map(|block| block.height).collect::<Vec<_>>(), [0, 1, 2, 3]);
    let page = proto::ListBlocksRequest { page_token: page.next_page_token, ..Default::default() };
    let page = client.list_blocks(page).await.expect("a page").into_inner();
    assert_eq!(page.blocks.iter().map(|block| block.height).collect::<Vec<_>>(), [4, 5]);
    assert_eq!((page.blocks[1].hash.as_str(), page.next_page_token.as_str()), (tip.hash.as_str(), ""));
    let heights = |page: &proto::ListBlocksResponse| -> Vec<u64> {
        page.blocks.iter().map(|block| block.height).collect()
    };
    let back = proto::ListBlocksRequest { page_size: 4, before_height: Some(u64::MAX), ..Default::default() };
    let page = client.list_blocks(back).await.expect("a page").into_inner();
    assert_eq!(heights(&page), [5, 4, 3, 2], "newest first");
    let back = proto::ListBlocksRequest { page_token: page.next_page_token, ..Default::default() };
    let page = client.list_blocks(back).await.expect("a page").into_inner();
    assert_eq!((heights(&page).as_slice(), page.next_page_token.as_str()), ([1, 0].as_slice(), ""));
    assert!(page.blocks[0].size_bytes > 300 && page.blocks[1].size_bytes == 0, "{page:?}");
    let at = |id| proto::GetBlockRequest { id: Some(id), ..Default::default() };
    let block = client.get_block(at(Id::Height(3))).await.expect("a block").into_inner().block.expect("it");
    let same = client.get_block(at(Id::Hash(block.hash.clone()))).await.expect("a block").into_inner().block;
    assert_eq!(Some(block.clone()), same);
    let slim = proto::GetBlockRequest { without_transactions: true, ..at(Id::Height(3)) };
    let slim = client.get_block(slim).await.expect("a block").into_inner().block;
    assert_eq!(Some(block), slim, "it has no transactions");
    let cases = [
        (at(Id::Height(6)), "HEIGHT_NOT_FOUND"),
        (at(Id::Hash("00".repeat(32))), "BLOCK_NOT_FOUND"),
        (at(Id::Hash("xyz".into())), "INVALID_HASH"),
        (proto::GetBlockRequest { id: None, ..Default::default() }, "INVALID_ARGUMENT"),
    ];
    for (request, expect) in cases {
        let status = client.get_block(request).await.expect_err(expect);
        assert_eq!(reason_of(&status).as_deref(), Some(expect), "{status:?}");
    }
    let rewards = client
        .get_account(proto::GetAccountRequest {
            address: net.keys.keys().next().expect("one").to_string(),
            with_proof: false,
        })
        .await
        .expect("an account")
        .into_inner();
    assert_eq!((rewards.balance, rewards.nonce, rewards.height), (1_000_250, 0, 5));
    node.stop().await;

    let node = Node::start(home.path(), &[]);
    let mut client = node.client().await;
    assert_eq!(head(&mut client).await, tip);
    assert_eq!(produce(&net, &mut client, 0).await.height, 6);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_stored_block_of_a_producer_is_sent_with_its_signature() {
    let net = Net::new(2);
    let home = net.home(0);
    let node = Node::start(home.path(), &[]);
    let mut client = node.client().await;
    produce(&net, &mut client, 0).await;
    let mine = net.genesis.producers[0].public_key;
    let watch = |producer: String, cursor: String| proto::WatchBlocksRequest { cursor, producer };
    let mut all =
        client.watch_blocks(watch(String::new(), String::new())).await.expect("a watch").into_inner();
    let mut own =
        client.watch_blocks(watch(mine.id().to_string(), String::new())).await.expect("a watch").into_inner();
    for stream in [&mut all, &mut own] {
        let first = stream.message().await.expect("an event").expect("no end");
        assert!(first.begins && first.heartbeat && first.header.is_empty(), "{first:?}");
    }
    let mut made = Vec::new();
    for slot in 0..8 {
        made.push(produce(&net, &mut client, slot % 2).await);
    }
    let mut own_made = Vec::new();
    for stored in &made {
        let event = all.message().await.expect("an event").expect("no end");
        let header = vision_primitives::Header::from_bytes(&event.header).expect("a header");
        assert_eq!((header.height.get(), event.begins, event.heartbeat), (stored.height, false, false));
        let hash = vision_primitives::Header::hash_bytes(&net.genesis.hash(), &event.header);
        assert_eq!(hash.to_string(), stored.hash);
        if header.producer == mine.id() {
            own_made.push((event.header, event.signature));
        }
    }
    assert!(!own_made.is_empty() && own_made.len() < made.len(), "both producers had turns");
    for (header, signature) in own_made {
        let event = own.message().await.expect("an event").expect("no end");
        assert_eq!((&event.header, &event.signature), (&header, &signature));
        let hash = vision_primitives::Header::hash_bytes(&net.genesis.hash(), &header);
        let signature = vision_primitives::Signature::from_slice(&signature).expect("64 bytes");
        mine.verify(vision_primitives::Tag::Block, &net.genesis.hash(), hash.as_bytes(), &signature)
            .expect("the producer's signature");
    }
    let status =
        client.watch_blocks(watch("xyz".into(), String::new())).await.expect_err("no producer of that name");
    assert_eq!(reason_of(&status).as_deref(), Some("INVALID_HASH"));
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_600_blocks_behind_catches_up_and_then_follows() {
    let net = Net::new(3);
    let homes = [net.home(0), net.home(1), net.home(2)];
    let a = Node::start(homes[0].path(), &[]);
    let mut client_a = a.client().await;
    for height in 0..600 {
        produce(&net, &mut client_a, u64::from(height % 7 == 3)).await;
    }
    let tip = head(&mut client_a).await;
    assert!(tip.finalized_height >= tip.height - 64 - 3, "{tip:?}");
    let b = Node::start(homes[1].path(), &[a.p2p]);
    let mut client_b = b.client().await;
    wait_for_head(&mut client_b, &tip.hash).await;
    // The third knows only the second, and learns the first's address from it.
    let c = Node::start(homes[2].path(), &[b.p2p]);
    let mut client_c = c.client().await;
    wait_for_head(&mut client_c, &tip.hash).await;
    wait_until("every node has two peers", || {
        let clients = [client_a.clone(), client_b.clone(), client_c.clone()];
        async move {
            for mut client in clients {
                let peers =
                    client.list_peers(proto::ListPeersRequest {}).await.expect("peers").into_inner().peers;
                if peers.len() != 2 {
                    return false;
                }
            }
            true
        }
    })
    .await;
    produce(&net, &mut client_c, 0).await;
    let tip = head(&mut client_c).await;
    assert_eq!(tip.height, 601);
    wait_for_head(&mut client_a, &tip.hash).await;
    wait_for_head(&mut client_b, &tip.hash).await;
    let pools =
        |height| proto::GetProducersRequest { at: Some(proto::get_producers_request::At::Height(height)) };
    for height in [0, 1, 17, 300, 540, 601] {
        let at_a = client_a.get_producers(pools(height)).await.expect("pools").into_inner();
        let at_c = client_c.get_producers(pools(height)).await.expect("pools").into_inner();
        assert_eq!(at_a, at_c, "height {height}");
        let block = client_c
            .get_block(proto::GetBlockRequest { id: Some(Id::Height(height + 1)), ..Default::default() })
            .await
            .ok()
            .and_then(|answer| answer.into_inner().block?.block)
            .and_then(|block| vision_primitives::Header::from_bytes(&block.header).ok());
        if let Some(child) = block {
            assert_eq!(child.pool_root.to_string(), at_c.pool_root, "height {height}");
        }
    }
    for node in [a, b, c] {
        node.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_heavier_branch_wins_when_two_parts_meet() {
    let net = Net::new(3);
    let homes = [net.home(0), net.home(1)];
    let (port_a, port_b) = (free_port(), free_port());
    let a = Node::start_on(homes[0].path(), free_port(), port_a, &[]);
    let b = Node::start_on(homes[1].path(), free_port(), port_b, &[]);
    let (mut client_a, mut client_b) = (a.client().await, b.client().await);
    // Fewer than 64: neither branch has final blocks of its own.
    for _ in 0..50 {
        produce(&net, &mut client_a, 1).await;
        produce(&net, &mut client_b, 0).await;
    }
    for _ in 0..5 {
        produce(&net, &mut client_a, 1).await;
    }
    let (left, heavy) = (head(&mut client_a).await, head(&mut client_b).await);
    assert!(left.height > heavy.height && left.weight < heavy.weight);
    b.stop().await;
    let b = Node::start_on(homes[1].path(), free_port(), port_b, &[port_a]);
    wait_for_head(&mut client_a, &heavy.hash).await;
    assert_eq!(head(&mut b.client().await).await.hash, heavy.hash);
    a.stop().await;
    b.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_or_foreign_store_is_refused() {
    let net = Net::new(1);
    let home = net.home(0);
    let node = Node::start(home.path(), &[]);
    let mut client = node.client().await;
    for _ in 0..80 {
        produce(&net, &mut client, 0).await;
    }
    let mut headers = Vec::new();
    for height in [1, 20, 80] {
        let at = proto::GetBlockRequest { id: Some(Id::Height(height)), ..Default::default() };
        let info = client.get_block(at).await.expect("a block").into_inner().block.expect("it");
        headers.push(info.block.expect("bytes").header);
    }
    node.stop().await;
    let file = home.path().join("data/chain.redb");
    let good = std::fs::read(&file).expect("the store");
    let refusal = async |bytes: &[u8]| {
        std::fs::write(&file, bytes).expect("writable");
        let node = Node::start(home.path(), &[]);
        let ended = tokio::time::timeout(std::time::Duration::from_secs(30), node.ended).await;
        ended.expect("ends").expect("no panic").expect_err("refused").to_string()
    };
    for length in [0, 1, 100, 4096, good.len() / 2] {
        let text = refusal(&good[..length]).await;
        assert!(text.contains("corrupt") && text.contains("move the file away"), "{length} bytes: {text}");
    }
    for header in &headers {
        let mut bent = good.clone();
        let places: Vec<usize> =
            good.windows(header.len()).enumerate().filter(|(_, at)| at == header).map(|(at, _)| at).collect();
        assert!(!places.is_empty());
        for place in places {
            bent[place + 50] ^= 1;
        }
        let text = refusal(&bent).await;
        assert!(text.contains("corrupt") && text.contains("move the file away"), "{text}");
    }
    std::fs::write(&file, &good).expect("writable");
    let mut other = net.genesis.clone();
    other.chain_id = "another".into();
    support::write_home(home.path(), net.keys.values().next().expect("one"), &other);
    let text = refusal(&good).await;
    assert!(text.contains("the store belongs to chain"), "{text}");
}
