//! What must hold at every step, whatever the faults, among honest nodes.

use std::collections::BTreeMap;

use vision_block_tree::Entry;
use vision_importer::Batch;
use vision_primitives::{Hash, Height, NodeId};

use crate::who::Who;

/// Violations that are kept; the first one is what matters.
const MAX_VIOLATIONS: usize = 16;
/// A rule that was broken.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize)]
pub struct Violation {
    /// When, milliseconds since the run began.
    pub at_ms: u64,
    /// By which node.
    pub node: usize,
    /// Which rule.
    pub rule: &'static str,
    /// What was seen.
    pub what: String,
}

/// What has been seen so far.
#[derive(Default)]
pub(crate) struct Checks {
    pub violations: Vec<Violation>,
    /// The first block that any honest node made final at a height.
    finals: BTreeMap<Height, Hash>,
    /// Height of the last final block on each node's disk.
    last_final: BTreeMap<usize, Height>,
    /// What each honest key has signed for a parent.
    signed: BTreeMap<(NodeId, Hash), Hash>,
    /// Transactions that a node has acknowledged.
    pub acknowledged: BTreeMap<Hash, usize>,
    genesis_supply: u64,
    reward: u64,
}

impl Checks {
    pub(crate) fn new(genesis_supply: u64, reward: u64) -> Self {
        Self { genesis_supply, reward, ..Self::default() }
    }

    /// Notes that a rule was broken.
    pub(crate) fn broken(&mut self, now_us: u64, node: usize, rule: &'static str, what: String) {
        if self.violations.len() < MAX_VIOLATIONS {
            self.violations.push(Violation { at_ms: now_us / 1000, node, rule, what });
        }
    }

    /// A batch is on a disk.
    pub(crate) fn durable(&mut self, now_us: u64, who: &Who, batch: &Batch) {
        if !who.honest {
            return;
        }
        let last = self.last_final.get(&who.index).copied().unwrap_or(Height::GENESIS);
        if let Some((height, _)) = batch.chain.iter().find(|(height, _)| *height <= last) {
            let what = format!("height {height} changes below the final height {last}");
            self.broken(now_us, who.index, "final-undone", what);
        }
        for (height, hash) in &batch.finalized {
            let first = *self.finals.entry(*height).or_insert(*hash);
            if first != *hash {
                let what = format!("height {height}: {hash} is final here, {first} was elsewhere");
                self.broken(now_us, who.index, "finality", what);
            }
            self.last_final.insert(who.index, *height);
        }
    }

    /// A node's store was replaced by an older copy.
    pub(crate) fn rolled_back(&mut self, node: usize, to: Height) {
        self.last_final.insert(node, to);
    }

    /// A node shows a head.
    pub(crate) fn head_moved(&mut self, now_us: u64, who: &Who, head: &Entry, _left: u64) {
        let Some(header) = head.header().filter(|_| who.honest) else { return };
        let root = head.state().root();
        if root != header.state_root {
            let what = format!("block {}: state {root}, its header says {}", head.hash(), header.state_root);
            self.broken(now_us, who.index, "state-root", what);
        }
        let most = self.genesis_supply.saturating_add(self.reward.saturating_mul(head.height().get()));
        if head.state().supply() > most {
            let what =
                format!("supply {} at height {}, at most {most}", head.state().supply(), head.height());
            self.broken(now_us, who.index, "supply", what);
        }
    }

    /// A key signs a block.
    pub(crate) fn signed(&mut self, now_us: u64, who: &Who, parent: Hash, block: Hash) {
        let before = *self.signed.entry((who.id, parent)).or_insert(block);
        if who.honest && before != block {
            let what = format!("it signs {block} on {parent}, for which it signed {before}");
            self.broken(now_us, who.index, "double-sign", what);
        }
    }
}
