//! The pool, and every change of a sender's list.

use std::collections::BTreeMap;

use vision_ledger::{Account, State};
use vision_primitives::{Address, Hash, SignedTransaction};

use crate::entry::Entry;
use crate::index::Index;
use crate::proofs::Proofs;
use crate::sender::Sender;
use crate::{DropReason, Dropped, Limits, Moment};

/// Transactions that wait for a block; see the crate's documentation. Unless a method says otherwise it
/// costs O(log n) for every transaction that it takes, drops or returns.
#[derive(Debug, Default)]
pub struct Mempool {
    pub(crate) limits: Limits,
    pub(crate) senders: BTreeMap<Address, Sender>,
    pub(crate) index: Index,
    pub(crate) proofs: Proofs,
    pub(crate) seen: Seen,
    pub(crate) next_seq: u64,
    /// Whether newcomers must leave alone what waits and could be in a block.
    pub(crate) spare: bool,
}

/// On which state the pool's senders were last seen.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// Root of the state of the last head it saw.
    pub(crate) root: Option<Hash>,
    /// Whether a transaction was admitted on another state since.
    pub(crate) mixed: bool,
}

/// A change of one sender's list.
pub(crate) enum Edit {
    /// None of its own: the account changed.
    Nothing,
    /// Takes one in, in place of the one with its nonce.
    Insert(Box<Entry>),
    /// Takes one out.
    Remove(u64, DropReason),
    /// Takes out this nonce and the later ones.
    Truncate(u64),
}

impl Mempool {
    /// An empty pool.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self { limits, ..Self::default() }
    }

    /// From now on newcomers displace for want of room only what waits behind a gap, which costs its sender
    /// nothing and may wait for ever; or they may displace the rest again. What comes back may in any case.
    pub const fn spare_what_waits(&mut self, spare: bool) {
        self.spare = spare;
    }

    /// A waiting transaction.
    #[must_use]
    pub fn get(&self, hash: &Hash) -> Option<&SignedTransaction> {
        let Some(place) = self.index.places.get(hash) else { return self.proofs.get(hash) };
        Some(&self.entry(place).transaction)
    }

    /// Since when a transaction waits; nothing is said of sync proofs, which their producer sends again and
    /// again.
    #[must_use]
    pub fn since(&self, hash: &Hash) -> Option<Moment> {
        self.index.places.get(hash).map(|place| self.entry(place).arrived)
    }

    /// The first nonce that is missing before a waiting transaction; none if a block may have it.
    #[must_use]
    pub fn missing_nonce(&self, hash: &Hash) -> Option<u64> {
        let (address, nonce) = self.index.places.get(hash)?;
        let sender = self.senders.get(address)?;
        let missing = sender.account.nonce.saturating_add(sender.ready as u64);
        (missing < *nonce).then_some(missing)
    }

    /// Whether a transaction waits; if so, its signature was verified.
    #[must_use]
    pub fn contains(&self, hash: &Hash) -> bool {
        self.index.places.contains_key(hash) || self.proofs.contains(hash)
    }

    /// How many wait, sync proofs included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.index.places.len() + self.proofs.len()
    }

    /// Whether none waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Their bytes as signed, sync proofs included.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.index.bytes + self.proofs.bytes()
    }

    /// All that wait of accounts and since when, the last to come first.
    pub fn newest(&self) -> impl Iterator<Item = (&SignedTransaction, Moment)> {
        let entries = self.index.ages.values().rev().map(|place| self.entry(place));
        entries.map(|entry| (&entry.transaction, entry.arrived))
    }

    /// Since when the one of an account waits that has waited longest.
    #[must_use]
    pub fn oldest(&self) -> Option<Moment> {
        let place = self.index.ages.values().next()?;
        Some(self.entry(place).arrived)
    }

    /// How many wait of accounts, and their bytes as signed; without the sync proofs of producers.
    #[must_use]
    pub fn of_accounts(&self) -> (usize, usize) {
        (self.index.places.len(), self.index.bytes)
    }

    /// All that wait, in an order in which an empty pool with the same limits takes all of them.
    pub fn iter(&self) -> impl Iterator<Item = &SignedTransaction> {
        let senders = self.senders.values();
        self.proofs.iter().chain(senders.flat_map(|sender| sender.waiting.iter().map(|e| &e.transaction)))
    }

    /// What waits of one account, by nonce; sync proofs are not among it.
    pub fn of(&self, address: &Address) -> impl Iterator<Item = &SignedTransaction> + use<'_> {
        let waiting = self.senders.get(address).map_or(&[][..], |sender| &sender.waiting);
        waiting.iter().map(|entry| &entry.transaction)
    }

    /// The nonce that the account's next transaction should bear: the first from its own on with which none
    /// waits.
    #[must_use]
    pub fn next_nonce(&self, address: &Address, state: &State) -> u64 {
        let next = state.account(address).nonce;
        let waiting = self.senders.get(address).map_or(&[][..], |sender| sender.from(next));
        let run = waiting.iter().zip(next..).take_while(|(entry, nonce)| entry.terms.nonce == *nonce).count();
        next.saturating_add(run as u64)
    }

    /// Drops what has waited for its lifetime. Later nonces of the sender wait on behind the gap.
    pub fn expire(&mut self, now: Moment) -> Vec<Dropped> {
        let mut dropped = Vec::new();
        while let Some(oldest) = self.index.ages.first_entry() {
            if now.running_ms.saturating_sub(oldest.key().0) < self.limits.lifetime_ms {
                break;
            }
            let (address, nonce) = oldest.remove();
            self.edit(&address, None, Edit::Remove(nonce, DropReason::Expired), &mut dropped);
        }
        dropped
    }

    /// Changes a sender's list, fits it to the account (as last seen, if `None`) and keeps every order.
    pub(crate) fn edit(
        &mut self,
        address: &Address,
        account: Option<Account>,
        edit: Edit,
        dropped: &mut Vec<Dropped>,
    ) {
        let index = &mut self.index;
        let sender = self.senders.entry(*address).or_default();
        index.unlink(address, sender);
        let mut gone = Vec::new();
        match edit {
            Edit::Nothing => {}
            Edit::Insert(entry) => {
                let by = entry.hash();
                match sender.position(entry.terms.nonce) {
                    Ok(at) => {
                        let old = std::mem::replace(&mut sender.waiting[at], *entry);
                        index.forget(&old);
                        let why = DropReason::Replaced { by };
                        dropped.push(Dropped { transaction: old.transaction, why });
                        index.enter(address, &sender.waiting[at]);
                    }
                    Err(at) => {
                        index.enter(address, &entry);
                        sender.waiting.insert(at, *entry);
                    }
                }
            }
            Edit::Remove(nonce, why) => {
                gone.extend(sender.position(nonce).map(|at| (sender.waiting.remove(at), why)));
            }
            Edit::Truncate(nonce) => {
                let (Ok(at) | Err(at)) = sender.position(nonce);
                gone.extend(sender.waiting.drain(at..).map(|entry| (entry, DropReason::Evicted)));
            }
        }
        gone.extend(sender.settle(account.unwrap_or(sender.account)));
        for (entry, why) in gone {
            index.forget(&entry);
            dropped.push(Dropped { transaction: entry.transaction, why });
        }
        if sender.waiting.is_empty() {
            self.senders.remove(address);
        } else {
            index.link(address, sender);
        }
    }
}
