//! Nothing wrong: ten blocks in slot 0, by their owners and in their windows, the same on all nodes.

use crate::block::producers_of;
use crate::failure::{Outcome, check};
use crate::net::Net;

/// Blocks of the run.
const BLOCKS: usize = 10;

pub(super) async fn run(net: &Net) -> Outcome {
    let witness = &net.nodes[0];
    let (start, _) = witness.head().await?;
    let run = net.wait_calm(witness, start, BLOCKS, 3).await?;
    let (first, last) = (run.first().map_or(0, |b| b.height), run.last().map_or(0, |b| b.height));
    net.say(format!("blocks {first} to {last}: all in slot 0, by {} producers", producers_of(&run).len()));
    net.wait_agreed(&net.all(), last).await?;
    for node in &net.nodes {
        let own = node.blocks(first, last).await?;
        let same = own.len() == run.len() && own.iter().zip(&run).all(|(a, b)| a.hash == b.hash);
        check(same, format!("the blocks {first} to {last} of {} on {}", witness.name, node.name), || {
            format!("{:?}", own.iter().map(|block| &block.hash).collect::<Vec<_>>())
        })?;
        net.check_schedule(node, &own).await?;
    }
    net.say(
        "each node has the same hashes, deals slot 0 to their producers, and finds their stamps in the \
    windows",
    );
    Ok(())
}
