//! Rebuilding the tree from what was stored.

use std::collections::VecDeque;
use std::sync::Arc;

use vision_ledger::{Changes, State};
use vision_primitives::{Block, DecodeError, Hash, Header, Height, Signature};

use crate::entry::EntryParts;
use crate::fork_choice::HeadMove;
use crate::insert::BlockRef;
use crate::{BlockTree, ChainRules, Entry, TreeError};

/// A stored block without its transactions.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StoredBlock {
    /// The hash it was stored under.
    pub hash: Hash,
    /// The header's canonical bytes.
    pub header_bytes: Vec<u8>,
    /// The producer's signature.
    pub signature: Signature,
    /// How many transactions it carries.
    pub tx_count: usize,
    /// Its size as `max_block_bytes` counts it.
    pub size_bytes: u64,
}

impl From<&Entry> for StoredBlock {
    fn from(entry: &Entry) -> Self {
        Self {
            hash: entry.hash(),
            header_bytes: entry.header_bytes().to_vec(),
            signature: *entry.signature(),
            tx_count: entry.tx_count(),
            size_bytes: entry.size_bytes(),
        }
    }
}

impl From<&Block> for StoredBlock {
    fn from(block: &Block) -> Self {
        Self {
            hash: block.hash(),
            header_bytes: block.header_bytes().to_vec(),
            signature: *block.signature(),
            tx_count: block.transactions().len(),
            size_bytes: block.size_bytes(),
        }
    }
}

/// The last final block, unless it is block 0, which needs nothing stored.
#[derive(Clone, Debug)]
pub struct RestoreBase {
    /// The block.
    pub block: StoredBlock,
    /// The state after it.
    pub state: State,
    /// Hashes of its ancestors, parent first: `max_desync_blocks` of them, or down to block 0.
    pub trail: Vec<Hash>,
}

/// Stored data that does not fit together.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RestoreError {
    /// The genesis itself.
    #[error(transparent)]
    Tree(#[from] TreeError),
    /// Header bytes that do not decode.
    #[error("block {hash}: {error}")]
    Header {
        /// The hash it was stored under.
        hash: Hash,
        /// What is wrong with the bytes.
        error: DecodeError,
    },
    /// A header stored under another hash than its own.
    #[error("block {hash}: its header hashes to {got}")]
    HeaderHash {
        /// The hash it was stored under.
        hash: Hash,
        /// The hash of its header.
        got: Hash,
    },
    /// A state that is not the one the header commits to.
    #[error("block {hash}: its header commits to state {expected}, the stored one is {got}")]
    StateRoot {
        /// The block.
        hash: Hash,
        /// The header's state root.
        expected: Hash,
        /// What the stored data give.
        got: Hash,
    },
    /// A block whose parent did not come before it, or that came twice, or whose height is not its
    /// parent's plus 1.
    #[error("block {hash}: it does not follow its parent {parent}")]
    Link {
        /// The block.
        hash: Hash,
        /// The parent its header names.
        parent: Hash,
    },
    /// Too few hashes below the last final block, or not those of its ancestors.
    #[error("{got} ancestors of the last final block; {needed} are needed, its parent first")]
    Trail {
        /// How many are needed.
        needed: u64,
        /// How many were given.
        got: usize,
    },
    /// More blocks than a tree ever holds.
    #[error("more than {max} blocks above the last final one")]
    TooManyBlocks {
        /// Most that a tree holds.
        max: usize,
    },
}

impl BlockTree {
    /// The tree as it was: the last final block (`None` for block 0), then the blocks above it, parents
    /// before children and otherwise in the order of their import. Every header hash and every state root is
    /// verified; LATE marks are gone.
    ///
    /// # Errors
    /// [`RestoreError`] naming the block that does not fit.
    pub fn restore(
        rules: Arc<ChainRules>,
        base: Option<RestoreBase>,
        blocks: impl IntoIterator<Item = (StoredBlock, Changes)>,
    ) -> Result<Self, RestoreError> {
        let mut tree = match base {
            None => Self::new(rules)?,
            Some(RestoreBase { block, state, trail }) => {
                let parts = decode(&rules, block)?;
                let trail = checked_trail(&rules, &parts.header, trail)?;
                let entry = entry(&rules, parts, state)?;
                Self::on_base(rules, entry, trail)
            }
        };
        // The head's chain and the side branches together.
        let max = tree.max_open_blocks.saturating_mul(2);
        for (block, changes) in blocks {
            if tree.open_blocks() >= max {
                return Err(RestoreError::TooManyBlocks { max });
            }
            let parts = decode(&tree.rules, block)?;
            let (hash, parent) = (parts.hash, parts.header.parent);
            let astray = RestoreError::Link { hash, parent };
            let Some(below) = tree.get(&parent).filter(|below| below.height().next() == parts.header.height)
            else {
                return Err(astray);
            };
            let entry = entry(&tree.rules, parts, below.state().apply_changes(&changes))?;
            if !tree.link(entry) {
                return Err(astray);
            }
        }
        let mut moved = HeadMove::from(BlockRef::of(&tree.head));
        tree.choose_head(&mut moved);
        Ok(tree)
    }
}

fn decode(rules: &ChainRules, block: StoredBlock) -> Result<EntryParts, RestoreError> {
    let StoredBlock { hash, header_bytes, signature, tx_count, size_bytes } = block;
    let got = Header::hash_bytes(&rules.genesis_hash, &header_bytes);
    if got != hash {
        return Err(RestoreError::HeaderHash { hash, got });
    }
    let header = Header::from_bytes(&header_bytes).map_err(|error| RestoreError::Header { hash, error })?;
    Ok(EntryParts { header, header_bytes, signature, hash, tx_count, size_bytes })
}

fn entry(rules: &ChainRules, parts: EntryParts, state: State) -> Result<Entry, RestoreError> {
    let (hash, expected, got) = (parts.hash, parts.header.state_root, state.root());
    if got != expected {
        return Err(RestoreError::StateRoot { hash, expected, got });
    }
    Ok(Entry::new(rules, parts, state).map_err(TreeError::from)?)
}

fn checked_trail(
    rules: &ChainRules,
    header: &Header,
    trail: Vec<Hash>,
) -> Result<VecDeque<Hash>, RestoreError> {
    let needed = rules.params().max_desync_blocks.min(header.height.above(Height::GENESIS));
    let reach = usize::try_from(needed).unwrap_or(usize::MAX);
    let fits = trail.len() >= reach && trail.first().is_none_or(|first| *first == header.parent);
    if !fits {
        return Err(RestoreError::Trail { needed, got: trail.len() });
    }
    Ok(trail.into_iter().take(reach).collect())
}
