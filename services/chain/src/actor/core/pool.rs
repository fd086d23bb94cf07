//! The transactions that wait: screened, admitted, dropped, and brought back from blocks that the head has left.

mod owed;
mod restored;

use std::borrow::Cow;
use std::collections::BTreeMap;

use bytes::Bytes;
use tonic::Status;
use vision_ledger::TransactionFault;
use vision_mempool::{Context, DropReason, Dropped, Moment, Rejected};
use vision_primitives::{Action, Address, Hash, NodeId, SignedTransaction};
use vision_wire::{MAX_TRANSACTIONS_IN_MESSAGE, Reason};

use super::Core;
use crate::actor::turn::Turn;
use crate::intake::{Handed, Taken};
use crate::transactions::{Happened, Parties, What, fate};

/// One that was handed in here and waits so long is told again, milliseconds: a peer may have had no room for it.
const TELL_AGAIN_AFTER_MS: u64 = 3_000;

impl Core {
    /// What waits is judged by.
    fn with_pool<T>(&mut self, act: impl FnOnce(&mut vision_mempool::Mempool, &Context<'_>) -> T) -> T {
        let head = self.parts.tree.head();
        let params = &self.parts.rules.genesis.params;
        act(&mut self.pool, &Context { state: head.state(), head: head.height(), params })
    }

    /// What waits.
    pub const fn pool(&self) -> &vision_mempool::Mempool {
        &self.pool
    }

    /// A transaction that waits, and since when.
    pub fn waiting_transaction(&self, hash: &Hash) -> Option<(SignedTransaction, What)> {
        let transaction = self.pool.get(hash)?;
        Some((transaction.clone(), self.waits(hash)))
    }

    /// That one waits, since when, and for which nonce.
    fn waits(&self, hash: &Hash) -> What {
        let since = self.pool.since(hash).unwrap_or_default().wall;
        What::Waits { since, missing_nonce: self.pool.missing_nonce(hash) }
    }

    /// Why a transaction waits no more.
    pub fn dropped_transaction(&self, hash: &Hash) -> Option<What> {
        self.dropped.get(hash)
    }

    /// Whether the disk has yet to take what a turn has changed, so that the answer to a question may be out of reach.
    pub const fn is_behind(&self) -> bool {
        self.unwritten.is_some()
    }

    /// Hashes of all that wait, in an order in which they can be admitted elsewhere.
    pub fn waiting(&self) -> Vec<Hash> {
        self.pool.iter().map(SignedTransaction::hash).collect()
    }

    /// Bytes of those of these that still wait, from the first on and up to so many bytes, but one at least; and how many
    /// have been passed.
    pub fn waiting_part(&self, hashes: &[Hash], max_bytes: usize) -> (usize, Vec<Bytes>) {
        let (mut passed, mut size, mut part) = (0, 0, Vec::new());
        for hash in hashes {
            if let Some(transaction) = self.pool.get(hash) {
                size += transaction.bytes().len();
                if !part.is_empty() && (size > max_bytes || part.len() >= MAX_TRANSACTIONS_IN_MESSAGE) {
                    break;
                }
                part.push(Bytes::copy_from_slice(transaction.bytes()));
            }
            passed += 1;
        }
        (passed, part)
    }

    /// The nonce for one more transaction of an account.
    pub fn next_nonce(&self, address: &Address) -> u64 {
        self.pool.next_nonce(address, self.parts.tree.head().state())
    }

    /// Answers those that cannot be admitted; gives the others back, first those whose signature has been verified
    /// before.
    pub(super) fn screen(&mut self, batch: Vec<Handed>, turn: &mut Turn) -> (Vec<Handed>, Vec<Handed>) {
        let (mut known, mut unverified) = (Vec::new(), Vec::new());
        self.pool.spare_what_waits(self.owed(turn).spares_what_waits());
        for mut handed in batch {
            if self.unwritten.is_some() {
                handed.source.answer(Err(Self::store_unavailable()));
                continue;
            }
            let verdict = self.with_pool(|pool, context| pool.check(&handed.transaction, context));
            match verdict {
                Err(Rejected::Known) => self.known(handed, turn),
                Err(rejected) => self.turn_away(handed, &rejected),
                Ok(()) if self.verified.contains(&handed.transaction.hash()) => known.push(handed),
                Ok(()) => unverified.push(handed),
            }
        }
        (known, unverified)
    }

    /// Takes transactions whose signatures are right. They are acknowledged and passed on once they are stored.
    pub(super) fn admit(&mut self, batch: Vec<Handed>, turn: &mut Turn) {
        let now = self.moment();
        for mut handed in batch {
            let hash = handed.transaction.hash();
            self.verified.insert(hash);
            if self.unwritten.is_some() {
                handed.source.answer(Err(Self::store_unavailable()));
                continue;
            }
            let of_caller = handed.source.peer().is_none();
            let owed = self.owed(turn);
            if of_caller && !owed.takes_more() {
                self.turn_away_owing(handed);
                continue;
            }
            self.pool.spare_what_waits(owed.spares_what_waits());
            let transaction = handed.transaction.clone();
            match self.with_pool(|pool, context| pool.admit(transaction, context, now)) {
                Err(Rejected::Known) => self.known(handed, turn),
                Err(rejected) => self.turn_away(handed, &rejected),
                Ok(displaced) => {
                    self.parts.metrics.admitted.inc();
                    self.forget(&displaced, turn);
                    self.keep(&handed.transaction, now, of_caller, turn);
                    turn.happened.push(Happened {
                        hash,
                        parties: Parties::of(&handed.transaction),
                        what: self.waits(&hash),
                    });
                    turn.admitted.push(handed);
                }
            }
        }
    }

    fn turn_away(&self, mut handed: Handed, rejected: &Rejected) {
        self.parts.metrics.refused.get([rejected.reason()]).inc();
        handed.source.answer(Err(rejected_status(rejected)));
    }

    /// One that waits already comes in again. Its caller is told so when it lies in the store, as if it had been the first.
    fn known(&mut self, handed: Handed, turn: &mut Turn) {
        self.parts.metrics.refused.get([Rejected::Known.reason()]).inc();
        let hash = handed.transaction.hash();
        if handed.source.peer().is_some() {
            return;
        }
        if !self.kept.contains(&hash) {
            if !self.owed(turn).takes_more() {
                return self.turn_away_owing(handed);
            }
            let since = self.pool.since(&hash).unwrap_or_default();
            self.keep(&handed.transaction, since, true, turn);
        }
        turn.known.push(handed);
    }

    /// Puts one that waits into the store if it must lie there, or if what else waits of its sender does. Of one sender all lie there
    /// or none: after a start one may be of no use without those before it.
    fn keep(&mut self, transaction: &SignedTransaction, since: Moment, must: bool, turn: &mut Turn) {
        let hash = transaction.hash();
        let mut others =
            self.pool.of(&transaction.sender_address()).filter(|other| other.hash() != hash).peekable();
        let are_kept = others.peek().is_some_and(|other| self.kept.contains(&other.hash()));
        if !must && !are_kept {
            return;
        }
        self.kept.keep(transaction, since, &mut turn.commit);
        if !are_kept {
            for other in others {
                let since = self.pool.since(&other.hash()).unwrap_or(since);
                self.kept.keep(other, since, &mut turn.commit);
            }
        }
    }

    /// Notes what waits no more.
    fn forget(&mut self, dropped: &[Dropped], turn: &mut Turn) {
        let at = self.now();
        for Dropped { transaction, why } in dropped {
            let hash = transaction.hash();
            self.parts.metrics.dropped.get([why.reason()]).inc();
            self.note_fate(hash, why.clone(), at, turn);
            turn.happened.push(Happened {
                hash,
                parties: Parties::of(transaction),
                what: What::Dropped { why: why.clone(), at },
            });
        }
    }

    /// Makes the pool fit what the turn has done to the chain: what it has included or made useless leaves, what was in blocks
    /// that the head has left waits again.
    pub(super) fn settle_pool(&mut self, turn: &mut Turn) {
        if self.unwritten.is_some() {
            return;
        }
        let now = self.moment();
        let expired = self.pool.expire(now);
        self.forget(&expired, turn);
        if turn.moved.is_empty() {
            return;
        }
        let included = self.included(turn);
        self.parts.metrics.included.inc_by(included.len() as u64);
        let useless = self.tell_pool(turn);
        let (done, dropped): (Vec<_>, Vec<_>) =
            useless.into_iter().partition(|dropped| included.contains_key(&dropped.hash()));
        for hash in done.iter().map(Dropped::hash) {
            self.kept.drop(&hash, &mut turn.commit);
        }
        self.forget(&dropped, turn);
        let left: Vec<Hash> = turn.moved.iter().flat_map(|moved| moved.left.iter().rev().copied()).collect();
        // However many: one body at a time is in memory, and what finds no room in the pool is said to be dropped.
        for block in &left {
            for transaction in self.body(block, turn).into_owned() {
                if !included.contains_key(&transaction.hash()) {
                    turn.returned += 1;
                    self.readmit(transaction, now, turn);
                }
            }
        }
        turn.happened.extend(included.into_values());
        log_dropped(turn);
    }

    /// Tells the pool the new head; gives what can no longer wait.
    fn tell_pool(&mut self, turn: &Turn) -> Vec<Dropped> {
        let extended = turn.moved.iter().all(|moved| moved.reorg_depth == 0);
        let joined = turn.commit.chain.iter().filter_map(|(_, hash)| *hash);
        let changes: Option<Vec<_>> = joined
            .map(|joined| turn.commit.blocks.iter().find(|new| new.hash == joined).map(|new| &new.changes))
            .collect();
        let from = self.pool_root.replace(self.parts.tree.head().state().root());
        self.with_pool(|pool, context| match (from, changes) {
            (Some(from), Some(changes)) if extended => {
                let touched =
                    changes.iter().flat_map(|made| made.accounts.iter().map(|(address, _)| address));
                pool.head_extended(context, &from, touched)
            }
            _ => pool.head_moved(context),
        })
    }

    /// What the blocks that have joined the head's chain include.
    fn included(&self, turn: &Turn) -> BTreeMap<Hash, Happened> {
        let mut included = BTreeMap::new();
        // A height may have changed more than once in the turn: what was noted last is the case.
        let chain: BTreeMap<_, _> = turn.commit.chain.iter().copied().collect();
        for (height, block) in chain.into_iter().filter_map(|(height, block)| Some((height, block?))) {
            for (index, transaction) in (0_u32..).zip(self.body(&block, turn).iter()) {
                let hash = transaction.hash();
                let what = What::Included { height, block, index };
                included.insert(hash, Happened { hash, parties: Parties::of(transaction), what });
            }
        }
        included
    }

    /// Transactions of a block, of this turn or an earlier one. One that is pruned by now was left long ago.
    fn body<'a>(&self, block: &Hash, turn: &'a Turn) -> Cow<'a, [SignedTransaction]> {
        if let Some(accepted) = turn.accepted.iter().find(|accepted| accepted.block.hash() == *block) {
            return Cow::Borrowed(accepted.block.transactions());
        }
        let genesis_hash = &self.parts.rules.genesis_hash;
        let record = self.parts.store.block(block).unwrap_or_else(|error| {
            tracing::error!(%error, %block, "a block that the head has left or joined cannot be read");
            None
        });
        let bodies = record.into_iter().flat_map(|record| record.transactions);
        bodies.filter_map(|bytes| SignedTransaction::from_bytes(bytes, genesis_hash).ok()).collect()
    }

    /// Takes a transaction of a block that the head has left, or says why it cannot wait.
    fn readmit(&mut self, transaction: SignedTransaction, now: Moment, turn: &mut Turn) {
        let (hash, parties) = (transaction.hash(), Parties::of(&transaction));
        let again = transaction.clone();
        let is_proof = matches!(transaction.transaction().action, Action::SyncProof(_));
        let what = match self.with_pool(|pool, context| pool.admit_again(transaction, context, now)) {
            Ok(displaced) => {
                self.forget(&displaced, turn);
                self.keep(&again, now, true, turn);
                self.waits(&hash)
            }
            // It waits already.
            Err(_) if self.pool.contains(&hash) => return,
            Err(rejected) => {
                let why = if is_proof { DropReason::ProofUseless } else { drop_reason(rejected) };
                self.parts.metrics.dropped.get([why.reason()]).inc();
                // Whether it was acknowledged here is not known any more.
                if self.owed(turn).takes_one_of_a_left_block() {
                    turn.commit.fates.insert(hash, fate(&why, now.wall));
                }
                self.dropped.insert(hash, why.clone(), now.wall);
                What::Dropped { why, at: now.wall }
            }
        };
        turn.happened.push(Happened { hash, parties, what });
    }

    /// Tells the peers again of what was handed in here and still waits, a part of it when the head moves.
    pub(super) fn tell_again(&mut self) {
        let now = self.moment();
        let waits = |hash: &Hash| {
            self.pool.since(hash).is_some_and(|since| now.since_ms(since) >= TELL_AGAIN_AFTER_MS)
        };
        let old = self.kept.next_part(self.parts.clock.monotonic_ms()).into_iter().filter(waits);
        let bytes = |hash: Hash| self.pool.get(&hash).map(|one| Bytes::copy_from_slice(one.bytes()));
        let transactions: Vec<Bytes> = old.filter_map(bytes).collect();
        self.parts.peers.broadcast_transactions(&transactions, None);
    }

    /// Passes on what was admitted in a turn, to every peer but the one it came from.
    pub(super) fn pass_on(&mut self, admitted: Vec<Handed>) {
        let mut by_source: BTreeMap<Option<NodeId>, Vec<Bytes>> = BTreeMap::new();
        for mut handed in admitted {
            let bytes = Bytes::copy_from_slice(handed.transaction.bytes());
            by_source.entry(handed.source.peer()).or_default().push(bytes);
            if handed.source.peer().is_none() {
                let missing_nonce = self.pool.missing_nonce(&handed.transaction.hash());
                handed.source.answer(Ok(Taken { missing_nonce }));
            }
        }
        for (source, transactions) in by_source {
            self.parts.peers.broadcast_transactions(&transactions, source.as_ref());
        }
    }
}

