//! Finality by votes on a time grid (`docs/protocol.md`, section 9).
//!
//! - [`Grid`] says which blocks are voted on: the first of each cell of the grid.
//! - [`Lock`] is what a voter remembers for ever, and decides what it may sign.
//! - [`offence`] says which two votes of one voter no lock allows.
//! - [`Tally`] counts the votes of an epoch, and puts certificates together.
//!
//! No clock, no I/O, no keys: signing, storing and sending are the caller's.
#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]
#![cfg_attr(not(test), warn(unreachable_pub))]

mod grid;
mod lock;
mod offence;
mod tally;

pub use grid::Grid;
pub use lock::{Lock, LockFault};
pub use offence::{Offence, offence};
pub use tally::{Counted, MAX_VOTES_OF_VOTER, Tally, VoteRefusal};
