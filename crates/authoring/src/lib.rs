//! The producer's machine and the rules of its signing guard.
//!
//! The machine decides; the producer service performs. Every input comes with the instant at which it
//! happened, every output is something to do, and the answer to it comes back as another input. Whatever
//! comes in and in whatever order, the machine looks at all it knows and decides anew, so a lost wake-up or
//! answer costs at most one tick. Its parts are the proposer, the sync proof and the signing guard; the
//! machine itself only composes them. The rules are those of `docs/protocol.md`, sections 3, 5, 7 and 10.
#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]
#![cfg_attr(not(test), warn(unreachable_pub))]

mod gate;
mod guard;
mod machine;
mod messages;
mod proposer;
mod retry;
mod sync_proof;
mod turn;

pub use gate::{MAX_CLOCK_STEP_MS, SNAPSHOT_FRESH_MS};
pub use guard::{Guard, GuardFault, MAX_GUARDED_BLOCKS};
pub use machine::{Config, Machine, View};
pub use messages::{
    Ask, Blocked, Event, Failure, Head, Input, Now, Op, Output, OwnBlock, OwnRecord, Proposal, Standing,
};
pub use proposer::{LOOKAHEAD_SLOTS, PreparedFault, verify_prepared};
pub use turn::{AUDIT_TIMEOUT_MS, OP_TIMEOUT_MS};
