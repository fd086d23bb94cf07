//! The network: nodes of five containers each, and when all is well with it.

use std::sync::Arc;

use vision_host::Clock;

use crate::block::{Block, calm_run, producers_of};
use crate::docker::Docker;
use crate::failure::{Failure, Outcome, check};
use crate::node::{Node, Service};
use crate::{say, wait};

/// Longest that a sound network takes to become whole again, seconds, suspensions aside.
const WELL_S: u64 = 180;
/// Longest that a block may take on average while waiting for a height, seconds: the slots of several dead
/// producers, on a busy machine.
const BLOCK_S: u64 = 10;
/// Most heights that the nodes' heads may be apart.
const MAX_APART: u64 = 2;

/// The network.
pub(crate) struct Net {
    /// Its containers.
    pub docker: Arc<Docker>,
    /// Its nodes.
    pub nodes: Vec<Node>,
    /// Seed of every random choice.
    pub seed: u64,
    clock: Clock,
}

impl Net {
    /// A network that may not be up yet.
    pub(crate) fn new(docker: Arc<Docker>, nodes: u16, seed: u64) -> Self {
        Self { docker, nodes: Node::first(nodes), seed, clock: Clock::system(0) }
    }

    /// A line about what was seen.
    pub(crate) fn say(&self, text: impl AsRef<str>) {
        say::line(format!("{:>6} s    {}", self.clock.monotonic_ms() / 1000, text.as_ref()));
    }

    /// The clock of this machine, which is that of all containers.
    pub(crate) const fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Compose names of all services of all nodes.
    pub(crate) fn all_containers(&self) -> Vec<String> {
        self.nodes.iter().flat_map(Node::containers).collect()
    }

    /// All nodes.
    pub(crate) fn all(&self) -> Vec<&Node> {
        self.nodes.iter().collect()
    }

    /// The other nodes.
    pub(crate) fn others(&self, node: &Node) -> Vec<&Node> {
        self.nodes.iter().filter(|other| other.name != node.name).collect()
    }

    /// The node of an id.
    pub(crate) fn by_id(&self, id: &str) -> Outcome<&Node> {
        let found = self.nodes.iter().find(|node| node.id == id);
        found.ok_or_else(|| Failure::new("an id of one of the nodes", id))
    }

    /// Learns the nodes' ids.
    pub(crate) async fn meet(&mut self) -> Outcome {
        for node in &mut self.nodes {
            let known = node.clone();
            let what = format!("{} reports its status", node.name);
            node.id = wait::until(what, WELL_S, async || Ok(known.status().await?.node_id)).await?;
        }
        Ok(())
    }

    /// Waits until nothing is wrong any more: all containers healthy, the nodes ready, eligible and active,
    /// and agreed on a recent block, whose height is given. Who is suspended has to wait for as many blocks
    /// as the chain demands.
    pub(crate) async fn wait_well(&self) -> Outcome<u64> {
        let mut deadline_ms = self.clock.monotonic_ms() + WELL_S * 1000;
        let mut returns_at = 0;
        loop {
            let ill = match self.look_well().await {
                Ok(height) => return Ok(height),
                Err(ill) => ill,
            };
            if let Some((height, may_return_at)) = self.longest_suspension().await
                && may_return_at > returns_at
            {
                returns_at = may_return_at;
                let blocks = may_return_at.saturating_sub(height);
                deadline_ms = deadline_ms.max(self.clock.monotonic_ms() + (WELL_S + blocks * BLOCK_S) * 1000);
            }
            if self.clock.monotonic_ms() > deadline_ms {
                return Err(
                    ill.expected("all containers healthy, all nodes ready, agreed, eligible and active")
                );
            }
            tokio::time::sleep(wait::LOOK_EVERY).await;
        }
    }

