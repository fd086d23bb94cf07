//! Judges the blocks of a range one after the other.

use std::sync::Arc;

use vision_block_tree::{BlockTree, ChainRules, Refusal, TreeError, body_faults};
use vision_primitives::{Action, Block, Genesis, Hash, Header, Height, SignedTransaction, Slot};

use crate::{Fault, Parent, Registry, RegistryAnswer, Rules};

/// Open blocks kept when states are computed: a chain without branches needs no more than its tip.
const MAX_OPEN_BLOCKS: usize = 64;

/// What is known before the next block. Needs room for one block, however long the range.
pub struct Audit {
    rules: Rules,
    /// None after a block that cannot be read.
    parent: Option<Parent>,
    /// The chain from block 0 on, as long as every block of it was right.
    tree: Option<Box<BlockTree>>,
}

/// A block as its bytes are, and what contradicts them.
pub struct Seen {
    /// The header.
    pub header: Header,
    /// Hash of its bytes.
    pub hash: Hash,
    /// The whole block, or why signature or transactions are none.
    pub block: Result<Block, Fault>,
    /// Where something else is said of the block than the bytes say.
    pub contradictions: Vec<Fault>,
}

/// What is found of one block.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    /// Its height.
    pub height: Height,
    /// Hash of its header's bytes, if they are a header.
    pub hash: Option<Hash>,
    /// The slot it used, likewise.
    pub slot: Option<Slot>,
    /// How many transactions it has, sync proofs among them.
    pub transactions: usize,
    /// How many of these are sync proofs, which producers make by themselves.
    pub sync_proofs: usize,
    /// None if it is right.
    pub faults: Vec<Fault>,
}

impl Audit {
    /// Judges from the block after `parent` on.
    #[must_use]
    pub const fn new(rules: Rules, parent: Parent) -> Self {
        Self { rules, parent: Some(parent), tree: None }
    }

    /// Judges from block 1 on and computes every state.
    ///
    /// # Errors
    /// If the genesis is not valid.
    pub fn with_states(genesis: &Genesis) -> Result<Self, TreeError> {
        let rules = Rules::from(genesis);
        let tree = BlockTree::new(Arc::new(ChainRules::new(genesis.clone())))?;
        let (tree, parent) = (tree.with_max_open_blocks(MAX_OPEN_BLOCKS), rules.block_0());
        Ok(Self { tree: Some(Box::new(tree)), ..Self::new(rules, parent) })
    }

    /// What all its blocks have in common.
    #[must_use]
    pub const fn rules(&self) -> &Rules {
        &self.rules
    }

    /// The block before the next; absent if it could not be read.
    #[must_use]
    pub const fn parent(&self) -> Option<&Parent> {
        self.parent.as_ref()
    }

    /// Whether states are computed; if not, each block is judged by a registry that somebody reports.
    #[must_use]
    pub const fn computes_states(&self) -> bool {
        self.tree.is_some()
    }

    /// Judges the next block, or why it cannot be read. `registry` is what is reported about the producers
    /// after the block before, or why that cannot be read; it is not looked at where states are computed.
    pub fn judge(
        &mut self,
        height: Height,
        seen: Result<Seen, Fault>,
        registry: &Result<RegistryAnswer, String>,
    ) -> Verdict {
        let Seen { header, hash, block, contradictions: mut faults } = match seen {
            Ok(seen) => seen,
            Err(fault) => {
                (self.parent, self.tree) = (None, None);
                let (hash, slot, faults) = (None, None, vec![fault]);
                return Verdict { height, hash, slot, transactions: 0, sync_proofs: 0, faults };
            }
        };
        faults.extend(match &block {
            Ok(block) => self.faults(block, registry),
            Err(fault) => {
                self.tree = None;
                vec![fault.clone()]
            }
        });
        let (stamp, weight) = (header.timestamp_ms, header.weight);
        self.parent = Some(Parent { hash, height, stamp, weight });
        let transactions = block.as_ref().map(Block::transactions).unwrap_or_default();
        let is_sync_proof =
            |signed: &&SignedTransaction| matches!(signed.transaction().action, Action::SyncProof(_));
        let sync_proofs = transactions.iter().filter(is_sync_proof).count();
        let (transactions, slot) = (transactions.len(), Some(header.slot));
        Verdict { height, hash: Some(hash), slot, transactions, sync_proofs, faults }
    }

    fn faults(&mut self, block: &Block, registry: &Result<RegistryAnswer, String>) -> Vec<Fault> {
        let Some(mut tree) = self.tree.take() else { return self.faults_without_state(block, registry) };
        match tree.check(block) {
            Ok(checked) => {
                tree.insert(checked, false);
                self.tree = Some(tree);
                Vec::new()
            }
            // It stops at the first; the state after a wrong block is nobody's, so the tree is of no use any
            // more.
            Err(refusal) => {
                let mut faults = tree.faults_on_head(block);
                if faults.iter().all(|known| known.reason() != refusal.reason()) {
                    faults.push(refusal);
                }
                faults.into_iter().map(Fault::from).collect()
            }
        }
    }

    fn faults_without_state(&self, block: &Block, registry: &Result<RegistryAnswer, String>) -> Vec<Fault> {
        let mut faults = Vec::new();
        match &self.parent {
            None => faults.push(Fault::new(Fault::NO_PARENT, "the block before cannot be read")),
            Some(parent) => {
                let registry = registry.as_ref().map_err(Clone::clone);
                match registry.and_then(|answer| Registry::new(answer, parent)) {
                    Ok(registry) => {
                        let refusals = registry.header_faults(&self.rules, parent, block);
                        faults.extend(refusals.into_iter().map(Fault::from));
                    }
                    Err(why) => {
                        let refusals = header_faults_without_registry(parent, block);
                        faults.extend(refusals.into_iter().map(Fault::from));
                        let why = format!("the registry after the block before: {why}");
                        faults.push(Fault::new(Fault::REGISTRY, why));
                    }
                }
            }
        }
        let refusals = body_faults(&self.rules.params, &self.rules.genesis_hash, block);
        faults.extend(refusals.into_iter().map(Fault::from));
        faults
    }
}

/// What can be said of a header when nobody knows whose the slots are.
fn header_faults_without_registry(parent: &Parent, block: &Block) -> Vec<Refusal> {
    let header = block.header();
    let link = (header.parent != parent.hash).then_some(Refusal::UnknownParent(header.parent));
    let (expected, got) = (parent.height.next(), header.height);
    link.into_iter().chain((got != expected).then_some(Refusal::Height { expected, got })).collect()
}
