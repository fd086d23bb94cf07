//! What a listener of `GET /api/transactions/events` costs: memory of the process for each of 240 streams
//! while full blocks go by, and the time until all have heard of one. The listeners are in the same process,
//! and read at once.
#![allow(missing_docs, clippy::disallowed_methods, reason = "a benchmark measures with the machine's clock")]

#[path = "../tests/support/mod.rs"]
mod support;

use std::time::Instant;

use support::Node;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use vision_primitives::Hash;
use vision_wire::chain::transaction_info::Place;
use vision_wire::chain::{Included, TransactionInfo};

const STREAMS: usize = 240;
const BLOCKS: u64 = 40;
const TRANSACTIONS: u32 = 500;

fn block(height: u64) -> Vec<TransactionInfo> {
    let place = |index| Included {
        height,
        block_hash: Hash([7; 32]).to_string(),
        index,
        finalized: false,
        ..Included::default()
    };
    let info = |index| TransactionInfo {
        hash: Hash([9; 32]).to_string(),
        place: Some(Place::Included(place(index))),
        ..TransactionInfo::default()
    };
    (0..TRANSACTIONS).map(info).collect()
}

/// Memory of this process, bytes.
fn resident() -> f64 {
    let text = std::fs::read_to_string("/proc/self/statm").expect("Linux");
    let pages: f64 = text.split(' ').nth(1).and_then(|pages| pages.parse().ok()).expect("a number");
    pages * 4096.0
}

/// Reads a stream, and reports each time that an event has ended.
async fn listen(address: std::net::SocketAddr, heard: mpsc::Sender<()>) {
    let mut stream = TcpStream::connect(address).await.expect("connects");
    let request = b"GET /api/transactions/events HTTP/1.1\r\nhost: localhost\r\n\r\n";
    stream.write_all(request).await.expect("sent");
    let (mut piece, mut last) = ([0; 4096], [0; 2]);
    while let Ok(count @ 1..) = stream.read(&mut piece).await {
        for byte in &piece[..count] {
            // The end of an event with data is "}\n\n".
            if last == [b'}', b'\n'] && *byte == b'\n' {
                // At the end nobody counts any more.
                let _ = heard.send(()).await;
            }
            last = [last[1], *byte];
        }
    }
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let node = Node::start_with(|config| {
        config.max_streams_per_client = 240.try_into().expect("one at least");
    })
    .await;
    let before = resident();
    let (sender, mut heard) = mpsc::channel(STREAMS);
    for _ in 0..STREAMS {
        tokio::spawn(listen(node.gateway.address, sender.clone()));
    }
    // All listen when each has heard of something.
    let mut reported = 0;
    while reported < STREAMS {
        reported = 0;
        node.chain.pool.1.publish(block(0));
        let deadline = tokio::time::sleep(std::time::Duration::from_secs(5));
        tokio::pin!(deadline);
        while reported < STREAMS {
            tokio::select! {
                biased;
                Some(()) = heard.recv() => reported += 1,
                () = &mut deadline => break,
            }
        }
    }
    let (opened, begin, mut most) = (resident(), Instant::now(), 0.0_f64);
    for height in 1..=BLOCKS {
        node.chain.pool.1.publish(block(height));
        for _ in 0..STREAMS {
            heard.recv().await.expect("heard");
        }
        most = most.max(resident());
    }
    let each = |bytes: f64| bytes / STREAMS as f64 / 1024.0;
    println!(
        "{STREAMS} streams: {:.0} KiB each when the first block has been sent, {:.0} KiB each at most after \
         {BLOCKS} blocks of {TRANSACTIONS} transactions; a block reaches all within {:.1} ms",
        each(opened - before),
        each(most - before),
        begin.elapsed().as_secs_f64() * 1000.0 / BLOCKS as f64,
    );
}