    /// Height now, and the first height at which nobody suspended has to wait any more.
    async fn longest_suspension(&self) -> Option<(u64, u64)> {
        for node in &self.nodes {
            if let Ok(pools) = node.producers().await {
                let suspended = pools.registered.iter().filter(|record| record.status == "suspended");
                return Some((pools.height, suspended.map(|record| record.may_return_at).max()?));
            }
        }
        None
    }

    async fn look_well(&self) -> Outcome<u64> {
        self.look_healthy().await?;
        for node in &self.nodes {
            let missing = node.missing().await?;
            check(missing.is_empty(), "ready", || format!("{}: /readyz names {missing:?}", node.name))
                .map_err(|failure| {
                    failure.about(missing.iter().map(|name| format!("{}-{name}", node.name)))
                })?;
            self.look_takes_part(node).await?;
        }
        self.look_agreed(&self.all()).await
    }

    /// Fails unless all containers are healthy.
    pub(crate) async fn look_healthy(&self) -> Outcome {
        let containers = self.docker.containers().await?;
        let mut ill = Vec::new();
        for name in self.all_containers() {
            match containers.get(&name) {
                Some(container) if container.is_healthy() => {}
                Some(container) => ill.push((format!("{name} is {}", container.condition()), name)),
                None => ill.push((format!("no container {name}"), name)),
            }
        }
        let (texts, names): (Vec<_>, Vec<_>) = ill.into_iter().unzip();
        check(names.is_empty(), "all containers healthy", || texts.join(", "))
            .map_err(|failure| failure.about(names))
    }

    /// Fails unless a node is eligible and active, by its own account.
    async fn look_takes_part(&self, node: &Node) -> Outcome {
        let (status, pools) = (node.status().await?, node.producers().await?);
        let because = status.not_eligible_because.unwrap_or_default();
        let state = status.sync_state.unwrap_or_default();
        check(status.eligible && state == "AtTip", "eligible", || {
            format!("{} is {state}, eligible {}: {because}", node.name, status.eligible)
        })
        .map_err(|failure| failure.about([node.container(Service::SyncOracle)]))?;
        check(pools.is_active(&node.id), "active", || match pools.record(&node.id) {
            Some(record) => format!(
                "{} is {} at height {} (suspended at {}, may return at {})",
                node.name, record.status, pools.height, record.suspended_at, record.may_return_at
            ),
            None => format!("{} is not registered", node.name),
        })
        .map_err(|failure| failure.about([node.container(Service::Producer)]))
    }

    /// The highest height at which some nodes have the same block, if it is recent for all.
    pub(crate) async fn look_agreed(&self, nodes: &[&Node]) -> Outcome<u64> {
        let mut heights = Vec::new();
        for node in nodes {
            heights.push(node.status().await?.height);
        }
        let common = heights.iter().copied().min().unwrap_or(0);
        let apart = heights.iter().copied().max().unwrap_or(0) - common;
        let about = nodes.iter().map(|node| node.container(Service::Chain));
        let mut hashes = Vec::new();
        for node in nodes {
            hashes.push(node.block(common).await?.hash);
        }
        let agreed = common > 0 && apart <= MAX_APART && hashes.iter().all(|hash| *hash == hashes[0]);
        check(agreed, "agreed", || format!("heads at {heights:?}, blocks of height {common}: {hashes:?}"))
            .map_err(|failure| failure.about(about))?;
        Ok(common)
    }

    /// Waits until some nodes agree on a block at this height or above.
    pub(crate) async fn wait_agreed(&self, nodes: &[&Node], from: u64) -> Outcome<u64> {
        wait::until(format!("agreement at height {from} or above"), WELL_S, async || {
            let height = self.look_agreed(nodes).await?;
            check(height >= from, "", || format!("agreed at {height}"))?;
            Ok(height)
        })
        .await
    }

