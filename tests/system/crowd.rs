//! More peers call a node than it has places for.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use futures::StreamExt as _;
use tokio::runtime::Runtime;
use tonic::Status;
use vision_primitives::{Genesis, Header};
use vision_wire::p2p::peer_message::Kind;

use crate::attacks::stranger::Stranger;
use crate::harness::{Net, Plan, wait_until};

const MAX_PEERS: u16 = 160;
/// A quarter of them is kept for nodes that are called.
const MAX_CALLERS: usize = 120;
const CALLERS: u32 = 150;
/// Callers that introduce themselves at once: fewer than there are places for.
const AT_ONCE: usize = 16;
const BLOCKS: u64 = 12;

/// Those who were admitted.
struct Crowd {
    genesis: Genesis,
    p2p: u16,
    /// The highest block that each has been sent; 0 before the first.
    heights: Vec<AtomicU64>,
    /// How their connections have ended.
    ends: Mutex<Vec<Status>>,
}

impl Crowd {
    /// Calls, and follows the chain from then on.
    async fn enter(self: Arc<Self>, number: u32) -> Result<u32, Status> {
        let [high, low] = u16::try_from(number + 1).expect("a small number").to_be_bytes();
        let from = IpAddr::V4(Ipv4Addr::new(127, 5, high, low));
        let stranger = Stranger::call(from, self.p2p, &self.genesis, number).await?;
        tokio::spawn(async move {
            let height = &self.heights[number as usize];
            let end = stranger.follow(|kind| {
                let Kind::NewBlock(new) = kind else { return };
                let header = new.block.as_ref().and_then(|block| Header::from_bytes(&block.header).ok());
                height.fetch_max(header.map_or(0, |header| header.height.get()), Ordering::Relaxed);
            });
            let end = end.await;
            self.ends.lock().expect("nobody panics with it").push(end);
        });
        Ok(number)
    }

    fn height(&self, number: u32) -> u64 {
        self.heights[number as usize].load(Ordering::Relaxed)
    }
}

#[test]
fn callers_beyond_the_places_are_refused_and_the_others_stay_and_get_every_block_in_time() {
    // A slot may come seconds late on a busy machine; only a node that is stopped misses one.
    let plan = Plan::fast(3).param("block_interval_ms", 500).param("claim_timeout_ms", 5_000);
    let mut net = Net::new(&plan);
    net.set(0, "chain", "max_peers", i64::from(MAX_PEERS));
    net.start_all();
    let text = std::fs::read_to_string(net[0].home.join("genesis.json")).expect("a genesis");
    let crowd = Arc::new(Crowd {
        genesis: Genesis::from_json(&text).expect("a genesis"),
        p2p: net[0].p2p,
        heights: (0..CALLERS).map(|_| AtomicU64::new(0)).collect(),
        ends: Mutex::default(),
    });
    let runtime = Runtime::new().expect("a runtime");
    let calls = futures::stream::iter(0..CALLERS).map(|number| tokio::spawn(crowd.clone().enter(number)));
    let called: Vec<_> = runtime.block_on(async { calls.buffer_unordered(AT_ONCE).collect().await });

    let (mut admitted, mut refused) = (Vec::new(), Vec::new());
    for end in called {
        match end.expect("no panic") {
            Ok(number) => admitted.push(number),
            Err(status) => refused.push(status),
        }
    }
    assert_eq!(admitted.len(), MAX_CALLERS, "{refused:?}");
    for status in refused {
        assert_eq!(vision_wire::reason_of(&status).as_deref(), Some("TOO_MANY_PEERS"), "{status}");
        assert!(status.message().contains(&MAX_CALLERS.to_string()), "{status}");
    }

    let before = net[0].height();
    net.wait_height(&[0, 1, 2], before + BLOCKS, 120);
    wait_until("every peer is sent the blocks", 30, || {
        admitted.iter().all(|number| crowd.height(*number) >= before + BLOCKS)
    });
    let later: Vec<_> =
        net[1].blocks(before + 1, before + BLOCKS).into_iter().filter(|block| block["slot"] != 0).collect();
    assert!(later.is_empty(), "slots were missed: {later:?}");
    let ends = crowd.ends.lock().expect("nobody panics with it");
    assert!(ends.is_empty(), "peers that were admitted are gone: {ends:?}");
    let peers = net[0].json("/api/peers");
    let peers = peers["peers"].as_array().expect("peers");
    assert_eq!(peers.len(), MAX_CALLERS + 2, "the crowd, and the two other nodes");
    drop(ends);
    net.wait_agree(&[0, 1, 2], before + BLOCKS, 60);
    runtime.shutdown_background();
}
