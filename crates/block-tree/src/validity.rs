//! Every validity rule (`docs/protocol.md`, section 6), cheap ones first.

use std::collections::BTreeSet;

use vision_ledger::{BlockContext, Executor};
use vision_primitives::{
    BatchVerifier, Block, HEADER_VERSION, Hash, Header, SignedTransaction, Slot, Tag, TimestampMs,
};

use crate::entry::EntryParts;
use crate::{BlockTree, ChainRules, CheckedBlock, Entry, Refusal};

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
        let parent = self.parent_of(block)?;
        check_header(&self.rules, parent, block)?;
        check_body_form(&self.rules, block)?;
        let unverified: Vec<(usize, &SignedTransaction)> = block
            .transactions()
            .iter()
            .enumerate()
            .filter(|(_, transaction)| !verified(&transaction.hash()))
            .collect();
        if unverified.len() < MIN_SIGNATURES_FOR_A_THREAD {
            check_transaction_signatures(&self.rules, &unverified)?;
            return self.execute(parent, block);
        }
        // Neither needs the other's result, and both cost about the same.
        std::thread::scope(|scope| {
            let signatures = scope.spawn(|| check_transaction_signatures(&self.rules, &unverified));
            let executed = self.execute(parent, block);
            match signatures.join() {
                Ok(verdict) => verdict?,
                Err(panic) => std::panic::resume_unwind(panic),
            }
            executed
        })
    }

    fn parent_of(&self, block: &Block) -> Result<&Entry, Refusal> {
        let (hash, header, final_height) = (block.hash(), block.header(), self.last_final.height());
        if self.nodes.contains_key(&hash) || self.trail_hash(header.height) == Some(hash) {
            return Err(Refusal::AlreadyKnown);
        }
        if header.version != HEADER_VERSION {
            return Err(Refusal::Version { expected: HEADER_VERSION, got: header.version });
        }
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
        Ok(CheckedBlock { entry, changes, closes_at: slot_end(parent, header.slot) })
    }
}

/// Weight of a child that uses `slot`; `None` past the range, which no chain reaches.
pub(crate) fn child_weight(rules: &ChainRules, parent: &Entry, slot: Slot) -> Option<u64> {
    parent.weight().checked_add(rules.params().main_slots().saturating_sub(slot.get()).max(1))
}

fn slot_end(parent: &Entry, slot: Slot) -> TimestampMs {
    slot.get().checked_add(1).map_or(TimestampMs(u64::MAX), |next| parent.schedule().start(Slot(next)))
}

fn check_header(rules: &ChainRules, parent: &Entry, block: &Block) -> Result<(), Refusal> {
    let header = block.header();
    let expected = parent.height().next();
    if header.height != expected {
        return Err(Refusal::Height { expected, got: header.height });
    }
    check_absent_fields(header)?;
    let expected = parent.state().active().root();
    if header.pool_root != expected {
        return Err(Refusal::PoolRoot { expected, got: header.pool_root });
    }
    let expected = child_weight(rules, parent, header.slot).unwrap_or(u64::MAX);
    if header.weight != expected {
        return Err(Refusal::Weight { expected, got: header.weight });
    }
    // The bounds without jitter need no owner. They tie the slot to the stamp, whose distance from
    // now the caller bounds: nobody makes us deal a lap of a far slot for nothing.
    let (slot, stamp) = (header.slot, header.timestamp_ms);
    let (opens_at, closes_at) = (parent.schedule().start(slot), slot_end(parent, slot));
    if stamp < opens_at {
        return Err(Refusal::TooEarly { slot, stamp, opens_at });
    }
    if stamp >= closes_at {
        return Err(Refusal::TooLate { slot, stamp, closes_at });
    }
    // Before the owner, because a tail slot's costs up to one hash per producer.
    let producer = parent.state().producer(&header.producer);
    let key = producer.ok_or(Refusal::UnknownProducer(header.producer))?.public_key;
    key.verify(Tag::Block, &rules.genesis_hash, block.hash().as_bytes(), block.signature())
        .map_err(|_| Refusal::Signature)?;
    Ok(parent.schedule().check(slot, &header.producer, stamp)?)
}

fn check_absent_fields(header: &Header) -> Result<(), Refusal> {
    if !header.certificate_hash.is_zero() {
        return Err(Refusal::Certificate);
    }
    if !header.reveal.is_zero() {
        return Err(Refusal::Reveal);
    }
    if !header.mix.is_zero() {
        return Err(Refusal::Mix);
    }
    Ok(())
}

fn check_body_form(rules: &ChainRules, block: &Block) -> Result<(), Refusal> {
    let (max, got) = (rules.params().max_block_txs, block.transactions().len() as u64);
    if got > max {
        return Err(Refusal::TooManyTransactions { max, got });
    }
    let (max, got) = (rules.params().max_block_bytes, block.size_bytes());
    if got > max {
        return Err(Refusal::TooLarge { max, got });
    }
    let (expected, got) = (block.header().tx_root, block.computed_tx_root());
    if expected != got {
        return Err(Refusal::TxRoot { expected, got });
    }
    let mut seen = BTreeSet::new();
    match block.transactions().iter().position(|transaction| !seen.insert(transaction.hash())) {
        Some(index) => Err(Refusal::DuplicateTransaction { index }),
        None => Ok(()),
    }
}

fn check_transaction_signatures(
    rules: &ChainRules,
    unverified: &[(usize, &SignedTransaction)],
) -> Result<(), Refusal> {
    let mut batch = BatchVerifier::new();
    for (_, transaction) in unverified {
        let (sender, signature) = (&transaction.transaction().sender, transaction.signature());
        batch.queue(sender, Tag::Transaction, &rules.genesis_hash, transaction.payload(), signature);
    }
    if batch.verify().is_ok() {
        return Ok(());
    }
    // A batch does not say which one is bad.
    match unverified.iter().find(|(_, transaction)| transaction.verify(&rules.genesis_hash).is_err()) {
        Some((index, _)) => Err(Refusal::TransactionSignature { index: *index }),
        None => Ok(()),
    }
}
