//! Why there is no schedule, or why a slot may not be used.

use vision_primitives::{NodeId, Slot, TimestampMs};

/// Inputs that make no schedule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScheduleError {
    /// Nobody to deal slots to.
    #[error("both the active and the registered pool are empty")]
    EmptyPool,
    /// Timing under which a slot's window could be empty.
    #[error("{field} is {value}, must be {needed}")]
    Timing {
        /// The field of [`crate::SlotTiming`].
        field: &'static str,
        /// Its value.
        value: u64,
        /// What it must fulfil, in words.
        needed: &'static str,
    },
}

/// Why a producer may not use a slot with a stamp.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SlotError {
    /// The slot is somebody else's.
    #[error("slot {slot} belongs to {owner}, not to {producer}")]
    NotOwner {
        /// The slot.
        slot: Slot,
        /// Whose it is.
        owner: NodeId,
        /// Who wanted it.
        producer: NodeId,
    },
    /// The stamp is before the window.
    #[error("timestamp {stamp} is too early for slot {slot}, which opens at {opens_at}")]
    TooEarly {
        /// The slot.
        slot: Slot,
        /// The stamp.
        stamp: TimestampMs,
        /// First stamp allowed.
        opens_at: TimestampMs,
    },
    /// The stamp is after the window.
    #[error("timestamp {stamp} is too late for slot {slot}, which closes at {closes_at}")]
    TooLate {
        /// The slot.
        slot: Slot,
        /// The stamp.
        stamp: TimestampMs,
        /// First stamp too late.
        closes_at: TimestampMs,
    },
}

impl SlotError {
    /// The reason as a code: `NOT_SLOT_OWNER`, `TOO_EARLY` or `TOO_LATE`.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::NotOwner { .. } => "NOT_SLOT_OWNER",
            Self::TooEarly { .. } => "TOO_EARLY",
            Self::TooLate { .. } => "TOO_LATE",
        }
    }
}
