//! Against the P2P port.

use std::fs;
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures::future::join_all;
use tokio::io::AsyncWriteExt as _;
use tokio::runtime::Runtime;
use vision_primitives::{Header, Height, SecretKey, Tag, TimestampMs};
use vision_wire::chain::chain_service_client::ChainServiceClient;
use vision_wire::chain::{
    BlockInfo, GetBlockRequest, ListBlocksRequest, SubmitBlockRequest, get_block_request,
};
use vision_wire::p2p::peer_message::Kind;
use vision_wire::p2p::peer_service_client::PeerServiceClient;
use vision_wire::p2p::{self, BlocksRequest, GetBlocksRequest, NewBlock, PeerAddresses, Transactions};
use vision_wire::types;

use super::stranger::{Stranger, address, channel};
use super::{TRAITOR, Target, http};
use crate::harness::{get_text, wait_for, wait_until};

/// More than the port has places for.
const SILENT_CONNECTIONS: usize = 1_100;
/// More than it takes introductions at a time.
const MUTE_INTRODUCTIONS: usize = 200;
const SIBLINGS: u64 = 200;
/// Of each holder: more than its connection takes answers to.
const QUESTIONS: u64 = 300;
/// Empty entries of a message of 1.3 MB.
const EMPTY_ENTRIES: usize = 650_000;
/// Such messages of one peer: more than it may send.
const BOMBS: usize = 10;
/// Heights that nobody has, as a liar claims them.
const CLAIMED_AHEAD: u64 = 50;
/// Blocks that the node has to produce while it hears lies.
const BLOCKS_AMONG_LIES: usize = 3;

impl Target<'_> {
    /// A stranger gets in sooner or later, from an address that did nothing.
    fn admits_another(&self, runtime: &Runtime, number: u8) -> Stranger {
        let mut admitted = None;
        wait_until("another peer is admitted", 30, || {
            admitted =
                runtime.block_on(Stranger::call(address(number), self.p2p, self.genesis, number.into())).ok();
            admitted.is_some()
        });
        admitted.expect("just admitted")
    }
}

pub fn silent_prefaces(target: &Target<'_>, runtime: &Runtime) -> String {
    let opening = (0..SILENT_CONNECTIONS).map(|_| async {
        let mut stream = http::connect(address(1), target.p2p).await?;
        stream.write_all(b"PRI * HTTP/2.0\r\n").await.ok()?;
        Some(stream)
    });
    let open = runtime.block_on(async { join_all(opening).await });
    wait_until("the status page answers others", 20, || {
        get_text(target.p2p, "/api/status").is_ok_and(|(status, _)| status == 200)
    });
    drop(target.admits_another(runtime, 20));
    format!("{} of {} connections opened", open.iter().flatten().count(), open.len())
}

