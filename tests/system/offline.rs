//! The owner of the next slot dies.

use serde_json::Value;

use crate::harness::{Net, Plan, schedule, wait_for, wait_until};

/// The slots of the next height, asked of a node.
fn next_schedule(net: &Net, node: usize) -> (u64, Vec<String>) {
    let answer = net[node].json("/api/mining/schedule");
    let owners = answer["slots"].as_array().expect("slots").iter();
    let owners = owners.map(|slot| slot["node_id"].as_str().expect("id").to_owned()).collect();
    (answer["height"].as_u64().expect("height"), owners)
}

#[test]
fn a_dead_winner_is_replaced_suspended_and_taken_back() {
    let mut net = Net::started(&Plan::fast(3).param("block_interval_ms", 400));
    let all = [0, 1, 2];
    net.wait_height(&all, 5, 60);
    wait_until("all three are eligible", 30, || net.nodes().iter().all(|node| node.eligible()));

    // The victim owns the next slot at the moment of its death.
    let (_, owners) = next_schedule(&net, 0);
    let victim_id = owners[0].clone();
    let victim = net.by_id(&victim_id);
    net[victim].kill();
    let alive: Vec<usize> = all.into_iter().filter(|node| *node != victim).collect();

    // Its last block may have been on its way already; of the first height without it the next
    // slot's owner makes the block.
    let watcher = alive[0];
    let at_death = net[watcher].height();
    let replaced = wait_for("a height whose primary is dead", 30, || {
        let head = net[watcher].height();
        (at_death..=head).find_map(|height| {
            let block = net[watcher].block(height)?;
            (block["slot"].as_u64()? > 0).then_some(block)
        })
    });
    let height = replaced["height"].as_u64().expect("height");
    let answer = net[watcher].json(&format!("/api/mining/schedule?height={height}"));
    let owner = |slot: usize| answer["slots"][slot]["node_id"].clone();
    assert_eq!(owner(0), Value::from(victim_id.as_str()), "the primary was the dead node");
    assert_eq!(replaced["slot"], 1);
    assert_eq!(replaced["producer"], owner(1));

    // Three misses, and it owns no slot any more.
    let suspended = wait_for("the dead node is suspended", 60, || {
        let entry = net[watcher].producer(&victim_id)?;
        let status = entry["status"].as_str()?.to_lowercase();
        (status.contains("suspended") && !net[watcher].is_active(&victim_id)).then_some(entry)
    });
    assert!(suspended["missed"].as_u64().expect("missed") >= 3, "{suspended}");
    let from = suspended["suspended_at"].as_u64().expect("height") + 1;
    net.wait_height(&alive, from + 10, 60);
    for block in net[watcher].blocks(from, from + 9) {
        assert_eq!(block["slot"], 0, "the interval is back to normal: {block}");
    }

    // Back again: it catches up, proves it, is active, produces.
    net[victim].start();
    net[victim].wait_ready();
    wait_until("it has caught up", 30, || net[victim].height() >= net[watcher].height());
    wait_until("it is active again", 60, || net[watcher].is_active(&victim_id));
    let since = net[watcher].height();
    let again = wait_for("it produces again", 60, || {
        let head = net[watcher].height();
        (since + 1..=head)
            .find(|height| net[watcher].block(height).is_some_and(|b| b["producer"] == victim_id.as_str()))
    });
    let agreed = net.wait_agree(&all, again, 30);
    schedule::check_blocks(&net[victim], 1, agreed);
}
