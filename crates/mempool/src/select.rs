//! What comes into the next block, best first.

use std::cmp::{Ordering, Reverse};
use std::collections::{BTreeMap, BinaryHeap, btree_set};

use vision_ledger::State;
use vision_primitives::{Address, Invariant as _, SignedTransaction};

use crate::Mempool;
use crate::entry::Entry;
use crate::index::FrontKey;
use crate::sender::Sender;
use crate::worth::Price;

/// Candidates for a block, made as they are asked for.
#[derive(Debug)]
pub struct Selection<'a> {
    proofs: std::vec::IntoIter<&'a SignedTransaction>,
    senders: &'a BTreeMap<Address, Sender>,
    /// Senders not yet looked at, by their first transaction.
    fronts: Option<std::iter::Peekable<btree_set::Iter<'a, FrontKey>>>,
    opened: BinaryHeap<Run<'a>>,
    transactions: usize,
    bytes: usize,
}

/// What is left of a sender's executable transactions; never empty. The greatest comes first.
#[derive(Debug)]
struct Run<'a>(&'a [Entry]);

impl Run<'_> {
    fn key(&self) -> (Reverse<Price>, u64) {
        (Reverse(self.0[0].terms.price), self.0[0].seq)
    }
}

impl PartialEq for Run<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for Run<'_> {}

impl PartialOrd for Run<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Run<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        other.key().cmp(&self.key())
    }
}

impl Mempool {
    /// Candidates for a block on this state: all sync proofs, then, by fee per byte and of equals the oldest
    /// first, what the accounts can send and pay, every sender's in nonce order; of these at most
    /// `max_txs`, with at most `max_bytes` bytes as signed. One that is too long for the rest of the bytes
    /// ends its sender's turn, not the selection.
    ///
    /// In this order all of them apply, but for sync proofs that come too early or name another chain's
    /// block, and a registration or exit that one before it has forestalled. On another state than that of
    /// the head the pool last saw, every sender's account is looked up first.
    #[must_use]
    pub fn select<'a>(&'a self, state: &State, max_txs: usize, max_bytes: usize) -> Selection<'a> {
        let up_to_date = !self.seen.mixed && self.seen.root == Some(state.root());
        let opened = if up_to_date {
            BinaryHeap::new()
        } else {
            let senders = self.senders.iter();
            let runs = senders.map(|(address, sender)| sender.executable(state.account(address)));
            runs.filter(|run| !run.is_empty()).map(Run).collect()
        };
        Selection {
            proofs: self.proofs.iter().collect::<Vec<_>>().into_iter(),
            senders: &self.senders,
            fronts: up_to_date.then(|| self.index.fronts.iter().peekable()),
            opened,
            transactions: max_txs,
            bytes: max_bytes,
        }
    }
}

impl<'a> Selection<'a> {
    /// The best run there is.
    fn best(&mut self) -> Option<&'a [Entry]> {
        if let Some(fronts) = &mut self.fronts
            && let Some((price, seq, address)) = fronts.peek()
            && self.opened.peek().is_none_or(|run| (*price, *seq) < run.key())
        {
            fronts.next();
            let run = self.senders.get(address).and_then(|sender| sender.waiting.get(..sender.ready));
            return Some(run.invariant("a front names a sender with ready transactions"));
        }
        self.opened.pop().map(|run| run.0)
    }
}

impl<'a> Iterator for Selection<'a> {
    type Item = &'a SignedTransaction;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(proof) = self.proofs.next() {
            return Some(proof);
        }
        while self.transactions > 0 {
            let (first, rest) = self.best()?.split_first().invariant("a run is never empty");
            if first.size() > self.bytes {
                continue;
            }
            self.bytes -= first.size();
            self.transactions -= 1;
            if !rest.is_empty() {
                self.opened.push(Run(rest));
            }
            return Some(&first.transaction);
        }
        None
    }
}
