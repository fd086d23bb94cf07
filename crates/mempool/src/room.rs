//! What would have to leave for a newcomer.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use vision_primitives::{Address, Invariant as _};

use crate::entry::Entry;
use crate::index::{Place, TailKey, tail_key};
use crate::worth::Worth;
use crate::{Limits, Mempool};

/// Somebody who wants in.
pub(crate) struct Newcomer {
    pub(crate) place: Place,
    pub(crate) worth: Worth,
    /// Bytes as signed.
    pub(crate) size: usize,
    /// What leaves for it in any case, because it takes their place. Another sender's is a registration like
    /// the newcomer, and as long: then nothing else has to leave.
    pub(crate) replaces: Vec<Place>,
    /// Only what waits behind a gap may leave for it, and only if it does not wait behind one itself.
    pub(crate) spares: bool,
}

impl Newcomer {
    fn displaces(&self, worth: Worth) -> bool {
        worth < self.worth && (!self.spares || self.worth.ready && !worth.ready)
    }
}

impl Mempool {
    /// The senders whose last transactions must leave to make room, each with the first nonce to go; `None`
    /// if something would have to leave that is worth as much. Changes nothing.
    pub(crate) fn room_for(&self, newcomer: &Newcomer, limits: &Limits) -> Option<BTreeMap<Address, u64>> {
        let (sender, nonce) = newcomer.place;
        let most_bytes = limits.bytes.checked_sub(newcomer.size)?;
        let most = limits.transactions.checked_sub(1)?;
        let replaced = newcomer.replaces.iter().map(|place| self.entry(place));
        let (mut count, mut bytes) = (self.index.places.len(), self.index.bytes);
        for entry in replaced {
            (count, bytes) = (count - 1, bytes - entry.size());
        }

        let mut evicted = BTreeMap::new();
        let mut untouched = self.index.tails.iter().copied().peekable();
        // Senders of whom some leave already, by what is then their last.
        let mut opened: BinaryHeap<Reverse<TailKey>> = BinaryHeap::new();
        while count > most || bytes > most_bytes {
            let from_opened = match (opened.peek(), untouched.peek()) {
                (Some(Reverse(opened)), Some(untouched)) => opened < untouched,
                (opened, _) => opened.is_some(),
            };
            let key = if from_opened { opened.pop().map(|key| key.0) } else { untouched.next() };
            let (worth, Reverse(left), address) = key?;
            if !newcomer.displaces(worth) {
                return None;
            }
            let sender_waiting = self.senders.get(&address).and_then(|known| known.waiting.get(..left));
            let (last, rest) = sender_waiting
                .and_then(<[Entry]>::split_last)
                .invariant("a tail names a sender of whom so many wait, at least one");
            if address == sender && last.terms.nonce <= nonce {
                // Its own predecessors stay; what it replaces is counted.
                continue;
            }
            evicted.insert(address, last.terms.nonce);
            (count, bytes) = (count - 1, bytes - last.size());
            opened.extend(tail_key(&address, rest).map(Reverse));
        }
        Some(evicted)
    }

    /// What waits at a place that the index names.
    pub(crate) fn entry(&self, (address, nonce): &Place) -> &Entry {
        let sender = self.senders.get(address);
        let found = sender.and_then(|sender| Some(&sender.waiting[sender.position(*nonce).ok()?]));
        found.invariant("the index names only places at which something waits")
    }
}
