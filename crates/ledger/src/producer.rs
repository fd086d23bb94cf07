//! Producers of the registry and the leaves they make in the state tree.

use borsh::{BorshDeserialize, BorshSerialize};
use vision_primitives::{Address, Hash, Height, PublicKey, encode, hash};

use crate::tree::{Summary, Value};

/// Where a producer stands in its life.
#[derive(Clone, Copy, PartialEq, Eq, Debug, BorshSerialize, BorshDeserialize)]
pub enum ProducerStatus {
    /// Registered but never yet active: owns no slot and does not count in n.
    Candidate,
    /// Owns slots.
    Active,
    /// Has missed too many slots: owns only tail slots until a sync proof brings it back.
    Suspended,
    /// Left for good.
    Exited,
}

impl ProducerStatus {
    /// Whether it is in the registered pool, which n counts.
    #[must_use]
    pub const fn is_registered(self) -> bool {
        matches!(self, Self::Active | Self::Suspended)
    }

    /// Whether a sync proof can make it active.
    #[must_use]
    pub const fn awaits_sync_proof(self) -> bool {
        matches!(self, Self::Candidate | Self::Suspended)
    }
}

/// One producer's record. Records are never removed, so that a key that left cannot return.
#[derive(Clone, PartialEq, Eq, Debug, BorshSerialize, BorshDeserialize)]
pub struct Producer {
    /// The key that signs its blocks and its sync proofs.
    pub public_key: PublicKey,
    /// The account that gets its rewards and fees.
    pub payout: Address,
    /// Where it stands.
    pub status: ProducerStatus,
    /// Slots missed since its last block or return.
    pub missed: u64,
    /// s of the back-off: suspensions, halved for every 10,000 blocks without one.
    pub suspensions: u64,
    /// Height of the last suspension, or of the registration; 0 for a genesis producer never suspended.
    pub suspended_at: Height,
    /// Lowest height whose block may hold its sync proof; 0 if it was never suspended.
    pub may_return_at: Height,
}

impl Producer {
    /// A producer of the genesis file, active from height 1.
    #[must_use]
    pub const fn of_genesis(public_key: PublicKey, payout: Address) -> Self {
        Self {
            public_key,
            payout,
            status: ProducerStatus::Active,
            missed: 0,
            suspensions: 0,
            suspended_at: Height::GENESIS,
            may_return_at: Height::GENESIS,
        }
    }
}

impl Producer {
    /// The lowest height that its sync proof may name in a block on a parent of height `highest`. A proof
    /// from before the suspension says nothing about the time since, and anybody could send it again.
    #[must_use]
    pub fn lowest_proof(&self, highest: Height, max_desync_blocks: u64) -> Height {
        Height(highest.get().saturating_sub(max_desync_blocks)).max(self.suspended_at)
    }
}

impl Value for Producer {
    type Summary = Census;

    fn value_hash(&self) -> Hash {
        hash(&[&encode(self)])
    }

    fn summary(&self) -> Census {
        let one_if = |yes| u64::from(yes);
        let active = self.status == ProducerStatus::Active;
        Census {
            active: one_if(active),
            suspended: one_if(self.status == ProducerStatus::Suspended),
            candidates: one_if(self.status == ProducerStatus::Candidate),
            most_missed: if active { self.missed } else { 0 },
        }
    }
}

/// How many producers there are of each kind; kept at every fork of the tree so that neither n nor
/// the producers due for suspension need a walk over all of them.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Census {
    /// Active ones.
    pub active: u64,
    /// Suspended ones.
    pub suspended: u64,
    /// Those that have never been active.
    pub candidates: u64,
    /// The most slots that any active one has missed.
    pub most_missed: u64,
}

impl Census {
    /// n: registered producers, the suspended ones included.
    #[must_use]
    pub const fn registered(&self) -> u64 {
        self.active.saturating_add(self.suspended)
    }

    /// Everyone who takes a place of `max_producers`: n and the candidates.
    #[must_use]
    pub const fn places(&self) -> u64 {
        self.registered().saturating_add(self.candidates)
    }

    /// Whether an active producer is left once one of this status leaves. Without one nobody can make a block
    /// again.
    #[must_use]
    pub const fn allows_exit(&self, status: ProducerStatus) -> bool {
        self.active > matches!(status, ProducerStatus::Active) as u64
    }
}

impl Summary for Census {
    fn join(self, other: Self) -> Self {
        Self {
            active: self.active.saturating_add(other.active),
            suspended: self.suspended.saturating_add(other.suspended),
            candidates: self.candidates.saturating_add(other.candidates),
            most_missed: self.most_missed.max(other.most_missed),
        }
    }
}
