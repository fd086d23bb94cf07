//! A node freezes for a while. What it believed when it froze is over when it thaws.

use crate::failure::{Outcome, check};
use crate::fault::{Fault, Kind};
use crate::net::Net;
use crate::node::Service;
use crate::wait;

/// Blocks that the others make meanwhile.
const BLOCKS: u64 = 6;
/// Longest until a thawed node tells its claims, seconds.
const ANSWER_S: u64 = 60;

pub(super) async fn run(net: &Net) -> Outcome {
    let victim = &net.nodes[1];
    let others = net.others(victim);
    let fault = Fault::of_node(Kind::Pause, victim);
    let (frozen, _) = victim.head().await?;
    fault.inflict(net).await?;
    net.say(format!("{fault} at height {frozen} or a little above"));
    let goal = net.wait_blocks(&others, BLOCKS).await?;
    net.wait_agreed(&others, goal).await?;
    let (height, _) = others[0].head().await?;
    let before = others[0].blocks(frozen, height).await?;
    net.say(format!("the others went on to height {height}"));

    let thawed_ms = net.clock().now_ms();
    fault.heal(net).await?;
    net.wait_height(victim, height).await?;
    let claims =
        wait::until(format!("{} tells its claims", victim.name), ANSWER_S, async || victim.claims().await)
            .await?;
    net.wait_well().await?;

    // It follows the others, and has not tried to make a block that they had made already.
    for node in &net.nodes {
        let now = node.blocks(frozen, height).await?;
        let same = now.iter().map(|block| &block.hash).eq(before.iter().map(|block| &block.hash));
        check(
            same,
            format!("the blocks {frozen} to {height} to stay as they were, on {}", node.name),
            || format!("{now:?}"),
        )
        .map_err(|failure| failure.about([node.container(Service::Chain)]))?;
    }
    let stale: Vec<_> =
        claims.iter().filter(|claim| claim.claimed_at_ms >= thawed_ms && claim.height <= height).collect();
    check(
        stale.is_empty(),
        format!("no claim of {} for a height up to {height} after it thawed", victim.name),
        || format!("{stale:?}"),
    )
    .map_err(|failure| failure.about([victim.container(Service::Producer)]))?;
    let late = claims.iter().filter(|claim| claim.height > frozen && claim.height <= height).count();
    net.say(format!(
        "{} thawed: same chain, no stale claim ({late} from before it froze), eligible and active",
        victim.name
    ));
    Ok(())
}