/// One line for all that a reorganisation has cost: each was acknowledged by some node.
fn log_dropped(turn: &Turn) {
    if turn.moved.iter().all(|moved| moved.reorg_depth == 0) {
        return;
    }
    let mut dropped: BTreeMap<&'static str, u64> = BTreeMap::new();
    for happened in &turn.happened {
        if let What::Dropped { why, .. } = &happened.what {
            *dropped.entry(why.reason()).or_default() += 1;
        }
    }
    if !dropped.is_empty() {
        tracing::warn!(?dropped, "transactions that waited are dropped after a reorganisation");
    }
}

/// Why a transaction of a block that was left does not wait again.
fn drop_reason(rejected: Rejected) -> DropReason {
    match rejected {
        Rejected::Fault(TransactionFault::NonceTooLow { .. }) => DropReason::NonceUsed,
        Rejected::Fault(TransactionFault::InsufficientBalance { .. }) => DropReason::Unaffordable,
        Rejected::Fault(fault) => DropReason::Fault(fault),
        // Another one has its place, or all others are worth more.
        Rejected::Known | Rejected::NonceGap { .. } | Rejected::Underpriced { .. } | Rejected::Full => {
            DropReason::Evicted
        }
    }
}

pub(super) fn rejected_status(rejected: &Rejected) -> Status {
    let reason = match rejected {
        Rejected::Known => Reason::TransactionKnown,
        Rejected::Fault(_) => Reason::InvalidTransaction,
        Rejected::NonceGap { .. } => Reason::NonceGap,
        Rejected::Underpriced { .. } => Reason::Underpriced,
        Rejected::Full => Reason::PoolFull,
    };
    vision_wire::status(reason, rejected.to_string(), &[("rule", rejected.reason().to_owned())])
}
