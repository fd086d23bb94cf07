//! What happens to transactions, as told to watchers, and what is remembered of those that are gone.

use std::sync::Arc;

use vision_mempool::DropReason;
use vision_primitives::trace::HeightTrace;
use vision_primitives::{
    Action, Address, Hash, Height, RecentMap, RecentSet, SignedTransaction, TimestampMs,
};
use vision_wire::EventLog;
use vision_wire::chain::{self as proto, transaction_info::Place};

use crate::store::Fate;

/// Dropped transactions remembered.
const MAX_DROPPED: usize = 32_768;
/// Hashes remembered of transactions whose signature was verified.
const MAX_VERIFIED: usize = 65_536;

/// Turns in which something happened to transactions.
pub type Happenings = EventLog<Arc<Vec<Happened>>>;

/// The accounts that a transaction concerns.
#[derive(Clone, Copy, Debug)]
pub struct Parties {
    sender: Address,
    receiver: Option<Address>,
}

impl Parties {
    /// Those of a transaction.
    pub fn of(transaction: &SignedTransaction) -> Self {
        let receiver = match &transaction.transaction().action {
            Action::Transfer { to, .. } => Some(*to),
            _ => None,
        };
        Self { sender: transaction.sender_address(), receiver }
    }

    /// Whether an account is one of them.
    pub fn include(&self, address: &Address) -> bool {
        self.sender == *address || self.receiver == Some(*address)
    }
}

/// What happened to a transaction.
#[derive(Clone, Debug)]
pub enum What {
    /// It waits; behind a gap, for the nonce that is missing first.
    Waits { since: TimestampMs, missing_nonce: Option<u64> },
    /// It is in a block of the head's chain.
    Included { height: Height, block: Hash, index: u32 },
    /// It waits no more.
    Dropped { why: DropReason, at: TimestampMs },
}

impl What {
    /// As callers are told.
    pub fn to_proto(&self, genesis_hash: &Hash, finalized: Height) -> Place {
        match self {
            Self::Waits { since, missing_nonce } => {
                Place::Waiting(proto::Waiting { since_ms: since.get(), missing_nonce: *missing_nonce })
            }
            Self::Included { height, block, index } => Place::Included(proto::Included {
                height: height.get(),
                block_hash: block.to_string(),
                index: *index,
                finalized: *height <= finalized,
                proof: None,
                trace_id: HeightTrace::of(genesis_hash, *height).to_string(),
            }),
            Self::Dropped { why, at } => dropped_to_proto(fate(why, *at)),
        }
    }

    /// Whether nothing more is to be expected.
    pub const fn is_end(&self) -> bool {
        matches!(self, Self::Included { .. } | Self::Dropped { .. })
    }
}

/// As it lies in the store.
pub fn fate(why: &DropReason, at: TimestampMs) -> Fate {
    let replaced_by = match why {
        DropReason::Replaced { by } => Some(*by),
        _ => None,
    };
    Fate { reason: why.reason().to_owned(), at, replaced_by }
}

/// As callers are told.
pub fn dropped_to_proto(Fate { reason, at, replaced_by }: Fate) -> Place {
    let replaced_by = replaced_by.map(|by| by.to_string()).unwrap_or_default();
    Place::Dropped(proto::Dropped { reason, at_ms: at.get(), replaced_by })
}

/// A transaction to which something happened.
#[derive(Clone, Debug)]
pub struct Happened {
    /// Its hash.
    pub hash: Hash,
    /// The accounts it concerns.
    pub parties: Parties,
    /// What happened.
    pub what: What,
}

impl Happened {
    /// Whether it concerns an account.
    pub fn concerns(&self, address: Option<&Address>) -> bool {
        address.is_none_or(|address| self.parties.include(address))
    }

    /// As watchers are told.
    pub fn to_proto(&self, genesis_hash: &Hash, finalized: Height) -> proto::TransactionInfo {
        proto::TransactionInfo {
            hash: self.hash.to_string(),
            transaction: None,
            place: Some(self.what.to_proto(genesis_hash, finalized)),
            sender: self.parties.sender.to_string(),
            receiver: self.parties.receiver.map(|receiver| receiver.to_string()).unwrap_or_default(),
        }
    }
}

/// The last transactions that were dropped.
pub struct DroppedLog(RecentMap<Hash, (DropReason, TimestampMs)>);

impl Default for DroppedLog {
    fn default() -> Self {
        Self(RecentMap::new(MAX_DROPPED))
    }
}

impl DroppedLog {
    /// Notes one.
    pub fn insert(&mut self, hash: Hash, why: DropReason, at: TimestampMs) {
        self.0.insert(hash, (why, at));
    }

    /// Why and when one was dropped.
    pub fn get(&self, hash: &Hash) -> Option<What> {
        self.0.get(hash).map(|(why, at)| What::Dropped { why: why.clone(), at: *at })
    }
}

/// The transactions whose signatures were verified last.
pub struct RecentHashes(RecentSet<Hash>);

impl Default for RecentHashes {
    fn default() -> Self {
        Self(RecentSet::new(MAX_VERIFIED))
    }
}

impl RecentHashes {
    /// Remembers one; the oldest is forgotten.
    pub fn insert(&mut self, hash: Hash) {
        self.0.insert(hash);
    }

    /// Whether one is remembered.
    pub fn contains(&self, hash: &Hash) -> bool {
        self.0.contains(hash)
    }
}

#[cfg(test)]
mod tests {
    use vision_primitives::hash;

    use super::*;

    #[test]
    fn what_is_remembered_is_bounded_and_the_oldest_goes() {
        let nth = |n: usize| hash(&[&n.to_le_bytes()]);
        let (mut dropped, mut recent) = (DroppedLog::default(), RecentHashes::default());
        for n in 0..=MAX_VERIFIED {
            dropped.insert(nth(n), DropReason::Expired, TimestampMs(n as u64));
            recent.insert(nth(n));
            recent.insert(nth(n));
        }
        let cases = [
            ("dropped, newest", dropped.get(&nth(MAX_VERIFIED)).is_some(), true),
            ("dropped, last kept", dropped.get(&nth(MAX_VERIFIED + 1 - MAX_DROPPED)).is_some(), true),
            ("dropped, first gone", dropped.get(&nth(MAX_VERIFIED - MAX_DROPPED)).is_some(), false),
            ("recent, newest", recent.contains(&nth(MAX_VERIFIED)), true),
            ("recent, last kept", recent.contains(&nth(1)), true),
            ("recent, first gone", recent.contains(&nth(0)), false),
        ];
        for (desc, got, expect) in cases {
            assert_eq!(got, expect, "{desc}");
        }
        assert_eq!((dropped.0.len(), recent.0.len()), (MAX_DROPPED, MAX_VERIFIED));
    }
}
