//! A disk that is full for a while.

use std::fs;
use std::io::Write as _;

use crate::harness::{Net, Plan, schedule, stderr, vision, wait_until};

/// Room for the store of a few hundred blocks, claims and log; a new store alone takes 1 MiB.
const LIMIT_BYTES: u64 = 1_150_000;

#[test]
fn a_full_disk_is_reported_and_healed_and_nothing_is_lost() {
    let mut net = Net::started(&Plan::fast(1).param("block_interval_ms", 0).param("jitter_max_ms", 1));
    net.wait_height(&[0], 3, 30);
    // The log is on the same disk, and there the limit is reached at once.
    let mut log = fs::OpenOptions::new().append(true).open(net[0].home.join("node.log")).expect("log");
    log.write_all(&vec![b'\n'; usize::try_from(LIMIT_BYTES).expect("small")]).expect("space");
    // No file of the process may grow past this.
    net[0].limit_file_size(Some(LIMIT_BYTES));
    let address = format!("127.0.0.1:{}", net[0].grpc);
    wait_until("the chain service says that it cannot write", 120, || {
        let check = vision(&["healthcheck", "--addr", &address]);
        check.status.code() == Some(3) && stderr(&check).contains("File too large")
    });
    // It goes on showing what it has, and takes nothing it cannot keep.
    let reported = net[0].status().expect("it answers");
    let (height, hash) = (reported["height"].as_u64().expect("height"), reported["tip_hash"].clone());
    assert_eq!(net[0].block(height).expect("there")["hash"], hash);
    assert!(fs::metadata(net[0].home.join("data/chain.redb")).expect("store").len() <= LIMIT_BYTES);

    net[0].limit_file_size(None);
    wait_until("it serves again", 60, || vision(&["healthcheck", "--addr", &address]).status.success());
    let later = net.wait_blocks(&[0], 10, 60);
    assert_eq!(net[0].block(height).expect("kept")["hash"], hash);
    net[0].kill();
    net[0].start();
    net[0].wait_ready();
    assert!(net[0].height() >= later);
    assert_eq!(net[0].block(height).expect("kept")["hash"], hash);
    schedule::check_blocks(&net[0], height - 20, later);
    assert!(!net[0].log().contains("panic"), "no panic");
    net.stop_all();
}