    /// Waits until each of some nodes has `more` blocks more than the highest of them has now; gives that
    /// height.
    pub(crate) async fn wait_blocks(&self, nodes: &[&Node], more: u64) -> Outcome<u64> {
        let mut goal = 0;
        for node in nodes {
            let what = format!("{} reports its head", node.name);
            let (height, _) = wait::until(what, WELL_S, async || node.head().await).await?;
            goal = goal.max(height + more);
        }
        for node in nodes {
            self.wait_height(node, goal).await?;
        }
        Ok(goal)
    }

    /// Waits until a node's chain service has reached a height.
    pub(crate) async fn wait_height(&self, node: &Node, goal: u64) -> Outcome {
        let mut start = None;
        let what = format!("{} at height {goal}", node.name);
        let blocks = goal.saturating_sub(node.head().await.map_or(0, |(height, _)| height)).min(60);
        wait::until(what, WELL_S + blocks * BLOCK_S, async || {
            let (height, _) = node.head().await?;
            let first = *start.get_or_insert(height);
            let about = [node.container(Service::Chain), node.container(Service::Producer)];
            check(height >= goal, "", || format!("from {first} to {height} only"))
                .map_err(|failure| failure.about(about))
        })
        .await
    }

    /// Waits for a run of blocks in slot 0 that are all above a height, seen by one node.
    pub(crate) async fn wait_calm(
        &self,
        node: &Node,
        above: u64,
        blocks: usize,
        producers: usize,
    ) -> Outcome<Vec<Block>> {
        let what =
            format!("{blocks} blocks in a row in slot 0 above height {above}, by {producers} producers");
        let patience_s = WELL_S + blocks as u64 * BLOCK_S;
        wait::until(what, patience_s, async || {
            let (head, _) = node.head().await?;
            let seen = node.blocks(above + 1, head).await?;
            let run = calm_run(&seen);
            let calm = run.len() >= blocks && producers_of(run).len() >= producers;
            let slots: Vec<u64> = seen.iter().map(|block| block.slot).collect();
            check(calm, "", || {
                format!("slots {slots:?}, {} producers in the last run", producers_of(run).len())
            })?;
            Ok(run.to_vec())
        })
        .await
    }

    /// Waits for a block of a producer above a height.
    pub(crate) async fn wait_produces(&self, witness: &Node, id: &str, above: u64) -> Outcome<Block> {
        let name = &self.by_id(id)?.name;
        wait::until(format!("a block of {name} above height {above}"), WELL_S, async || {
            let (head, _) = witness.head().await?;
            let blocks = witness.blocks(above + 1, head).await?;
            let found = blocks.into_iter().find(|block| block.producer == id);
            let about = format!("{name}-{}", Service::Producer.name());
            found.ok_or_else(|| Failure::seen(format!("none up to height {head}")).about([about]))
        })
        .await
    }

    /// Waits for a block above a height that should have been a producer's, as owner of slot 0, and was made
    /// by a backup.
    pub(crate) async fn wait_missed(&self, witness: &Node, id: &str, above: u64) -> Outcome<Block> {
        let mut next = above + 1;
        let name = &self.by_id(id)?.name;
        wait::until(format!("a slot that {name} misses above height {above}"), WELL_S, async || {
            let (head, _) = witness.head().await?;
            while next <= head {
                let block = witness.block(next).await?;
                let schedule = witness.schedule_of(&block).await?;
                if schedule.owner(0) == id && block.slot > 0 {
                    return Ok(block);
                }
                next += 1;
            }
            Err(Failure::seen(format!("none up to height {head}")))
        })
        .await
    }

    /// Fails unless blocks follow the schedule of their heights, as a node reports it.
    pub(crate) async fn check_schedule(&self, node: &Node, blocks: &[Block]) -> Outcome {
        for block in blocks.iter().filter(|block| block.height > 0) {
            let schedule = node.schedule_of(block).await?;
            if let Some(objection) = schedule.objection(block) {
                let expected =
                    format!("block {} as {} deals the slots of its height", block.height, node.name);
                return Err(Failure::new(expected, objection).about([node.container(Service::Chain)]));
            }
        }
        Ok(())
    }
}
