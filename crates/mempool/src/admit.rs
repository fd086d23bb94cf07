//! Whether a transaction may wait, and what it displaces.

use std::collections::BTreeMap;

use vision_ledger::{Account, TransactionFault, check_form};
use vision_primitives::{Address, SignedTransaction};

use crate::entry::{Entry, Terms, balance_needed};
use crate::index::Place;
use crate::pool::Edit;
use crate::proofs::proof_in;
use crate::registry::check_registry;
use crate::room::Newcomer;
use crate::sender::worth;
use crate::worth::{Worth, replacement_fee};
use crate::{Context, DropReason, Dropped, Limits, Mempool, Moment, NONCE_WINDOW, RETAINED_WINDOW, Rejected};

/// How an account's transaction gets in.
struct Plan {
    sender: Address,
    account: Account,
    terms: Terms,
    worth: Worth,
    /// Another sender's that waits to make the same producer's record.
    rival: Option<Place>,
    /// Senders and the first of their nonces that leave for want of room.
    evicted: BTreeMap<Address, u64>,
}

/// How much may wait with a transaction that wants in.
#[derive(Clone, Copy)]
struct Bounds {
    window: u64,
    limits: Limits,
    /// Whether what waits and could be in a block stays, however little it is worth.
    spare: bool,
}

impl Mempool {
    /// Everything but the signatures (the sender's, and the proof of possession in a registration), which
    /// are worth verifying after this. Changes nothing. [`Mempool::admit`] right after it says the same.
    ///
    /// # Errors
    /// [`Rejected`].
    pub fn check(&self, transaction: &SignedTransaction, context: &Context<'_>) -> Result<(), Rejected> {
        self.check_new(transaction, context)?;
        match proof_in(transaction) {
            Some(proof) => self.proofs.check(&transaction.sender_address(), proof.height, context),
            None => self.plan(transaction, context, self.for_newcomers()).map(drop),
        }
    }

    /// Takes a transaction whose signatures the caller has verified: the sender's, and the proof of
    /// possession in a registration. Says what it displaced.
    ///
    /// # Errors
    /// [`Rejected`]; then nothing has changed.
    pub fn admit(
        &mut self,
        transaction: SignedTransaction,
        context: &Context<'_>,
        now: Moment,
    ) -> Result<Vec<Dropped>, Rejected> {
        self.take(transaction, context, now, self.for_newcomers())
    }

    /// The same for one that has waited before, or was in a block that the head has left: there is room for
    /// half as many more, and its nonce may be twice as far above the account's.
    ///
    /// # Errors
    /// [`Rejected`]; then nothing has changed.
    pub fn admit_again(
        &mut self,
        transaction: SignedTransaction,
        context: &Context<'_>,
        now: Moment,
    ) -> Result<Vec<Dropped>, Rejected> {
        self.take(
            transaction,
            context,
            now,
            Bounds { window: RETAINED_WINDOW, limits: self.limits.with_spare(), spare: false },
        )
    }

    /// Those who come now grow the pool to its limits and no further; where it is beyond them, each takes the
    /// room of what leaves for it.
    fn for_newcomers(&self) -> Bounds {
        let limits = Limits {
            transactions: self.limits.transactions.max(self.index.places.len()),
            bytes: self.limits.bytes.max(self.index.bytes),
            ..self.limits
        };
        Bounds { window: NONCE_WINDOW, limits, spare: self.spare }
    }

    fn take(
        &mut self,
        transaction: SignedTransaction,
        context: &Context<'_>,
        now: Moment,
        bounds: Bounds,
    ) -> Result<Vec<Dropped>, Rejected> {
        self.check_new(&transaction, context)?;
        if let Some(proof) = proof_in(&transaction) {
            let (id, height) = (transaction.sender_address(), proof.height);
            self.proofs.check(&id, height, context)?;
            return Ok(self.proofs.insert(id, height, transaction).into_iter().collect());
        }
        let Plan { sender, account, terms, worth, rival, evicted } =
            self.plan(&transaction, context, bounds)?;

        self.saw(context);
        let (mut dropped, by) = (Vec::new(), transaction.hash());
        if let Some((address, nonce)) = rival {
            self.edit(&address, None, Edit::Remove(nonce, DropReason::Replaced { by }), &mut dropped);
        }
        for (address, nonce) in evicted {
            self.edit(&address, None, Edit::Truncate(nonce), &mut dropped);
        }
        let seq = self.next_seq;
        self.next_seq += 1;
        let entry = Entry { transaction, terms, arrived: now, seq, worth };
        self.edit(&sender, Some(account), Edit::Insert(Box::new(entry)), &mut dropped);
        Ok(dropped)
    }

    fn check_new(&self, transaction: &SignedTransaction, context: &Context<'_>) -> Result<(), Rejected> {
        if self.contains(&transaction.hash()) {
            return Err(Rejected::Known);
        }
        Ok(check_form(transaction.transaction(), context.params)?)
    }

