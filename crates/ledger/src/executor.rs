//! One block in the making: transactions, then liveness, then the reward.

use std::collections::{BTreeMap, BTreeSet};

use vision_primitives::{
    Action, Address, ConsensusParams, Finality, Hash, Height, Invariant as _, MAX_DATA_BYTES, NodeId,
    PublicKey, Signature, SignedTransaction, SyncProof, Tag, Transaction, registration_payload,
};

use crate::account::account_key;
use crate::liveness::candidate;
use crate::state::account_change_at;
use crate::{Account, Census, Changes, LedgerError, Producer, ProducerStatus, State, TransactionFault};

/// What the rules need to know of the block besides its transactions.
#[derive(Clone, Copy)]
pub struct BlockContext<'a> {
    /// Hash of block 0, which enters every signature.
    pub genesis_hash: Hash,
    /// Height of the block.
    pub height: Height,
    /// Its producer.
    pub producer: NodeId,
    /// The distinct owners of the slots before the block's, of the first m.
    pub missed_owners: &'a [NodeId],
    /// Hash of the block's ancestor at a height; asked only from the parent down to
    /// `max_desync_blocks` below it.
    pub recent: &'a dyn Fn(Height) -> Option<Hash>,
}

/// An account that the block has looked at.
struct Touched {
    key: Hash,
    before: Account,
    now: Account,
}

/// A block in the making. Reads go through to the parent's state, writes stay here until `finish`.
pub struct Executor<'a> {
    pub(crate) parent: &'a State,
    pub(crate) params: &'a ConsensusParams,
    pub(crate) finality: Finality,
    pub(crate) context: BlockContext<'a>,
    accounts: BTreeMap<Address, Touched>,
    pub(crate) producers: BTreeMap<NodeId, Producer>,
    census: Census,
    /// Producers whose sync proofs are in the block.
    pub(crate) proven: BTreeSet<NodeId>,
    fees: u64,
}

/// Checks of a transaction that need no state; what a mempool can ask before anything else.
///
/// # Errors
/// The [`TransactionFault`] that the transaction has on any state.
pub fn check_form(transaction: &Transaction, params: &ConsensusParams) -> Result<(), TransactionFault> {
    let (nonce, fee) = (transaction.nonce, transaction.fee);
    if matches!(transaction.action, Action::SyncProof(_)) {
        return if nonce == 0 && fee == 0 { Ok(()) } else { Err(TransactionFault::SyncProofNotFree) };
    }
    if fee < params.min_fee {
        return Err(TransactionFault::FeeTooLow { min: params.min_fee, got: fee });
    }
    match &transaction.action {
        Action::Data { bytes } if bytes.len() > MAX_DATA_BYTES => {
            Err(TransactionFault::DataTooLarge { max: MAX_DATA_BYTES, got: bytes.len() })
        }
        _ => Ok(()),
    }
}

impl<'a> Executor<'a> {
    /// Begins a block on the parent's state.
    #[must_use]
    pub fn new(
        parent: &'a State,
        params: &'a ConsensusParams,
        finality: Finality,
        context: BlockContext<'a>,
    ) -> Self {
        Self {
            parent,
            params,
            finality,
            context,
            accounts: BTreeMap::new(),
            producers: BTreeMap::new(),
            census: parent.census(),
            proven: BTreeSet::new(),
            fees: 0,
        }
    }

    /// Runs one transaction. A faulty one leaves no trace. The sender's signature is the caller's to
    /// check; a registration's proof of possession is checked here.
    ///
    /// # Errors
    /// The [`TransactionFault`] for which it does not apply.
    pub fn execute(&mut self, signed: &SignedTransaction) -> Result<(), TransactionFault> {
        let transaction = signed.transaction();
        check_form(transaction, self.params)?;
        let sender = signed.sender_address();
        if let Action::SyncProof(proof) = &transaction.action {
            return self.sync_proof(sender, proof);
        }

        let fee = transaction.fee;
        let amount = if let Action::Transfer { amount, .. } = transaction.action { amount } else { 0 };
        let from = self.touch(sender).now;
        let nonce = next_nonce(from.nonce, transaction.nonce)?;
        let needed = amount.saturating_add(fee);
        let fees = self.fees.checked_add(fee).ok_or(TransactionFault::AmountOverflow)?;
        let after_fee = from.balance.checked_sub(fee);
        let rest = after_fee.and_then(|balance| balance.checked_sub(amount));
        let (Some(after_fee), Some(rest)) = (after_fee, rest) else {
            return Err(TransactionFault::InsufficientBalance { balance: from.balance, needed });
        };

        // Every step below decides first and writes last, so that a fault leaves no trace.
        let mut balance = rest;
        match &transaction.action {
            Action::Transfer { to, .. } if *to == sender => balance = after_fee,
            Action::Transfer { to, .. } => {
                let receiver = &mut self.touch(*to).now.balance;
                *receiver = receiver.checked_add(amount).ok_or(TransactionFault::AmountOverflow)?;
            }
            Action::RegisterProducer { public_key, payout, proof_of_possession } => {
                self.register(public_key, payout, proof_of_possession)?;
            }
            Action::ExitProducer => self.exit(sender)?,
            Action::Data { .. } | Action::SyncProof(_) => {}
        }
        self.touch(sender).now = Account { balance, nonce };
        self.fees = fees;
        Ok(())
    }

    fn touch(&mut self, address: Address) -> &mut Touched {
        let parent = self.parent;
        self.accounts.entry(address).or_insert_with(|| {
            let key = account_key(&address);
            let before = parent.account_at(&key);
            Touched { key, before, now: before }
        })
    }

