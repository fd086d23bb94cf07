//! What a bystander who looks at three chains again and again may conclude: whether they part, whether
//! anything agreed is lost, and how deep they reorganise. Pure: looks go in, conclusions come out.

use std::collections::BTreeMap;

use crate::block::Block;

/// A block that at least this many nodes have …
const AGREED_NODES: usize = 2;
/// … with so many blocks above it counts as agreed.
const AGREED_DEPTH: u64 = 2;

/// A chain as last seen: hash by height.
type Seen = BTreeMap<u64, String>;

/// What was seen so far.
#[derive(Debug, Default)]
pub(crate) struct Observer {
    /// The last look at each node, by its name.
    chains: BTreeMap<String, Seen>,
    /// Every block that was agreed at some moment.
    agreed: BTreeMap<u64, String>,
    /// What must not happen and did.
    faults: Vec<String>,
    deepest: u64,
}

/// What a look at a part of a chain led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Look {
    /// It fits what is known.
    Taken,
    /// It begins above the last common block: look again from this height on.
    DeeperFrom(u64),
}

impl Observer {
    /// Takes in the top of a node's chain: blocks ascending without gaps, the last of them the head.
    pub(crate) fn look(&mut self, node: &str, top: &[Block]) -> Look {
        let Some(first) = top.first() else { return Look::Taken };
        let chain = self.chains.entry(node.to_owned()).or_default();
        let below = first.height.checked_sub(1);
        if let Some(below) = below
            && !chain.is_empty()
            && chain.get(&below) != Some(&first.parent)
        {
            // A gap, or another branch than the one known.
            let highest = chain.last_key_value().map_or(0, |(height, _)| *height);
            return Look::DeeperFrom(first.height.saturating_sub(8).min(highest));
        }
        let left = |(height, hash): &(&u64, &String)| {
            let now = top.iter().find(|block| block.height == **height);
            now.is_none_or(|block| block.hash != **hash)
        };
        let depth = chain.range(first.height..).filter(left).count();
        self.deepest = self.deepest.max(u64::try_from(depth).unwrap_or(u64::MAX));
        chain.split_off(&first.height);
        chain.extend(top.iter().map(|block| (block.height, block.hash.clone())));
        self.conclude();
        Look::Taken
    }

    /// From which height on to look at a node, so that what is seen joins what is known.
    pub(crate) fn look_from(&self, node: &str) -> Option<u64> {
        let chain = self.chains.get(node)?;
        chain.last_key_value().map(|(height, _)| height.saturating_sub(4))
    }

    /// Depth of a reorganisation that a node itself reported.
    pub(crate) fn reported_reorg(&mut self, depth: u64) {
        self.deepest = self.deepest.max(depth);
    }

    fn conclude(&mut self) {
        let top = |chain: &Seen| chain.last_key_value().map_or(0, |(height, _)| *height);
        let mut tops: Vec<u64> = self.chains.values().map(top).collect();
        tops.sort_unstable();
        // The second highest of the heads bounds what two nodes can agree on.
        let Some(bound) = tops.len().checked_sub(AGREED_NODES).and_then(|at| tops.get(at).copied()) else {
            return;
        };
        let from = self.agreed.last_key_value().map_or(0, |(height, _)| height.saturating_sub(16));
        for height in from..=bound.saturating_sub(AGREED_DEPTH) {
            let mut votes: BTreeMap<&str, usize> = BTreeMap::new();
            for chain in self.chains.values().filter(|chain| top(chain) >= height + AGREED_DEPTH) {
                if let Some(hash) = chain.get(&height) {
                    *votes.entry(hash).or_default() += 1;
                }
            }
            let Some(hash) =
                votes.into_iter().find(|(_, votes)| *votes >= AGREED_NODES).map(|(hash, _)| hash)
            else {
                continue;
            };
            match self.agreed.get(&height) {
                None => drop(self.agreed.insert(height, hash.to_owned())),
                Some(before) if before == hash => {}
                Some(before) => {
                    let fault = format!("height {height}: {before} was agreed, and then {hash}");
                    if !self.faults.contains(&fault) {
                        self.faults.push(fault);
                    }
                }
            }
        }
    }

    /// Number of blocks that were agreed.
    pub(crate) fn agreed(&self) -> usize {
        self.agreed.len()
    }

    /// Most blocks that a node has left at once.
    pub(crate) const fn deepest_reorg(&self) -> u64 {
        self.deepest
    }

    /// Everything wrong, given the chains as they ended: heights at which they differ, and agreed blocks that
    /// are on none.
    pub(crate) fn faults(&self, chains: &[(String, Vec<Block>)]) -> Vec<String> {
        let mut faults = self.faults.clone();
        let Some(((first, reference), others)) = chains.split_first() else { return faults };
        let hashes: Seen = reference.iter().map(|block| (block.height, block.hash.clone())).collect();
        for (name, blocks) in others {
            let differing =
                blocks.iter().find(|block| hashes.get(&block.height).is_some_and(|hash| *hash != block.hash));
            if let Some(block) = differing {
                faults.push(format!("{first} and {name} differ from height {} on", block.height));
            }
        }
        for (height, hash) in &self.agreed {
            match hashes.get(height) {
                Some(kept) if kept == hash => {}
                kept => faults
                    .push(format!("height {height}: {hash} was agreed and is lost; {first} has {kept:?}")),
            }
        }
        faults
    }
}

#[cfg(test)]
mod tests;
