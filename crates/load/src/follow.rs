//! Following the chain, block by block, also where it leaves one branch for another.

use std::time::Duration;

use serde::Deserialize;
use tokio::sync::mpsc;
use vision_host::Clock;
use vision_primitives::Hash;

use vision_terminal::exit::{Exit, Failure};
use vision_terminal::rest::{Gateway, Refusal};

/// How often the next block is asked for.
const POLL: Duration = Duration::from_millis(25);
/// Pause before another node is asked.
const FAILURE_PAUSE: Duration = Duration::from_millis(500);
/// Blocks whose hashes are remembered.
const REMEMBERED: usize = 64;

/// What happened to the chain.
#[derive(PartialEq, Eq, Debug)]
pub(crate) enum Seen {
    /// A block more.
    Block {
        /// Its height.
        height: u64,
        /// Of its transactions.
        hashes: Vec<Hash>,
        /// When it was seen first.
        at_ms: u64,
    },
    /// The last block is left for another of its height.
    Left {
        /// Its height.
        height: u64,
    },
}

/// Of `GET /api/chain/blocks/{height}`.
#[derive(Deserialize)]
struct Block {
    height: u64,
    hash: Hash,
    parent: Hash,
    transactions: Vec<Transaction>,
}

#[derive(Deserialize)]
struct Transaction {
    hash: Hash,
}

/// The last blocks seen.
struct Trail {
    next: u64,
    hashes: Vec<Hash>,
}

impl Trail {
    /// What a block at the next height means.
    fn take(&mut self, block: Block, at_ms: u64) -> Seen {
        if self.hashes.last().is_some_and(|last| *last != block.parent) {
            self.hashes.pop();
            self.next -= 1;
            return Seen::Left { height: self.next };
        }
        self.hashes.push(block.hash);
        if self.hashes.len() > REMEMBERED {
            self.hashes.remove(0);
        }
        self.next += 1;
        let hashes = block.transactions.into_iter().map(|transaction| transaction.hash).collect();
        Seen::Block { height: block.height, hashes, at_ms }
    }
}

/// Sends every block from a height on, until nobody listens. Where a node fails, the next one is asked.
pub(crate) async fn run(gateways: Vec<Gateway>, from: u64, clock: Clock, seen: mpsc::Sender<Seen>) {
    let mut trail = Trail { next: from, hashes: Vec::new() };
    let mut asked = 0;
    loop {
        let path = format!("/api/chain/blocks/{}", trail.next);
        let answer: Result<Block, Refusal> = gateways[asked].ask(&path).await;
        match answer.map_err(Failure::from) {
            Ok(block) => {
                let event = trail.take(block, clock.monotonic_ms());
                if seen.send(event).await.is_err() {
                    return;
                }
            }
            Err(failure) if failure.exit() == Exit::NotFound => tokio::time::sleep(POLL).await,
            Err(_) => {
                asked = (asked + 1) % gateways.len();
                tokio::time::sleep(FAILURE_PAUSE).await;
            }
        }
        if seen.is_closed() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trail_goes_back_to_where_the_branches_part() {
        let block = |height: u64, hash: u8, parent: u8| Block {
            height,
            hash: Hash([hash; 32]),
            parent: Hash([parent; 32]),
            transactions: vec![Transaction { hash: Hash([hash + 100; 32]) }],
        };
        let seen = |height, hash: u8| Seen::Block { height, hashes: vec![Hash([hash + 100; 32])], at_ms: 0 };
        let mut trail = Trail { next: 5, hashes: vec![] };
        // Heights asked for, the answers, and what they mean.
        let steps = [
            (5, block(5, 5, 4), seen(5, 5)),
            (6, block(6, 6, 5), seen(6, 6)),
            (7, block(7, 7, 6), seen(7, 7)),
            (8, block(8, 28, 27), Seen::Left { height: 7 }),
            (7, block(7, 27, 26), Seen::Left { height: 6 }),
            (6, block(6, 26, 5), seen(6, 26)),
            (7, block(7, 27, 26), seen(7, 27)),
            (8, block(8, 28, 27), seen(8, 28)),
        ];
        for (asked, answer, expect) in steps {
            assert_eq!(trail.next, asked);
            assert_eq!(trail.take(answer, 0), expect);
        }
    }
}