    /// A producer's record as the block's transactions so far have left it.
    pub(crate) fn producer(&self, id: &NodeId) -> Option<&Producer> {
        self.producers.get(id).or_else(|| self.parent.producer(id))
    }

    fn register(
        &mut self,
        public_key: &PublicKey,
        payout: &Address,
        proof: &Signature,
    ) -> Result<(), TransactionFault> {
        let id = public_key.id();
        if self.producer(&id).is_some() {
            return Err(TransactionFault::AlreadyRegistered(id));
        }
        let max = self.params.max_producers;
        if self.census.places() >= max {
            return Err(TransactionFault::RegistryFull { max });
        }
        let payload = registration_payload(public_key, payout);
        public_key
            .verify(Tag::Register, &self.context.genesis_hash, &payload, proof)
            .map_err(|_| TransactionFault::ProofOfPossession)?;
        self.census.candidates = self.census.candidates.saturating_add(1);
        self.producers.insert(id, candidate(*public_key, *payout, self.context.height));
        Ok(())
    }

    fn exit(&mut self, id: NodeId) -> Result<(), TransactionFault> {
        let mut producer = self.producer(&id).ok_or(TransactionFault::NotAProducer(id))?.clone();
        let leaves_one = self.census.allows_exit(producer.status);
        let count = match producer.status {
            ProducerStatus::Exited => return Err(TransactionFault::NotAProducer(id)),
            _ if !leaves_one => return Err(TransactionFault::LastProducer),
            ProducerStatus::Active => &mut self.census.active,
            ProducerStatus::Suspended => &mut self.census.suspended,
            ProducerStatus::Candidate => &mut self.census.candidates,
        };
        *count = count.checked_sub(1).invariant("the census counts every producer under its status");
        producer.status = ProducerStatus::Exited;
        self.producers.insert(id, producer);
        Ok(())
    }

    /// Judged on the parent's state, but for an exit earlier in the block, which nothing undoes.
    fn sync_proof(&mut self, id: NodeId, proof: &SyncProof) -> Result<(), TransactionFault> {
        let producer = self.parent.producer(&id).ok_or(TransactionFault::NotAProducer(id))?;
        if self.producer(&id).is_some_and(|now| now.status == ProducerStatus::Exited) {
            return Err(TransactionFault::NotAProducer(id));
        }
        if !producer.status.awaits_sync_proof() {
            return Err(TransactionFault::NotSuspended(id));
        }
        let (height, may_return_at) = (self.context.height, producer.may_return_at);
        if height < may_return_at {
            return Err(TransactionFault::ReturnTooEarly { may_return_at, height });
        }
        if self.proven.contains(&id) {
            return Err(TransactionFault::DuplicateSyncProof(id));
        }
        let highest = Height(height.get().saturating_sub(1));
        let lowest = producer.lowest_proof(highest, self.params.max_desync_blocks);
        if proof.height < lowest || proof.height > highest {
            return Err(TransactionFault::SyncProofHeight { lowest, highest, got: proof.height });
        }
        if (self.context.recent)(proof.height) != Some(proof.hash) {
            return Err(TransactionFault::SyncProofBlock { height: proof.height, hash: proof.hash });
        }
        self.proven.insert(id);
        Ok(())
    }

    /// Ends the block: liveness, reward, supply invariant, state root.
    ///
    /// # Errors
    /// [`LedgerError`]; none of them can be caused by a block's sender.
    pub fn finish(mut self) -> Result<(State, Changes), LedgerError> {
        self.apply_liveness()?;
        let reward = self.pay_producer()?;
        let before = self.parent.supply();
        let supply = before.checked_add(reward).ok_or(LedgerError::Overflow { what: "total supply" })?;
        self.check_supply(before, supply)?;

        let changed = || self.accounts.iter().filter(|(_, touched)| touched.before != touched.now);
        let leaves = changed().map(|(address, t)| account_change_at(t.key, *address, t.now)).collect();
        let accounts = changed().map(|(address, touched)| (*address, touched.now)).collect();
        let producers: Vec<_> =
            self.producers.into_iter().filter(|(id, now)| self.parent.producer(id) != Some(now)).collect();
        let state = self.parent.with(leaves, &producers, supply);
        Ok((state, Changes { accounts, producers, supply }))
    }

    /// Pays reward and fees; returns the reward.
    fn pay_producer(&mut self) -> Result<u64, LedgerError> {
        let id = self.context.producer;
        let payout = self.producer(&id).ok_or(LedgerError::UnknownProducer(id))?.payout;
        let reward = self.params.block_reward.min(u64::MAX - self.parent.supply());
        let overflow = || LedgerError::Overflow { what: "the producer's balance" };
        let income = reward.checked_add(self.fees).ok_or_else(overflow)?;
        let balance = &mut self.touch(payout).now.balance;
        *balance = balance.checked_add(income).ok_or_else(overflow)?;
        Ok(reward)
    }

    fn check_supply(&self, before: u64, after: u64) -> Result<(), LedgerError> {
        let delta = |before: u64, after: u64| i128::from(after) - i128::from(before);
        let balances = self.accounts.values().map(|t| delta(t.before.balance, t.now.balance)).sum();
        let supply = delta(before, after);
        if balances == supply { Ok(()) } else { Err(LedgerError::SupplyBroken { balances, supply }) }
    }
}

/// The account's nonce after this one.
const fn next_nonce(expected: u64, got: u64) -> Result<u64, TransactionFault> {
    if got < expected {
        return Err(TransactionFault::NonceTooLow { expected, got });
    }
    if got > expected {
        return Err(TransactionFault::NonceTooHigh { expected, got });
    }
    match got.checked_add(1) {
        Some(next) => Ok(next),
        None => Err(TransactionFault::NonceExhausted),
    }
}
