//! What must hold of every node now and then, and of all of them when the faults are over.

use std::collections::{BTreeMap, BTreeSet};

use vision_authoring::MAX_GUARDED_BLOCKS;
use vision_block_tree::MAX_OPEN_BLOCKS;
use vision_primitives::{Hash, Height, NodeId};

use crate::checks::Checks;
use crate::event::Event;
use crate::fairness::{self, Shares};
use crate::net::OUTBOX_MESSAGES;
use crate::node::Node;
use crate::world::World;

/// Blocks by which heads may differ: one is on its way.
const MAX_APART: u64 = 3;
/// How old the highest head may be at the end, in block intervals and with all backups dead, milliseconds.
const MAX_IDLE_MS: u64 = 30_000;
/// When the faults are over, all nodes must be on one chain and eligible within this time, microseconds.
pub(crate) const SETTLE_US: u64 = 120_000_000;
/// Between two looks whether they are, microseconds.
const LOOK_US: u64 = 1_000_000;
/// Connections of a node besides those that are admitted: calls and introductions under way.
const MAX_CALLS: usize = 128;

/// Looks at a node that is up: sums and bounds.
pub(crate) fn look_at(checks: &mut Checks, now_us: u64, node: &Node, connections: [usize; 2]) {
    let Some(running) = node.running.as_ref().filter(|_| node.who.honest) else { return };
    let (tree, pool) = (running.chain.importer.tree(), running.chain.importer.pool());
    let state = tree.head().state();
    let sum: u64 = state.accounts().map(|(_, account)| account.balance).sum();
    if sum != state.supply() {
        let what = format!("the accounts hold {sum}, the supply is {}", state.supply());
        checks.broken(now_us, node.who.index, "supply", what);
    }
    let last_final = checks.last_final(node.who.index);
    if tree.final_entry().height() < last_final {
        let what = format!("the final height is {}, and was {last_final}", tree.final_entry().height());
        checks.broken(now_us, node.who.index, "final-undone", what);
    }
    let backlog = running.peers.links.values().map(|link| link.backlog.len()).max().unwrap_or_default();
    let bounds = [
        ("open blocks", tree.open_blocks(), 2 * MAX_OPEN_BLOCKS),
        ("messages of a peer that wait", backlog, 4 * OUTBOX_MESSAGES),
        ("transactions that wait", pool.len(), 30_000),
        ("promises", node.disk.signer.promises(), MAX_GUARDED_BLOCKS + 1),
        ("connections", connections[0], connections[1] + MAX_CALLS),
    ];
    for (name, got, most) in bounds {
        if got > most {
            checks.broken(now_us, node.who.index, "bound", format!("{got} {name}, at most {most}"));
        }
    }
}

impl World {
    /// Looks at everything once more.
    pub(crate) fn finish(&mut self) {
        if !self.shared.checks.violations.is_empty() {
            return;
        }
        let now_us = self.shared.queue.now_us();
        self.look_at_all(now_us);
        if let Err((node, rule, what)) = self.together() {
            self.shared.checks.broken(now_us, node, rule, what);
        }
        self.grows(now_us);
        self.finals_are_on_every_disk(now_us);
        self.fair(now_us);
    }

    /// Looks at sums, bounds and acknowledged transactions of all nodes.
    pub(crate) fn look_at_all(&mut self, now_us: u64) {
        let (connections, most) = (self.shared.net.connections(), self.shared.scenario.max_peers);
        for node in &self.nodes {
            look_at(&mut self.shared.checks, now_us, node, [connections[node.who.index], most]);
        }
        self.nothing_lost(now_us);
    }

    fn honest(&self) -> impl Iterator<Item = &Node> {
        self.nodes.iter().filter(|node| node.who.honest)
    }

    /// Looks whether all are well again after the faults; they have to be after a while.
    pub(crate) fn settle(&mut self, since_us: u64) {
        let took_us = self.shared.queue.now_us() - since_us;
        match self.together().and_then(|()| self.eligible()) {
            Ok(()) => self.settled_us = Some(took_us),
            Err((node, rule, what)) if took_us >= SETTLE_US => {
                let what = format!("{} s after the faults: {what}", took_us / 1_000_000);
                self.shared.checks.broken(since_us + took_us, node, rule, what);
            }
            Err(_) => self.shared.queue.after(LOOK_US, Event::Settle { since_us }),
        }
    }