    fn plan(
        &self,
        transaction: &SignedTransaction,
        context: &Context<'_>,
        bounds: Bounds,
    ) -> Result<Plan, Rejected> {
        let sender = transaction.sender_address();
        let account = context.state.account(&sender);
        let terms = Terms::of(transaction, &sender);
        check_nonce(account.nonce, terms.nonce, bounds.window)?;

        let waiting = self.senders.get(&sender).map_or(&[][..], |known| known.from(account.nonce));
        let found = waiting.binary_search_by_key(&terms.nonce, |entry| entry.terms.nonce);
        let (Ok(at) | Err(at)) = found;
        let (before, after) = (&waiting[..at], &waiting[at + usize::from(found.is_ok())..]);
        let replaced = found.is_ok().then(|| &waiting[at]);
        if let Some(old) = replaced {
            check_replacement(old, &terms)?;
        }
        // As many before it as there are nonces, or there is a gap.
        let ready = at as u64 == terms.nonce - account.nonce;
        let least = before.iter().map(|entry| Worth { ready, price: entry.terms.price }).min();
        let worth = worth(least, ready, &terms);

        let rival = match terms.registers {
            Some(_) if !ready => {
                let missing = before.iter().zip(account.nonce..).find(|(e, nonce)| e.terms.nonce != *nonce);
                let expected = missing.map_or(account.nonce + at as u64, |(_, nonce)| nonce);
                return Err(TransactionFault::NonceTooHigh { expected, got: terms.nonce }.into());
            }
            Some(id) => {
                check_registry(transaction, &id, context)?;
                self.rival(&(sender, terms.nonce), &terms, worth, transaction)?
            }
            None => None,
        };

        let all = before.iter().map(|e| &e.terms).chain([&terms]).chain(after.iter().map(|e| &e.terms));
        let needed = balance_needed(all);
        if needed > u128::from(account.balance) {
            let needed = u64::try_from(needed).unwrap_or(u64::MAX);
            return Err(TransactionFault::InsufficientBalance { balance: account.balance, needed }.into());
        }

        let place = (sender, terms.nonce);
        let replaces = replaced.map(|_| place).into_iter().chain(rival).collect();
        let newcomer = Newcomer { place, worth, size: terms.size, replaces, spares: bounds.spare };
        let evicted = self.room_for(&newcomer, &bounds.limits).ok_or(Rejected::Full)?;
        Ok(Plan { sender, account, terms, worth, rival, evicted })
    }

    /// The waiting transaction of another sender that is about the same producer and has to give way.
    fn rival(
        &self,
        place: &Place,
        terms: &Terms,
        worth: Worth,
        transaction: &SignedTransaction,
    ) -> Result<Option<Place>, Rejected> {
        let Some(id) = terms.registers else { return Ok(None) };
        let Some(held) = self.index.registry.get(&id).filter(|held| *held != place) else { return Ok(None) };
        let old = self.entry(held);
        if held.0 == place.0 {
            // One of the two would come first, and then the other does not apply.
            let exit = transaction.transaction().action == vision_primitives::Action::ExitProducer;
            let fault = if exit {
                TransactionFault::NotAProducer(id)
            } else {
                TransactionFault::AlreadyRegistered(id)
            };
            return Err(fault.into());
        }
        check_replacement(old, terms)?;
        if worth <= old.worth {
            return Err(underpriced(old, terms));
        }
        Ok(Some(*held))
    }

    /// Notes the state on which a sender is about to be seen.
    fn saw(&mut self, context: &Context<'_>) {
        let root = Some(context.state.root());
        if self.senders.is_empty() {
            self.seen.root = root;
            self.seen.mixed = false;
        } else if self.seen.root != root {
            self.seen.mixed = true;
        }
    }
}

fn check_nonce(next: u64, got: u64, window: u64) -> Result<(), Rejected> {
    if got < next {
        return Err(TransactionFault::NonceTooLow { expected: next, got }.into());
    }
    if got - next >= window {
        return Err(Rejected::NonceGap { next, got });
    }
    if got == u64::MAX {
        return Err(TransactionFault::NonceExhausted.into());
    }
    Ok(())
}

fn check_replacement(old: &Entry, terms: &Terms) -> Result<(), Rejected> {
    let needed = replacement_fee(old.terms.fee, old.size(), terms.size);
    if u128::from(terms.fee) < needed { Err(underpriced(old, terms)) } else { Ok(()) }
}

fn underpriced(old: &Entry, terms: &Terms) -> Rejected {
    let needed = replacement_fee(old.terms.fee, old.size(), terms.size);
    Rejected::Underpriced { needed: u64::try_from(needed).unwrap_or(u64::MAX) }
}
