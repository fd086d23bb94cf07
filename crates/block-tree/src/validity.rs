//! Every validity rule (`docs/protocol.md`, section 6), cheap ones first.

use vision_ledger::{BlockContext, Executor};
use vision_primitives::{Block, Hash, NodeId, SignedTransaction};

use crate::entry::EntryParts;
use crate::parent_context::{body_faults, check_body, check_transaction_signatures, check_version, slot_end};
use crate::{BlockTree, CheckedBlock, Entry, ParentContext, Refusal};

/// Fewer signatures than this are verified sooner than a thread is started, about.
const MIN_SIGNATURES_FOR_A_THREAD: usize = 16;

impl BlockTree {
    /// Judges a block by every rule, its transactions' signatures included.
    ///
    /// # Errors
    /// The first [`Refusal`] met.
    pub fn check(&self, block: &Block) -> Result<CheckedBlock, Refusal> {
        self.check_with(block, &|_| false)
    }

    /// Like [`BlockTree::check`], but takes the signature of a transaction as good when `verified`
    /// knows its hash, which covers the signature.
    ///
    /// # Errors
    /// The first [`Refusal`] met.
    pub fn check_with(
        &self,
        block: &Block,
        verified: &dyn Fn(&Hash) -> bool,
    ) -> Result<CheckedBlock, Refusal> {
        self.check_as(block, verified, false)
    }

    /// Like [`BlockTree::check_with`], for a block that nobody asked for: it is refused too if its producer
    /// has
    /// [`crate::MAX_SIBLINGS`] others on the parent, before its body is looked at.
    ///
    /// # Errors
    /// The first [`Refusal`] met.
    pub fn check_announced(
        &self,
        block: &Block,
        verified: &dyn Fn(&Hash) -> bool,
    ) -> Result<CheckedBlock, Refusal> {
        self.check_as(block, verified, true)
    }

    fn check_as(
        &self,
        block: &Block,
        verified: &dyn Fn(&Hash) -> bool,
        announced: bool,
    ) -> Result<CheckedBlock, Refusal> {
        let parent = self.parent_of(block)?;
        self.on_parent(parent, |context| context.check(block))?;
        if announced {
            self.check_siblings(block.header())?;
        }
        check_body(self.rules.params(), block)?;
        let unverified: Vec<(usize, &SignedTransaction)> = block
            .transactions()
            .iter()
            .enumerate()
            .filter(|(_, transaction)| !verified(&transaction.hash()))
            .collect();
        if unverified.len() < MIN_SIGNATURES_FOR_A_THREAD {
            check_transaction_signatures(&self.rules.genesis_hash, &unverified)?;
            return self.execute(parent, block);
        }
        // Neither needs the other's result, and both cost about the same.
        std::thread::scope(|scope| {
            let signatures =
                scope.spawn(|| check_transaction_signatures(&self.rules.genesis_hash, &unverified));
            let executed = self.execute(parent, block);
            match signatures.join() {
                Ok(verdict) => verdict?,
                Err(panic) => std::panic::resume_unwind(panic),
            }
            executed
        })
    }

    /// Every rule that needs no execution and that a block on the head would break; see [`BlockTree::check`],
    /// which tests the others too but stops at the first that is broken.
    #[must_use]
    pub fn faults_on_head(&self, block: &Block) -> Vec<Refusal> {
        let mut faults = self.on_parent(&self.head, |context| context.header_faults(block));
        faults.extend(body_faults(self.rules.params(), &self.rules.genesis_hash, block));
        faults
    }

    fn on_parent<T>(&self, parent: &Entry, judge: impl FnOnce(&ParentContext<'_>) -> T) -> T {
        let key_of = |id: &NodeId| parent.state().producer(id).map(|producer| producer.public_key);
        judge(&ParentContext {
            genesis_hash: &self.rules.genesis_hash,
            parent: parent.hash(),
            height: parent.height(),
            weight: parent.weight(),
            schedule: parent.schedule(),
            pool_root: parent.state().active().root(),
            key_of: &key_of,
        })
    }

    fn parent_of(&self, block: &Block) -> Result<&Entry, Refusal> {
        let (hash, header, final_height) = (block.hash(), block.header(), self.last_final.height());
        if self.nodes.contains_key(&hash) || self.trail_hash(header.height) == Some(hash) {
            return Err(Refusal::AlreadyKnown);
        }
        check_version(header)?;
        match self.get(&header.parent) {
            Some(parent) => Ok(parent),
            None if header.height <= final_height || self.is_recently_final(&header.parent) => {
                Err(Refusal::ConflictsWithFinal(final_height))
            }
            None => Err(Refusal::UnknownParent(header.parent)),
        }
    }

    /// Runs the transactions and compares the state.
    fn execute(&self, parent: &Entry, block: &Block) -> Result<CheckedBlock, Refusal> {
        let header = block.header();
        let missed_owners = parent.schedule().missed_owners(header.slot);
        let recent = self.recent(parent);
        let context = BlockContext {
            genesis_hash: self.rules.genesis_hash,
            height: header.height,
            producer: header.producer,
            missed_owners: &missed_owners,
            recent: &recent,
        };
        let genesis = &self.rules.genesis;
        let mut executor = Executor::new(parent.state(), &genesis.params, genesis.finality, context);
        for (index, transaction) in block.transactions().iter().enumerate() {
            executor.execute(transaction).map_err(|fault| Refusal::Transaction { index, fault })?;
        }
        let (state, changes) = executor.finish()?;
        if state.root() != header.state_root {
            return Err(Refusal::StateRoot { expected: header.state_root, got: state.root() });
        }
        let parts = EntryParts {
            header: header.clone(),
            header_bytes: block.header_bytes().to_vec(),
            signature: *block.signature(),
            hash: block.hash(),
            tx_count: block.transactions().len(),
            size_bytes: block.size_bytes(),
        };
        let entry = Entry::new(&self.rules, parts, state)?;
        Ok(CheckedBlock { entry, changes, closes_at: slot_end(parent.schedule(), header.slot) })
    }
}
