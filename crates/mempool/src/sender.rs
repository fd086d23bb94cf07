//! What waits of one account.

use vision_ledger::{Account, TransactionFault};

use crate::entry::{Entry, Terms};
use crate::worth::Worth;
use crate::{DropReason, RETAINED_WINDOW};

/// One account's waiting transactions.
#[derive(Debug, Default)]
pub(crate) struct Sender {
    /// The account as last seen.
    pub(crate) account: Account,
    /// Nonces ascending; at most [`RETAINED_WINDOW`].
    pub(crate) waiting: Vec<Entry>,
    /// How many of them, from the first on, follow the account's nonce without a gap.
    pub(crate) ready: usize,
}

impl Sender {
    /// Where this nonce is, or belongs.
    pub(crate) fn position(&self, nonce: u64) -> Result<usize, usize> {
        self.waiting.binary_search_by_key(&nonce, |entry| entry.terms.nonce)
    }

    /// The ones with this nonce or a later one.
    pub(crate) fn from(&self, nonce: u64) -> &[Entry] {
        let (Ok(at) | Err(at)) = self.position(nonce);
        &self.waiting[at..]
    }

    /// How many of those that an account could send now it can also pay.
    pub(crate) fn executable(&self, account: Account) -> &[Entry] {
        let waiting = self.from(account.nonce);
        let affordable = affordable(waiting, account.balance);
        let without_gap = waiting
            .iter()
            .zip(account.nonce..)
            .take_while(|(entry, nonce)| entry.terms.nonce == *nonce)
            .count();
        &waiting[..affordable.min(without_gap)]
    }

    /// Fits what waits to the account and says what had to go. Afterwards every nonce is in the window, the
    /// balance covers everything, and `worth` and `ready` are right.
    pub(crate) fn settle(&mut self, account: Account) -> Vec<(Entry, DropReason)> {
        self.account = account;
        let mut gone = Vec::new();
        let mut part = |entries: std::vec::Drain<'_, Entry>, why: DropReason| {
            gone.extend(entries.map(|entry| (entry, why.clone())));
        };
        let used = self.waiting.partition_point(|entry| entry.terms.nonce < account.nonce);
        part(self.waiting.drain(..used), DropReason::NonceUsed);
        let inside =
            self.waiting.partition_point(|entry| entry.terms.nonce - account.nonce < RETAINED_WINDOW);
        part(self.waiting.drain(inside..), DropReason::Evicted);
        let affordable = affordable(&self.waiting, account.balance);
        part(self.waiting.drain(affordable..), DropReason::Unaffordable);

        let without_gap = self.waiting.iter().zip(account.nonce..);
        self.ready = without_gap.take_while(|(entry, nonce)| entry.terms.nonce == *nonce).count();
        // One behind a gap would keep others from registering the producer without ever doing it.
        for at in (self.ready..self.waiting.len()).rev() {
            if self.waiting[at].terms.registers.is_some() {
                let entry = self.waiting.remove(at);
                let expected = account.nonce.saturating_add(self.ready as u64);
                let fault = TransactionFault::NonceTooHigh { expected, got: entry.terms.nonce };
                gone.push((entry, DropReason::Fault(fault)));
            }
        }
        let mut before = None;
        for (at, entry) in self.waiting.iter_mut().enumerate() {
            entry.worth = worth(before, at < self.ready, &entry.terms);
            before = Some(entry.worth);
        }
        gone
    }
}

/// What one is worth behind those before it.
pub(crate) fn worth(before: Option<Worth>, ready: bool, terms: &Terms) -> Worth {
    let price = before.map_or(terms.price, |before| before.price.min(terms.price));
    Worth { ready, price }
}

/// How many from the first on the balance covers.
fn affordable(waiting: &[Entry], balance: u64) -> usize {
    let mut rest = u128::from(balance);
    for (at, Entry { terms, .. }) in waiting.iter().enumerate() {
        if terms.needs > rest {
            return at;
        }
        rest -= terms.costs;
    }
    waiting.len()
}
