//! A node freezes for a while. What it took for true when it froze is over when it thaws.

use vision_wire::producer::Claim;

use crate::failure::{Outcome, check};
use crate::fault::{Fault, Kind};
use crate::net::Net;
use crate::node::Service;
use crate::wait;

/// Longest until a thawed node reports its claims, seconds.
const ANSWER_S: u64 = 60;

/// The others make so many blocks meanwhile.
pub(super) async fn run(net: &Net, blocks: u64) -> Outcome {
    let victim = &net.nodes[1];
    let others = net.others(victim);
    let fault = Fault::of_node(Kind::Pause, victim);
    let (frozen, _) = victim.head().await?;
    fault.inflict(net).await?;
    net.say(format!("{fault} at height {frozen} or a little above"));
    let goal = net.wait_blocks(&others, blocks).await?;
    net.wait_agreed(&others, goal).await?;
    let (height, _) = others[0].head().await?;
    let before = others[0].blocks(frozen, height).await?;
    net.say(format!("the others went on to height {height}"));

    let thawed_ms = net.clock().now_ms();
    fault.heal(net).await?;
    net.wait_height(victim, height).await?;
    net.wait_well().await?;
    let claims =
        wait::until(format!("{} reports its claims", victim.name), ANSWER_S, async || victim.claims().await)
            .await?;

    // It follows the others, and has made no block of a height that they had made already.
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
    let stale = stale_claims(&claims, thawed_ms, height);
    check(
        stale.is_empty(),
        format!("nothing signed by {} for a height up to {height} after it thawed", victim.name),
        || format!("{stale:?}"),
    )
    .map_err(|failure| failure.about(victim.containers()))?;
    net.say(format!("{} thawed: same chain, nothing stale signed, eligible and active", victim.name));
    Ok(())
}

/// Claims made after an instant for heights that were taken, whether or not the node's chain has stored the
/// block.
fn stale_claims(claims: &[Claim], since_ms: u64, taken: u64) -> Vec<&Claim> {
    claims.iter().filter(|claim| claim.claimed_at_ms >= since_ms && claim.height <= taken).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_late_claims_for_taken_heights_are_stale() {
        let claim = |height, claimed_at_ms, done| Claim { height, claimed_at_ms, done, ..Claim::default() };
        let cases = [
            ("before the freeze", claim(5, 99, true), false),
            ("above what was taken", claim(9, 100, true), false),
            ("stored", claim(8, 100, true), true),
            ("refused", claim(8, 101, false), true),
        ];
        for (desc, claim, expect) in cases {
            let claims = [claim];
            assert_eq!(!stale_claims(&claims, 100, 8).is_empty(), expect, "{desc}");
        }
    }
}
