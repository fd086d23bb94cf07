//! The owner of the next slot is killed: a backup takes over, the dead one is suspended, and taken back when
//! it returns.

use crate::block::Record;
use crate::failure::{Failure, Outcome, check};
use crate::fault::{Fault, Kind};
use crate::net::Net;
use crate::node::Service;
use crate::wait;

/// Longest until a dead node has missed its slots, seconds.
const SUSPENDED_S: u64 = 300;
/// Slots missed before a producer is suspended: the default of the genesis.
const MAX_MISSED: u32 = 3;

pub(super) async fn run(net: &Net) -> Outcome {
    let next = net.nodes[0].next_schedule().await?;
    let victim = net.by_id(next.owner(0))?;
    let others = net.others(victim);
    let witness = others[0];
    let fault = Fault::of_node(Kind::Kill, victim);
    fault.inflict(net).await?;
    let (at_death, _) = witness.head().await?;
    net.say(format!("{fault}, owner of slot 0 of height {}, at height {at_death}", next.height));

    // Its last block may have been on its way already: the first height that it misses comes after it.
    let block = net.wait_missed(witness, &victim.id, at_death.saturating_sub(1)).await?;
    let schedule = witness.schedule_of(&block).await?;
    if let Some(objection) = schedule.objection(&block) {
        return Err(Failure::new(format!("block {} by the owner of its slot", block.height), objection));
    }
    let backup = &net.by_id(&block.producer)?.name;
    net.say(format!("height {}: {backup} took over in slot {}", block.height, block.slot));

    let record = wait::until(format!("{} suspended", victim.name), SUSPENDED_S, async || {
        let pools = witness.producers().await?;
        let record = pools.record(&victim.id).cloned();
        let record: Record = record.ok_or_else(|| Failure::seen("no record of it"))?;
        check(record.status == "suspended" && !pools.is_active(&victim.id), "", || format!("{record:?}"))?;
        Ok(record)
    })
    .await?;
    check(record.missed >= MAX_MISSED, format!("{MAX_MISSED} missed slots"), || format!("{record:?}"))?;
    net.say(format!(
        "{} suspended at height {} with {} missed slots",
        victim.name, record.suspended_at, record.missed
    ));
    let calm = net.wait_calm(witness, record.suspended_at, 5, 2).await?;
    net.wait_agreed(&others, calm.last().map_or(0, |block| block.height)).await?;
    net.say("the other two go on in slot 0");

    fault.heal(net).await?;
    net.wait_well().await.map_err(|failure| failure.about([victim.container(Service::Producer)]))?;
    let (since, _) = witness.head().await?;
    let again = net.wait_produces(witness, &victim.id, since).await?;
    net.say(format!("{} started: active again, produced block {}", victim.name, again.height));
    Ok(())
}
