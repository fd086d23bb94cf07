//! Proof-of-Sync: is this node in sync with its peers, and may it therefore produce?
//!
//! The rules are those of `docs/protocol.md`, section 8a. The machine is pure: once per tick it gets the
//! time, the local height and what the peers say, and answers with a [`Snapshot`]. Its verdict gates this
//! node's own acts only; it is never an input of validity.
#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]
#![cfg_attr(not(test), warn(unreachable_pub))]

mod clock_skew;
mod health;
mod machine;
mod params;
mod readiness;
mod reason;
mod snapshot;
mod word;

pub use health::{
    HeadFacts, Health, HealthInput, HealthMachine, HealthParams, HealthReason, HealthState, NodeFacts,
    Operator, Standing, remedy_of,
};
pub use machine::{PeerView, SyncMachine, TickInput};
pub use params::{MAX_CLOCK_STEP_MS, STATUS_MAX_AGE_MS, SyncParams};
pub use readiness::{Loss, Question, QuestionFailed, Readiness};
pub use reason::{Direction, NotEligible};
pub use snapshot::{Snapshot, SyncState};
pub use word::{code_of, makes_no_block_because, sentence_of};

#[cfg(test)]
mod tests;