/// As many at a time as ever, each again as soon as it is ended.
pub fn mute_introductions(target: &Target<'_>, runtime: &Runtime) -> String {
    let opened = Arc::new(AtomicUsize::new(0));
    for _ in 0..MUTE_INTRODUCTIONS {
        let (opened, port) = (opened.clone(), target.p2p);
        runtime.spawn(async move {
            loop {
                let mut client = PeerServiceClient::new(channel(address(2), port));
                opened.fetch_add(1, Ordering::Relaxed);
                if let Ok(answer) = client.exchange(futures::stream::pending()).await {
                    let _ = answer.into_inner().message().await;
                }
                // A node that refuses at once is asked again, but not without end.
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        });
    }
    wait_until("every introduction is under way", 30, || {
        opened.load(Ordering::Relaxed) >= MUTE_INTRODUCTIONS
    });
    let call = |number| {
        let calling = Stranger::call(address(number), target.p2p, target.genesis, number.into());
        runtime.block_on(calling).map(drop).map_err(|status| status.to_string())
    };
    let refused: Vec<String> = (21..29).filter_map(|number| call(number).err()).collect();
    assert!(refused.len() <= 2, "of eight others were turned away: {refused:?}");
    format!("{} introductions", opened.load(Ordering::Relaxed))
}

/// The newest block of a producer, whole, from a node that is not attacked.
async fn newest_block_of(port: u16, producer: &str) -> Option<BlockInfo> {
    let mut client = ChainServiceClient::new(channel(address(9), port));
    let request = ListBlocksRequest { before_height: Some(u64::MAX), ..ListBlocksRequest::default() };
    let blocks = client.list_blocks(request).await.expect("blocks").into_inner().blocks;
    let found = blocks.into_iter().find(|info| {
        let header = &info.block.as_ref().expect("a block").header;
        Header::from_bytes(header).is_ok_and(|header| header.producer.to_string() == producer)
    });
    let id = Some(get_block_request::Id::Hash(found?.hash));
    let request = GetBlockRequest { id, ..GetBlockRequest::default() };
    client.get_block(request).await.expect("the block").into_inner().block
}

fn key_of(target: &Target<'_>, node: usize) -> SecretKey {
    let text = fs::read_to_string(target.net[node].home.join("producer.key")).expect("a key");
    SecretKey::from_hex(text.trim()).expect("a key")
}

/// Blocks that differ from one of the traitor's by their stamps only, each with its signature: all valid.
pub fn equivocation(target: &Target<'_>, runtime: &Runtime) -> String {
    let traitor = &target.net[TRAITOR];
    let (key, genesis_hash) = (key_of(target, TRAITOR), target.genesis.hash());
    let newest = || runtime.block_on(newest_block_of(target.net[1].grpc, &traitor.id));
    let block = wait_for("the traitor has a block", 60, newest).into_whole().expect("a block");
    let header = Header::from_bytes(&block.header).expect("a header");
    let siblings: Vec<_> = (1..=SIBLINGS)
        .map(|later| {
            let stamp = TimestampMs(header.timestamp_ms.get() + later);
            let bytes = Header { timestamp_ms: stamp, ..header.clone() }.to_bytes();
            let hash = Header::hash_bytes(&genesis_hash, &bytes);
            let signature = key.sign(Tag::Block, &genesis_hash, hash.as_bytes()).0.to_vec().into();
            (hash, types::Block { header: bytes.into(), signature, ..block.clone() })
        })
        .collect();
    let mut number = 30;
    let mut peer = target.admits_another(runtime, number);
    for (_, block) in &siblings {
        let message = NewBlock { block: Some(block.clone()), ..NewBlock::default() };
        if !runtime.block_on(peer.say(Kind::NewBlock(message))) {
            number += 1;
            peer = target.admits_another(runtime, number);
        }
    }
    // What follows in its stream is read after them.
    wait_until("the node has read them", 20, || {
        runtime.block_on(async { matches!(peer.hear().await, Ok(Kind::Status(_)) | Err(_)) })
    });
    let victim = &target.net[super::VICTIM];
    let known = siblings.iter().filter(|(hash, _)| victim.block(hash).is_some()).count();
    assert!(known <= 1, "{known} further blocks of one producer on one parent are stored");
    format!("{known} of {SIBLINGS} further blocks stored")
}

/// The places for answers are held by peers that do not read them.
pub fn held_answers(target: &Target<'_>, runtime: &Runtime) -> String {
    let mut holders = Vec::new();
    for number in 40..46 {
        let holder = target.admits_another(runtime, number);
        for request_id in 0..QUESTIONS {
            let query = GetBlocksRequest { from_height: 1, max_blocks: 128, ..GetBlocksRequest::default() };
            let request = BlocksRequest { request_id, query: Some(query) };
            runtime.block_on(holder.say(Kind::BlocksRequest(request)));
        }
        holders.push(holder);
    }
    let mut asker = target.admits_another(runtime, 46);
    let query = GetBlocksRequest { from_height: 1, max_blocks: 1, ..GetBlocksRequest::default() };
    let request = BlocksRequest { request_id: 99, query: Some(query) };
    runtime.block_on(asker.say(Kind::BlocksRequest(request)));
    let answered = runtime.block_on(async {
        loop {
            match asker.hear().await {
                Ok(Kind::BlocksPart(_)) => return "another peer's question was answered".to_owned(),
                Ok(Kind::BlocksEnd(end)) if !end.reason.is_empty() => {
                    return format!("another peer: {}", end.reason);
                }
                Ok(_) => {}
                Err(status) => panic!("another peer's question: {status}"),
            }
        }
    });
    format!("{} holders; {answered}", holders.len())
}

pub fn addresses(target: &Target<'_>, runtime: &Runtime) -> String {
    // Where an honest node would be called for nothing.
    let traps: Vec<_> =
        (0..32).filter_map(|n| TcpListener::bind((format!("127.0.2.{}", n + 1), 0)).ok()).collect();
    let mut reported = 0;
    let mut number = 50;
    let mut peer = target.admits_another(runtime, number);
    for round in 0..400_u32 {
        let mut list: Vec<String> =
            (0..56_u32).map(|n| format!("host{}.invalid:7072", round * 56 + n)).collect();
        let shown = traps.iter().skip(round as usize % 4 * 8).take(8);
        list.extend(shown.filter_map(|trap| trap.local_addr().ok()).map(|address| address.to_string()));
        reported += list.len();
        if !runtime.block_on(peer.say(Kind::Addresses(PeerAddresses { addresses: list }))) {
            number += 1;
            peer = target.admits_another(runtime, number);
        }
    }
    let honest = target.net[super::VICTIM].json("/api/peers").to_string();
    assert!(honest.contains(&target.net[1].id), "its honest peers stay: {honest}");
    traps.iter().for_each(|trap| trap.set_nonblocking(true).expect("a socket"));
    let sprung = traps.iter().filter(|trap| trap.accept().is_ok()).count();
    format!("{reported} addresses sent, {sprung} of {} traps called", traps.len())
}

pub fn count_bombs(target: &Target<'_>, runtime: &Runtime) -> String {
    fn empty<T: Clone + Default>() -> Vec<T> {
        vec![T::default(); EMPTY_ENTRIES]
    }
    let mut ends = Vec::new();
    let mut bombs = Vec::new();
    for number in 60..66 {
        let peer = target.admits_another(runtime, number);
        let kind = move || {
            if number % 2 == 0 {
                let block = types::Block { transactions: empty(), ..types::Block::default() };
                Kind::NewBlock(NewBlock { block: Some(block), ..NewBlock::default() })
            } else {
                Kind::Transactions(Transactions { transactions: empty() })
            }
        };
        bombs.push(async move {
            for _ in 0..BOMBS {
                if !peer.say(kind()).await {
                    break;
                }
            }
            peer.end().await
        });
    }
    for status in runtime.block_on(async { join_all(bombs).await }) {
        assert_ne!(status.code(), tonic::Code::Ok, "the node goes on listening to it");
        ends.push(vision_wire::reason_of(&status).unwrap_or_else(|| format!("{:?}", status.code())));
    }
    let submitting = async {
        let mut client = ChainServiceClient::new(channel(address(1), target.grpc));
        let request = SubmitBlockRequest { transactions: empty(), ..SubmitBlockRequest::default() };
        client.submit_block(request).await
    };
    let status = runtime.block_on(submitting).expect_err("no block");
    ends.push(vision_wire::reason_of(&status).unwrap_or_else(|| format!("{:?}", status.code())));
    ends.sort();
    ends.dedup();
    ends.join(", ")
}

/// Heads that a producer has signed and that nobody has, each of all the weight there is.
pub fn heavy_claims(target: &Target<'_>, runtime: &Runtime) -> String {
    let (key, genesis_hash) = (key_of(target, TRAITOR), target.genesis.hash());
    let newest = || runtime.block_on(newest_block_of(target.net[1].grpc, &target.net[TRAITOR].id));
    let block = wait_for("the traitor has a block", 60, newest).block.expect("a block");
    let header = Header::from_bytes(&block.header).expect("a header");
    let height = Height(header.height.get() + CLAIMED_AHEAD);
    let bytes = Header { height, weight: u64::MAX, ..header }.to_bytes();
    let hash = Header::hash_bytes(&genesis_hash, &bytes);
    let claim = p2p::Status {
        height: height.get(),
        tip_hash: hash.0.to_vec().into(),
        header: bytes.into(),
        header_signature: key.sign(Tag::Block, &genesis_hash, hash.as_bytes()).0.to_vec().into(),
        ..p2p::Status::default()
    };
    let liars: Vec<_> = (70..74).map(|number| target.admits_another(runtime, number)).collect();
    let (before, mut reported) = (target.net[1].height(), 0);
    wait_until("the node produces among lies", 30, || {
        for liar in &liars {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_millis();
            let mut status = p2p::Status { sent_at_ms: now as u64, ..claim.clone() };
            liar.sign(&mut status);
            reported += usize::from(runtime.block_on(liar.say(Kind::Status(status))));
        }
        super::made_by(target.net, super::VICTIM, before) >= BLOCKS_AMONG_LIES
    });
    format!("{reported} lies sent by {}", liars.len())
}
