//! The orders in which the pool finds its transactions without a walk over all of them.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use vision_primitives::{Address, Hash, NodeId};

use crate::entry::Entry;
use crate::sender::Sender;
use crate::worth::{Price, Worth};

/// Sender and nonce.
pub(crate) type Place = (Address, u64);

/// A sender by what its last transaction is worth; of equals the one of whom most wait comes first.
pub(crate) type TailKey = (Worth, Reverse<usize>, Address);

/// A sender by its first transaction: the best price first, of equals the oldest.
pub(crate) type FrontKey = (Reverse<Price>, u64, Address);

/// Everything that is known of the waiting transactions besides their senders' lists.
#[derive(Debug, Default)]
pub(crate) struct Index {
    pub(crate) places: BTreeMap<Hash, Place>,
    /// The least worthy transaction is the last one of the first sender here.
    pub(crate) tails: BTreeSet<TailKey>,
    /// Senders whose first transaction can be executed.
    pub(crate) fronts: BTreeSet<FrontKey>,
    /// By arrival: how long the node had run, and the number of the admission.
    pub(crate) ages: BTreeMap<(u64, u64), Place>,
    /// The one transaction that may wait to make or end a producer's record.
    pub(crate) registry: BTreeMap<NodeId, Place>,
    pub(crate) bytes: usize,
}

impl Index {
    /// Enters what depends on a sender's whole list.
    pub(crate) fn link(&mut self, address: &Address, sender: &Sender) {
        self.tails.extend(tail_key(address, &sender.waiting));
        self.fronts.extend(front_key(address, sender));
    }

    /// Takes it out, before the list changes.
    pub(crate) fn unlink(&mut self, address: &Address, sender: &Sender) {
        if let Some(key) = tail_key(address, &sender.waiting) {
            self.tails.remove(&key);
        }
        if let Some(key) = front_key(address, sender) {
            self.fronts.remove(&key);
        }
    }

    /// Enters what depends on one transaction alone.
    pub(crate) fn enter(&mut self, address: &Address, entry: &Entry) {
        let place = (*address, entry.terms.nonce);
        self.places.insert(entry.hash(), place);
        self.ages.insert((entry.arrived.running_ms, entry.seq), place);
        if let Some(id) = entry.terms.registers {
            self.registry.insert(id, place);
        }
        self.bytes += entry.size();
    }

    /// Takes it out.
    pub(crate) fn forget(&mut self, entry: &Entry) {
        self.places.remove(&entry.hash());
        self.ages.remove(&(entry.arrived.running_ms, entry.seq));
        if let Some(id) = entry.terms.registers {
            self.registry.remove(&id);
        }
        self.bytes -= entry.size();
    }
}

/// The key of a sender with these waiting.
pub(crate) fn tail_key(address: &Address, waiting: &[Entry]) -> Option<TailKey> {
    waiting.last().map(|last| (last.worth, Reverse(waiting.len()), *address))
}

fn front_key(address: &Address, sender: &Sender) -> Option<FrontKey> {
    let first = sender.waiting.first().filter(|_| sender.ready > 0)?;
    Some((Reverse(first.terms.price), first.seq, *address))
}
