//! The tree itself and how to look into it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use vision_ledger::State;
use vision_primitives::{Hash, Height, Invariant as _};
use vision_schedule::Schedule;

use crate::fork_choice::Rank;
use crate::{ChainRules, Entry, TreeError};

/// Most blocks above the last final one on the head's chain, and as many again on all side branches together,
/// so that a branch as long as the head's chain has room beside it until it shows to be the heavier one.
/// Beyond it side branches are evicted, their worst tips first; if the head's own chain exceeds it, its
/// oldest block becomes final however few made the blocks above it.
pub const MAX_OPEN_BLOCKS: usize = 16_384;

#[derive(Clone)]
pub(crate) struct Node {
    pub(crate) entry: Arc<Entry>,
    /// In the order of import.
    pub(crate) children: Vec<Hash>,
}

/// The last final block and all known blocks above it.
#[derive(Clone)]
pub struct BlockTree {
    pub(crate) rules: Arc<ChainRules>,
    pub(crate) nodes: BTreeMap<Hash, Node>,
    /// Blocks that may be head, best first: all but the barred ones.
    pub(crate) ranked: BTreeSet<Rank>,
    /// Blocks without children, best first.
    pub(crate) tips: BTreeSet<Rank>,
    /// Hashes from the last final block to the head.
    pub(crate) canonical: VecDeque<Hash>,
    /// Hashes below the last final block, nearest first, as far as a sync proof may name them.
    pub(crate) trail: VecDeque<Hash>,
    pub(crate) head: Arc<Entry>,
    pub(crate) last_final: Arc<Entry>,
    /// The block fetched last, up to which its branch is not evicted.
    pub(crate) fetched: Option<Hash>,
    pub(crate) max_open_blocks: usize,
}

impl BlockTree {
    /// The tree that knows only block 0.
    ///
    /// # Errors
    /// [`TreeError`] for a genesis that was not checked.
    pub fn new(rules: Arc<ChainRules>) -> Result<Self, TreeError> {
        let base = Entry::genesis(&rules, State::genesis(&rules.genesis)?)?;
        Ok(Self::on_base(rules, base, VecDeque::new()))
    }

    pub(crate) fn on_base(rules: Arc<ChainRules>, base: Entry, trail: VecDeque<Hash>) -> Self {
        let base = Arc::new(base);
        let node = Node { entry: base.clone(), children: Vec::new() };
        Self {
            rules,
            nodes: BTreeMap::from([(base.hash(), node)]),
            ranked: BTreeSet::from([base.rank()]),
            tips: BTreeSet::from([base.rank()]),
            canonical: VecDeque::from([base.hash()]),
            trail,
            head: base.clone(),
            last_final: base,
            fetched: None,
            max_open_blocks: MAX_OPEN_BLOCKS,
        }
    }

    /// The same tree with another bound than [`MAX_OPEN_BLOCKS`]; at least 1.
    #[must_use]
    pub fn with_max_open_blocks(mut self, max_open_blocks: usize) -> Self {
        self.max_open_blocks = max_open_blocks.max(1);
        self
    }

    /// The rules it judges by.
    #[must_use]
    pub const fn rules(&self) -> &Arc<ChainRules> {
        &self.rules
    }

    /// The tip of the canonical chain.
    #[must_use]
    pub const fn head(&self) -> &Arc<Entry> {
        &self.head
    }

    /// The last final block; nothing that conflicts with it is ever accepted.
    #[must_use]
    pub const fn final_entry(&self) -> &Arc<Entry> {
        &self.last_final
    }

    /// A block by its hash: the last final one or any known one above it.
    #[must_use]
    pub fn get(&self, hash: &Hash) -> Option<&Arc<Entry>> {
        self.nodes.get(hash).map(|node| &node.entry)
    }

    /// A block that must be known: one of the head's chain, a child of a known block, or the parent of a
    /// known block above the last final one.
    pub(crate) fn known(&self, hash: &Hash) -> &Arc<Entry> {
        self.get(hash).invariant("every known block descends from the last final one, and so do its children")
    }

    /// The canonical block of a height, from the last final one up to the head.
    #[must_use]
    pub fn canonical(&self, height: Height) -> Option<&Arc<Entry>> {
        Some(self.known(self.canonical_hash(height)?))
    }

    pub(crate) fn canonical_hash(&self, height: Height) -> Option<&Hash> {
        let index = height.get().checked_sub(self.last_final.height().get())?;
        self.canonical.get(usize::try_from(index).ok()?)
    }

    pub(crate) fn is_canonical(&self, entry: &Entry) -> bool {
        self.canonical_hash(entry.height()) == Some(&entry.hash())
    }

    /// Height of the last block of `canonical`.
    pub(crate) fn canonical_height(&self) -> Height {
        Height(self.last_final.height().get().saturating_add(self.canonical.len() as u64).saturating_sub(1))
    }

    /// Known children of a block, in the order they were imported.
    #[must_use]
    pub fn children(&self, hash: &Hash) -> &[Hash] {
        self.nodes.get(hash).map_or(&[], |node| &node.children)
    }

    /// All known blocks from the last final one up, in no order that means anything.
    pub fn entries(&self) -> impl Iterator<Item = &Arc<Entry>> {
        self.nodes.values().map(|node| &node.entry)
    }

    /// How many known blocks are not final.
    #[must_use]
    pub fn open_blocks(&self) -> usize {
        self.nodes.len().saturating_sub(1)
    }

    /// How many known blocks are not final and not on the head's chain.
    #[must_use]
    pub fn side_blocks(&self) -> usize {
        self.nodes.len().saturating_sub(self.canonical.len())
    }

    /// Slots and owners of the height above a known block.
    #[must_use]
    pub fn schedule_on(&self, parent: &Hash) -> Option<Schedule> {
        self.get(parent).map(|entry| entry.schedule().clone())
    }
}
