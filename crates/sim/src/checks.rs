//! What must hold at every step, whatever the faults, among honest nodes.

use std::collections::{BTreeMap, BTreeSet};

use vision_block_tree::{BlockTree, Entry};
use vision_importer::Batch;
use vision_primitives::{Hash, Height, NodeId};

use crate::who::Who;

/// Violations that are kept; the first one is what matters.
const MAX_VIOLATIONS: usize = 16;
/// What was signed is remembered for so many blocks below the highest final one.
const SIGNED_BLOCKS: u64 = 20_000;

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

/// A transaction that a node has acknowledged.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Acknowledged {
    pub node: usize,
    pub at_us: u64,
}

/// What has been seen so far.
#[derive(Default)]
pub(crate) struct Checks {
    pub violations: Vec<Violation>,
    /// Keys of honest nodes.
    honest: BTreeSet<NodeId>,
    /// The first block that any honest node made final at a height.
    finals: BTreeMap<Height, Hash>,
    /// Height of the last final block on each node's disk.
    last_final: BTreeMap<usize, Height>,
    /// What each honest key has signed for a parent, and whether an honest node has stored it.
    signed: BTreeMap<(Height, NodeId, Hash), (Hash, bool)>,
    /// Transactions that an honest node has acknowledged and that are in no final block yet.
    pub acknowledged: BTreeMap<Hash, Acknowledged>,
    /// Keys whose signer's file was replaced by an older copy, and whether the chain's store was too.
    forgetful: BTreeMap<NodeId, bool>,
    pub signed_twice: u64,
    /// The highest head, and when it was reached.
    highest: (Height, u64),
    pub longest_pause_us: u64,
    genesis_supply: u64,
    reward: u64,
}

impl Checks {
    pub(crate) fn new(honest: BTreeSet<NodeId>, genesis_supply: u64, reward: u64) -> Self {
        Self { honest, genesis_supply, reward, ..Self::default() }
    }

    /// Whether a key is that of an honest node.
    pub(crate) fn is_honest(&self, key: &NodeId) -> bool {
        self.honest.contains(key)
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
        for new in &batch.blocks {
            let (header, hash) = (new.block.header(), new.block.hash());
            self.signed(now_us, who.index, header.producer, (header.height, header.parent), hash, true);
        }
        let last = self.last_final(who.index);
        if let Some((height, _)) = batch.chain.iter().find(|(height, _)| *height <= last) {
            let what = format!("height {height} changes below the final height {last}");
            self.broken(now_us, who.index, "final-undone", what);
        }
        for (height, hash) in &batch.finalized {
            self.is_final(now_us, who.index, *height, *hash);
            self.last_final.insert(who.index, *height);
        }
        if let Some((highest, _)) = self.finals.last_key_value() {
            let lowest = Height(highest.get().saturating_sub(SIGNED_BLOCKS));
            self.signed = self.signed.split_off(&(lowest, NodeId::ZERO, Hash::ZERO));
        }
    }

    /// Height of the last block that a node has made final on its disk.
    pub(crate) fn last_final(&self, node: usize) -> Height {
        self.last_final.get(&node).copied().unwrap_or(Height::GENESIS)
    }

    /// The blocks that are final anywhere, up to a height.
    pub(crate) fn finals_up_to(&self, last: Height) -> impl Iterator<Item = (Height, Hash)> {
        self.finals.range(..=last).map(|(height, hash)| (*height, *hash))
    }

    fn is_final(&mut self, now_us: u64, node: usize, height: Height, hash: Hash) {
        let first = *self.finals.entry(height).or_insert(hash);
        if first != hash {
            let what = format!("height {height}: {hash} is final here, {first} was elsewhere");
            self.broken(now_us, node, "finality", what);
        }
    }

    /// A node has started from its disk: what was final still is, and the states are what the headers say.
    pub(crate) fn started(&mut self, now_us: u64, who: &Who, tree: &BlockTree) {
        if !who.honest {
            return;
        }
        let (entry, last) = (tree.final_entry(), self.last_final(who.index));
        if entry.height() < last {
            let what = format!("it starts with the final height {}, and had {last}", entry.height());
            self.broken(now_us, who.index, "final-undone", what);
        }
        if entry.height() > Height::GENESIS {
            self.is_final(now_us, who.index, entry.height(), entry.hash());
        }
        self.sound(now_us, who, entry);
        self.sound(now_us, who, tree.head());
    }

    /// A node's store was replaced by an older copy.
    pub(crate) fn rolled_back(&mut self, node: usize, to: Height, copied_us: u64) {
        self.last_final.insert(node, to);
        // What was acknowledged since the copy was made may be gone with it.
        self.acknowledged.retain(|_, known| known.node != node || known.at_us < copied_us);
    }

    /// A node's signer's file was replaced by an older copy or lost; perhaps the chain's store too.
    pub(crate) fn signer_rolled_back(&mut self, key: NodeId, chain_too: bool) {
        let before = self.forgetful.entry(key).or_insert(chain_too);
        *before |= chain_too;
        // Of a block that no honest node has stored nobody has heard.
        self.signed.retain(|(_, of, _), (_, stored)| *of != key || *stored);
    }

    /// A signer refuses to go on.
    pub(crate) fn refused(&mut self, now_us: u64, who: &Who) {
        if who.honest && !self.forgetful.contains_key(&who.id) {
            let what = "its signer refuses to go on, and its file was never replaced".to_owned();
            self.broken(now_us, who.index, "refused", what);
        }
    }

    /// The highest head there was.
    pub(crate) const fn highest(&self) -> Height {
        self.highest.0
    }

    /// An entry's state is what its header says, and holds what was paid out so far.
    pub(crate) fn sound(&mut self, now_us: u64, who: &Who, entry: &Entry) {
        let Some(header) = entry.header().filter(|_| who.honest) else { return };
        if entry.height() > self.highest.0 {
            self.longest_pause_us = self.longest_pause_us.max(now_us - self.highest.1);
            self.highest = (entry.height(), now_us);
        }
        let root = entry.state().root();
        if root != header.state_root {
            let what = format!("block {}: state {root}, its header says {}", entry.hash(), header.state_root);
            self.broken(now_us, who.index, "state-root", what);
        }
        let paid = self.reward.saturating_mul(entry.height().get());
        let (supply, expected) = (entry.state().supply(), self.genesis_supply.saturating_add(paid));
        if supply != expected {
            let what = format!("supply {supply} at height {}, not {expected}", entry.height());
            self.broken(now_us, who.index, "supply", what);
        }
    }

    /// A block signed by a key is seen: where the key signs, or where the block is stored.
    pub(crate) fn signed(
        &mut self,
        now_us: u64,
        node: usize,
        key: NodeId,
        (height, parent): (Height, Hash),
        block: Hash,
        stored: bool,
    ) {
        if !self.is_honest(&key) {
            return;
        }
        let known = self.signed.entry((height, key, parent)).or_insert((block, false));
        known.1 |= stored && known.0 == block;
        let before = known.0;
        if before != block {
            if self.forgetful.get(&key) == Some(&true) {
                self.signed_twice += 1;
                return;
            }
            let what = format!("{} signed {block} on {parent}, and {before} before", key.short());
            self.broken(now_us, node, "double-sign", what);
        }
    }
}
