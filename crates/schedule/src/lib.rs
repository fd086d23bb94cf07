//! Who owns which slot, and when: seed, draws, laps, jitter, slot windows.
//!
//! The rules are those of `docs/protocol.md`, sections 3 and 5. A pure function of the parent block,
//! the two pools and the consensus parameters: every node that knows them computes the same schedule,
//! at any time. Owners cost one hash per slot dealt, whatever the size of the pool.
#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]
#![cfg_attr(not(test), warn(unreachable_pub))]

mod deal;
mod error;
mod schedule;
mod seed;
mod timing;

pub use deal::Deal;
pub use error::{ScheduleError, SlotError};
pub use schedule::{Drawing, Schedule, SlotWindow};
pub use seed::{draw, epoch_salt, seed};
pub use timing::SlotTiming;
