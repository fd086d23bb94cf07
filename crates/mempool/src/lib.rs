//! Transactions that wait for a block: what is taken, what leaves, what comes first.
//!
//! A [`Mempool`] is a pure machine. It holds transactions by sender in nonce order, bounded in count, in
//! bytes and per sender, and says of every one that leaves why it did. All of it is local: two nodes need
//! not hold the same. The rules that it foresees are those of `docs/protocol.md`, sections 7 and 11.
//!
//! What a transaction is worth to the pool is never more than what those before it are worth, since no
//! block can hold it without them: first whether its nonce follows without a gap, then the least fee per
//! byte of its sender's up to it. The least worthy leave first, so always a sender's last, and only for
//! something worth strictly more. What waits behind a gap pays for nothing and displaces nothing that
//! could be in a block.
//!
//! Sync proofs wait apart, one per producer, the newest; they cost nothing and are sent again by their
//! producer until they are in a block.
#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]
#![cfg_attr(not(test), warn(unreachable_pub))]

mod admit;
mod entry;
mod head;
mod index;
mod limits;
mod outcome;
mod pool;
mod proofs;
mod registry;
mod room;
mod select;
mod sender;
mod worth;

pub use limits::{Context, Limits, Moment, NONCE_WINDOW, RETAINED_WINDOW};
pub use outcome::{DropReason, Dropped, Rejected};
pub use pool::Mempool;
pub use select::Selection;
