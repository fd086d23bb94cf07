//! What must hold of every node now and then, and of all of them at the end, when the faults have been over
//! for a while.

use std::collections::BTreeSet;

use vision_block_tree::MAX_OPEN_BLOCKS;
use vision_primitives::{Hash, Height};

use crate::checks::Checks;
use crate::net::OUTBOX_MESSAGES;
use crate::node::Node;
use crate::world::World;

/// Blocks by which heads may differ: one is on its way.
const MAX_APART: u64 = 3;
/// How old the highest head may be at the end, in block intervals and with all backups dead, milliseconds.
const MAX_IDLE_MS: u64 = 30_000;

/// Most inputs that may wait for a chain's loop.
const MAX_INBOX: usize = 1024;

/// Looks at a node that is up: sums and bounds.
pub(crate) fn look_at(checks: &mut Checks, now_us: u64, node: &Node) {
    let Some(running) = node.running.as_ref().filter(|_| node.who.honest) else { return };
    let (tree, pool) = (running.chain.importer.tree(), running.chain.importer.pool());
    let state = tree.head().state();
    let sum: u64 = state.accounts().map(|(_, account)| account.balance).sum();
    if sum != state.supply() {
        let what = format!("the accounts hold {sum}, the supply is {}", state.supply());
        checks.broken(now_us, node.who.index, "supply", what);
    }
    let backlog = running.peers.links.values().map(|link| link.backlog.len()).max().unwrap_or_default();
    let bounds = [
        ("open blocks", tree.open_blocks(), 2 * MAX_OPEN_BLOCKS),
        ("inputs that wait", running.chain.inbox.len(), MAX_INBOX),
        ("messages of a peer that wait", backlog, 4 * OUTBOX_MESSAGES),
        ("transactions that wait", pool.len(), 30_000),
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
        self.one_chain(now_us);
        self.nothing_lost(now_us);
    }

    /// Looks at sums and bounds of all nodes.
    pub(crate) fn look_at_all(&mut self, now_us: u64) {
        self.nodes.iter().for_each(|node| look_at(&mut self.shared.checks, now_us, node));
    }

    fn well(&self) -> impl Iterator<Item = &Node> {
        self.nodes.iter().filter(|node| node.who.honest && node.is_up())
    }

    /// All honest nodes are on one chain, at its end, and it grows.
    fn one_chain(&mut self, now_us: u64) {
        let heads: Vec<(usize, Height, u64)> = self
            .well()
            .filter_map(|node| {
                let view = &node.running.as_ref()?.chain.view;
                Some((node.who.index, view.height(), view.timestamp_ms().get()))
            })
            .collect();
        let Some((_, highest, stamp)) = heads.iter().copied().max_by_key(|(_, height, _)| *height) else {
            return;
        };
        for (node, height, _) in &heads {
            if highest.above(*height) > MAX_APART {
                let what = format!("its head is at {height}, the highest at {highest}");
                self.shared.checks.broken(now_us, *node, "one-head", what);
            }
        }
        let lowest = heads.iter().map(|(_, height, _)| *height).min().unwrap_or_default();
        let common = Height(lowest.get().saturating_sub(1));
        let hashes: BTreeSet<Option<Hash>> =
            self.well().map(|node| node.disk.chain.hash_at(common).copied()).collect();
        if hashes.len() > 1 && common > Height::GENESIS {
            let what = format!("{} different blocks at height {common}", hashes.len());
            self.shared.checks.broken(now_us, 0, "one-head", what);
        }
        let now_ms = self.nodes.first().map_or(0, |node| node.wall_ms(now_us));
        let params = self.shared.rules.params();
        let idle_ms = MAX_IDLE_MS + params.block_interval_ms + params.claim_timeout_ms * params.main_slots();
        if now_ms.saturating_sub(stamp) > idle_ms {
            let what = format!("the last block, {highest}, is {} ms old", now_ms - stamp);
            self.shared.checks.broken(now_us, 0, "liveness", what);
        }
    }

    /// Every transaction that was acknowledged is in a block, waits, or is named as dropped.
    fn nothing_lost(&mut self, now_us: u64) {
        let Some(reference) = self.well().max_by_key(|node| node.disk.chain.down().count()) else { return };
        let included: BTreeSet<Hash> = reference
            .disk
            .chain
            .down()
            .flat_map(|block| block.transactions())
            .map(vision_primitives::SignedTransaction::hash)
            .collect();
        let lost: Vec<(Hash, usize)> = self
            .shared
            .checks
            .acknowledged
            .iter()
            .filter(|(hash, node)| !included.contains(hash) && !self.knows(**node, hash))
            .map(|(hash, node)| (*hash, *node))
            .collect();
        for (hash, node) in lost {
            let what = format!("transaction {hash} was acknowledged and is nowhere");
            self.shared.checks.broken(now_us, node, "acknowledged", what);
        }
    }

    fn knows(&self, node: usize, transaction: &Hash) -> bool {
        let node = &self.nodes[node];
        let waits = node.running.as_ref().is_some_and(|up| up.chain.importer.pool().contains(transaction));
        let fate = node.running.as_ref().is_some_and(|up| up.chain.importer.fate_of(transaction).is_some());
        waits || fate || node.disk.chain.waits(transaction) || node.disk.chain.fate(transaction).is_some()
    }
}
