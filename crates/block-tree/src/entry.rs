//! A block as the tree knows it.

use vision_ledger::{Changes, State};
use vision_primitives::{Hash, Header, Height, NodeId, Signature, Slot, TimestampMs};
use vision_schedule::{Schedule, ScheduleError};

use crate::ChainRules;
use crate::fork_choice::Rank;

/// A valid block without its transactions, and the state after it.
#[derive(Clone, Debug)]
pub struct Entry {
    header: Option<Header>,
    header_bytes: Vec<u8>,
    signature: Signature,
    hash: Hash,
    height: Height,
    timestamp: TimestampMs,
    state: State,
    schedule: Schedule,
    tx_count: usize,
    size_bytes: u64,
    pub(crate) late: bool,
}

/// What an entry is made of besides its header and state.
pub(crate) struct EntryParts {
    pub(crate) header: Header,
    pub(crate) header_bytes: Vec<u8>,
    pub(crate) signature: Signature,
    pub(crate) hash: Hash,
    pub(crate) tx_count: usize,
    pub(crate) size_bytes: u64,
}

impl Entry {
    /// Block 0.
    pub(crate) fn genesis(rules: &ChainRules, state: State) -> Result<Self, ScheduleError> {
        let (hash, timestamp) = (rules.genesis_hash, rules.genesis.time_ms);
        let pools = (state.active(), state.registered());
        let schedule = rules.schedule_on(&hash, Height::GENESIS, timestamp, pools)?;
        Ok(Self {
            header: None,
            header_bytes: Vec::new(),
            signature: Signature::ZERO,
            hash,
            height: Height::GENESIS,
            timestamp,
            state,
            schedule,
            tx_count: 0,
            size_bytes: 0,
            late: false,
        })
    }

    pub(crate) fn new(rules: &ChainRules, parts: EntryParts, state: State) -> Result<Self, ScheduleError> {
        let EntryParts { header, header_bytes, signature, hash, tx_count, size_bytes } = parts;
        let (height, timestamp) = (header.height, header.timestamp_ms);
        let pools = (state.active(), state.registered());
        let schedule = rules.schedule_on(&hash, height, timestamp, pools)?;
        Ok(Self {
            header: Some(header),
            header_bytes,
            signature,
            hash,
            height,
            timestamp,
            state,
            schedule,
            tx_count,
            size_bytes,
            late: false,
        })
    }

    /// The header; block 0 has none.
    #[must_use]
    pub const fn header(&self) -> Option<&Header> {
        self.header.as_ref()
    }

    /// The header's canonical bytes as received; empty for block 0.
    #[must_use]
    pub fn header_bytes(&self) -> &[u8] {
        &self.header_bytes
    }

    /// The producer's signature over the hash; zero for block 0.
    #[must_use]
    pub const fn signature(&self) -> &Signature {
        &self.signature
    }

    /// The block hash.
    #[must_use]
    pub const fn hash(&self) -> Hash {
        self.hash
    }

    /// Its height.
    #[must_use]
    pub const fn height(&self) -> Height {
        self.height
    }

    /// Hash of the parent; zero for block 0.
    #[must_use]
    pub fn parent(&self) -> Hash {
        self.header.as_ref().map_or(Hash::ZERO, |header| header.parent)
    }

    /// Its time stamp.
    #[must_use]
    pub const fn timestamp_ms(&self) -> TimestampMs {
        self.timestamp
    }

    /// The slot it used; 0 for block 0.
    #[must_use]
    pub fn slot(&self) -> Slot {
        self.header.as_ref().map_or(Slot(0), |header| header.slot)
    }

    /// Weight of its chain; 0 for block 0.
    #[must_use]
    pub fn weight(&self) -> u64 {
        self.header.as_ref().map_or(0, |header| header.weight)
    }

    /// Who made it; nobody made block 0.
    #[must_use]
    pub fn producer(&self) -> Option<NodeId> {
        self.header.as_ref().map(|header| header.producer)
    }

    /// The state after it.
    #[must_use]
    pub const fn state(&self) -> &State {
        &self.state
    }

    /// Slots and owners of the height above it. The owners of the first m slots are computed once.
    #[must_use]
    pub const fn schedule(&self) -> &Schedule {
        &self.schedule
    }

    /// How many transactions it carries.
    #[must_use]
    pub const fn tx_count(&self) -> usize {
        self.tx_count
    }

    /// Its size as `max_block_bytes` counts it; 0 for block 0.
    #[must_use]
    pub const fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    /// Whether it came LATE (section 5).
    #[must_use]
    pub const fn late(&self) -> bool {
        self.late
    }

    pub(crate) fn rank(&self) -> Rank {
        Rank::new(self.weight(), self.height, self.slot(), self.hash)
    }
}

/// A block that passed every rule, ready to be stored and inserted.
#[derive(Clone, Debug)]
pub struct CheckedBlock {
    pub(crate) entry: Entry,
    pub(crate) changes: Changes,
    pub(crate) closes_at: TimestampMs,
}

impl CheckedBlock {
    /// The block hash.
    #[must_use]
    pub const fn hash(&self) -> Hash {
        self.entry.hash
    }

    /// Its height.
    #[must_use]
    pub const fn height(&self) -> Height {
        self.entry.height
    }

    /// The entry it will be.
    #[must_use]
    pub const fn entry(&self) -> &Entry {
        &self.entry
    }

    /// The state after it.
    #[must_use]
    pub const fn state(&self) -> &State {
        &self.entry.state
    }

    /// What it changed in its parent's state; to be stored with it.
    #[must_use]
    pub const fn changes(&self) -> &Changes {
        &self.changes
    }

    /// Start of the slot after the block's: it is LATE if it first arrives after this instant (section 5).
    #[must_use]
    pub const fn closes_at(&self) -> TimestampMs {
        self.closes_at
    }
}