    /// All honest nodes are up and on one chain, at its end.
    fn together(&self) -> Result<(), (usize, &'static str, String)> {
        let mut heads: Vec<(usize, Height)> = Vec::new();
        for node in self.honest() {
            let Some(running) = &node.running else {
                return Err((node.who.index, "down", "it has not come up".into()));
            };
            heads.push((node.who.index, running.chain.view.height()));
        }
        let highest = heads.iter().map(|(_, height)| *height).max().unwrap_or_default();
        let Some((lowest_node, lowest)) = heads.into_iter().min_by_key(|(_, height)| *height) else {
            return Ok(());
        };
        if highest.above(lowest) > MAX_APART {
            let what = format!("its head is at {lowest}, the highest at {highest}");
            return Err((lowest_node, "one-head", what));
        }
        let common = Height(lowest.get().saturating_sub(1));
        let hashes: BTreeSet<Option<Hash>> =
            self.honest().map(|node| node.disk.chain.hash_at(common).copied()).collect();
        if hashes.len() > 1 && common > Height::GENESIS {
            let what = format!("{} different blocks at height {common}", hashes.len());
            return Err((lowest_node, "one-head", what));
        }
        Ok(())
    }

    /// All honest nodes see that they are in sync.
    fn eligible(&self) -> Result<(), (usize, &'static str, String)> {
        for node in self.honest() {
            let Some(running) = &node.running else { continue };
            let snapshot = running.oracle.machine.snapshot();
            if !snapshot.eligible {
                return Err((node.who.index, "eligible", format!("{snapshot:?}")));
            }
        }
        Ok(())
    }

    /// The chain grows.
    fn grows(&mut self, now_us: u64) {
        let heads = self.honest().filter_map(|node| {
            let view = &node.running.as_ref()?.chain.view;
            Some((view.height(), view.timestamp_ms().get(), node.wall_ms(now_us)))
        });
        let Some((highest, stamp, now_ms)) = heads.max_by_key(|(height, ..)| *height) else { return };
        let params = self.shared.rules.params();
        let idle_ms = MAX_IDLE_MS + params.block_interval_ms + params.claim_timeout_ms * params.main_slots();
        if now_ms.saturating_sub(stamp) > idle_ms {
            let what = format!("the last block, {highest}, is {} ms old", now_ms - stamp);
            self.shared.checks.broken(now_us, 0, "liveness", what);
        }
    }

    /// Every disk has, up to its last final block, the blocks that are final anywhere.
    fn finals_are_on_every_disk(&mut self, now_us: u64) {
        let mut wrong = Vec::new();
        for node in self.nodes.iter().filter(|node| node.who.honest) {
            let last = self.shared.checks.last_final(node.who.index);
            for (height, hash) in self.shared.checks.finals_up_to(last) {
                if node.disk.chain.hash_at(height) != Some(&hash) {
                    wrong.push((node.who.index, format!("height {height}: {hash} is final and not there")));
                    break;
                }
            }
        }
        for (node, what) in wrong {
            self.shared.checks.broken(now_us, node, "final-undone", what);
        }
    }

    /// Every transaction that was acknowledged is in a block, waits, or is named as dropped, on the node that
    /// has acknowledged it. One in a final block needs no further look.
    fn nothing_lost(&mut self, now_us: u64) {
        let mut lost = Vec::new();
        let mut included: BTreeMap<usize, BTreeSet<Hash>> = BTreeMap::new();
        for (hash, known) in &self.shared.checks.acknowledged {
            let node = &self.nodes[known.node];
            if !node.is_up() {
                continue;
            }
            let last = self.shared.checks.last_final(known.node);
            let blocks = || node.disk.chain.down().take_while(|block| block.header().height > last);
            let included = included.entry(known.node).or_insert_with(|| {
                let all = blocks().flat_map(|block| block.transactions());
                all.map(vision_primitives::SignedTransaction::hash).collect()
            });
            if !included.contains(hash) && !knows(node, hash) {
                lost.push((*hash, known.node));
            }
        }
        for (hash, node) in lost {
            let what = format!("transaction {hash} was acknowledged and is nowhere");
            self.shared.checks.broken(now_us, node, "acknowledged", what);
        }
    }

    /// In a run without faults every producer makes its share of the blocks.
    fn fair(&mut self, now_us: u64) {
        let scenario = &self.shared.scenario;
        if scenario.faults.every_s > 0 || !scenario.byzantine.is_empty() || scenario.standby_count() > 0 {
            return;
        }
        let producers = self.shared.first_tree.head().state().active().len() as u64;
        let mut made: BTreeMap<NodeId, u64> = BTreeMap::new();
        for block in self.nodes.iter().take(1).flat_map(|node| node.disk.chain.down()) {
            *made.entry(block.header().producer).or_default() += 1;
        }
        if let Shares::Unfair { chi_square, limit } = fairness::judge(made.values().copied(), producers) {
            let what = format!("chi-square {chi_square:.1}, at most {limit:.1}: {:?}", made.values());
            self.shared.checks.broken(now_us, 0, "fairness", what);
        }
    }
}

fn knows(node: &Node, transaction: &Hash) -> bool {
    let importer = node.running.as_ref().map(|running| &running.chain.importer);
    let here = importer.is_some_and(|importer| {
        importer.pool().contains(transaction) || importer.fate_of(transaction).is_some()
    });
    here || node.disk.chain.waits(transaction) || node.disk.chain.fate(transaction).is_some()
}
