//! The producer's machine and the rules of its signing guard.
//!
//! The machine decides; the producer service performs. Every input comes with the instant at which it
//! happened, every output is something to do, and the answer to it comes back as another input. Whatever
//! comes in and in whatever order, the machine looks at all it knows and decides anew, so a lost wake-up
//! or answer costs at most one tick. The rules are those of `docs/protocol.md`, sections 3, 5, 7 and 10.
#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod decide;
mod elsewhere;
mod guard;
mod machine;
mod messages;
mod own;
mod plan;
mod prepared;
mod retry;
mod sync_proof;

pub use guard::{Guard, GuardFault, MAX_GUARDED_BLOCKS};
pub use machine::{
    AUDIT_TIMEOUT_MS, Config, MAX_CLOCK_STEP_MS, Machine, OP_TIMEOUT_MS, SNAPSHOT_FRESH_MS, View,
};
pub use messages::{
    Ask, Blocked, Event, Failure, Head, Input, Now, Op, Output, OwnBlock, OwnRecord, Proposal, Standing,
};
pub use plan::LOOKAHEAD_SLOTS;
pub use prepared::{PreparedFault, verify_prepared};
