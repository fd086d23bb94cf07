//! Random faults of one node at a time, while a bystander watches. In the end there is one chain, nothing
//! agreed is lost, and blocks come as if nothing had been.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::Duration;

use futures::StreamExt as _;
use futures::future::{join, join_all};
use vision_wire::chain::WatchHeadRequest;
use vision_wire::chain::watch_head_response::Kind as Moved;
use vision_wire::watch::{WatchItem, resuming};

use crate::block::{Block, Page};
use crate::dice::Dice;
use crate::failure::{Failure, Outcome, check};
use crate::fault::{Fault, Kind};
use crate::net::Net;
use crate::node::{Node, Service};
use crate::observer::{Look, Observer};

/// Longest that a fault lasts, seconds.
const MAX_FAULT_S: u64 = 15;
/// Blocks that every node must take in after a fault is healed.
const HEALED_BLOCKS: u64 = 2;
/// Pause between two looks of the bystander at a node.
const LOOK_EVERY: Duration = Duration::from_millis(400);
/// Most blocks of one look.
const LOOK_BLOCKS: u64 = 500;
/// Blocks that must come in slot 0 in the end.
const CALM_BLOCKS: usize = 10;

pub(super) async fn run(net: &Net, seconds: u64) -> Outcome {
    net.say(format!("{seconds} s of random faults, --seed {}", net.seed));
    let (start, _) = net.nodes[0].head().await?;
    let observer = RefCell::new(Observer::default());
    let kinds = tokio::select! {
        kinds = Box::pin(break_and_heal(net, seconds)) => kinds?,
        _ = Box::pin(observe(net, &observer, start)) => return Err(Failure::new("a bystander to the end",
        "it went")),
    };
    let end = net.wait_well().await?;
    judge(net, &observer.into_inner(), start, end).await?;
    let counts: Vec<String> = kinds.iter().map(|(kind, count)| format!("{count} {}", kind.name())).collect();
    net.say(format!("faults: {} ({})", kinds.values().sum::<u32>(), counts.join(", ")));
    let witness = &net.nodes[0];
    let calm = net.wait_calm(witness, end, CALM_BLOCKS, 3).await?;
    net.say(format!("then {} blocks in a row in slot 0, by all three", calm.len()));
    Ok(())
}

/// Faults one after the other, each healed and forgotten before the next.
async fn break_and_heal(net: &Net, seconds: u64) -> Outcome<BTreeMap<Kind, u32>> {
    let mut dice = Dice::new(net.seed);
    let mut kinds = BTreeMap::new();
    let end_ms = net.clock().monotonic_ms() + seconds * 1000;
    while net.clock().monotonic_ms() < end_ms {
        let Some(fault) = Fault::random(&mut dice, &net.nodes) else { break };
        let lasts_s = 1 + dice.below(MAX_FAULT_S);
        fault.inflict(net).await?;
        tokio::time::sleep(Duration::from_secs(lasts_s)).await;
        fault.heal(net).await?;
        *kinds.entry(fault.kind).or_default() += 1;
        let services = fault.services.clone();
        // Blocks made after the healing must reach everybody: what is reported at once may be of before the
        // fault.
        let well = async || {
            net.wait_blocks(&net.all(), HEALED_BLOCKS).await?;
            net.wait_well().await
        };
        let height = well().await.map_err(|failure| failure.about(services))?;
        net.say(format!("{fault} for {lasts_s} s: healed at height {height}"));
    }
    Ok(kinds)
}

/// Looks at all three chains for ever.
async fn observe(net: &Net, observer: &RefCell<Observer>, start: u64) {
    let looks = net.nodes.iter().map(|node| look_on(node, observer, start));
    let watches = net.nodes.iter().map(|node| watch_reorgs(node, observer));
    join(join_all(looks), join_all(watches)).await;
}

async fn look_on(node: &Node, observer: &RefCell<Observer>, start: u64) {
    let mut deeper = None;
    loop {
        let known = observer.borrow().look_from(&node.name).unwrap_or(start);
        let from = deeper.take().unwrap_or(known);
        // A node that cannot be asked now is asked again.
        if let Ok(page) =
            node.ask::<Page>(&format!("/api/chain/blocks?from={from}&limit={LOOK_BLOCKS}")).await
        {
            match observer.borrow_mut().look(&node.name, &page.blocks) {
                Look::Taken => {}
                Look::DeeperFrom(lower) => deeper = Some(lower),
            }
        }
        if deeper.is_none() {
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }
}

async fn watch_reorgs(node: &Node, observer: &RefCell<Observer>) {
    let Ok(client) = node.chain() else { return };
    let chance = vision_host::Randomness::system().numbers();
    let mut watch = std::pin::pin!(resuming(Service::Chain.name(), &chance, move |cursor| {
        let mut client = client.clone();
        async move { client.watch_head(WatchHeadRequest { cursor }).await }
    }));
    while let Some(item) = watch.next().await {
        if let WatchItem::Event(event) = item
            && event.kind() == Moved::Reorganised
        {
            observer.borrow_mut().reported_reorg(event.reorg_depth);
        }
    }
}

async fn judge(net: &Net, observer: &Observer, start: u64, end: u64) -> Outcome {
    let mut chains: Vec<(String, Vec<Block>)> = Vec::new();
    for node in &net.nodes {
        chains.push((node.name.clone(), node.blocks(0, end).await?));
    }
    let faults = observer.faults(&chains);
    check(faults.is_empty(), "one chain on all three nodes, with everything that was agreed", || {
        faults.join("; ")
    })
    .map_err(|failure| failure.about(net.nodes.iter().map(|node| node.container(Service::Chain))))?;
    let lengths: Vec<usize> = chains.iter().map(|(_, blocks)| blocks.len()).collect();
    let whole = usize::try_from(end + 1).unwrap_or(usize::MAX);
    check(lengths.iter().all(|length| *length == whole), format!("{whole} blocks on each node"), || {
        format!("{lengths:?}")
    })?;
    let made: Vec<Block> = chains[0].1.iter().filter(|block| block.height > start).cloned().collect();
    net.check_schedule(&net.nodes[0], &made).await?;
    let mut slots: BTreeMap<u64, u32> = BTreeMap::new();
    for block in &made {
        *slots.entry(block.slot).or_default() += 1;
    }
    let slots: Vec<String> = slots.iter().map(|(slot, count)| format!("{slot}: {count}")).collect();
    net.say(format!("one chain of {end} blocks, {} made meanwhile, all by their slots' owners", made.len()));
    net.say(format!(
        "blocks by slot: {}; deepest reorganisation {}",
        slots.join(", "),
        observer.deepest_reorg()
    ));
    net.say(format!("{} blocks were agreed by two nodes meanwhile; none is lost", observer.agreed()));
    Ok(())
}
