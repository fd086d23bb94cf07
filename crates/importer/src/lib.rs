//! The chain's machine: what becomes of blocks and transactions.
//!
//! An [`Importer`] owns the block tree, the pool, the blocks that cannot be checked yet, and the blocks
//! prepared for this node's producer. [`Importer::handle`] takes one [`Input`] with the time it is taken at
//! and pushes [`Output`]s: a batch to write, answers by the ids they were asked with, messages for peers,
//! events. It has no channel, no clock and no disk. Bodies of stored blocks come through [`Bodies`]; steps,
//! counts and log lines go out through [`Observer`], which says nothing back.
//!
//! It stores before it speaks. What the inputs of one turn have changed is one [`Batch`]:
//! [`Input::CloseBatch`] gives it out as [`Output::Commit`], and whatever follows from it is published with
//! [`Input::Committed`], not before. A batch that cannot be written is tried again every second; meanwhile
//! nothing else changes anything, and whoever asks learns that the store is unavailable.
#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]
#![cfg_attr(not(test), warn(unreachable_pub))]

mod answers;
mod batch;
mod blocks;
mod budget;
mod close;
mod events;
mod gossip;
mod held;
mod importer;
mod messages;
mod outside;
mod owed;
mod persisted;
mod pool;
mod proposal;
mod publish;
mod replaced;
mod reports;
mod restored;
mod settle;

pub use answers::{Answer, ImportEnd, NotPrepared, NotStored, NotTaken, Prepared, Screened, Taken};
pub use batch::{Batch, Fate, NewBlock, WaitingTransaction};
pub use budget::BlockBudget;
pub use events::{
    ChainEvent, MissedSlot, Parties, Reorg, ShownBlock, StandingEvent, TransactionEvent, TransactionPlace,
};
pub use importer::{Importer, Parts};
pub use messages::{Arrival, CommitId, Input, Now, Origin, Output, PeerClock, RequestId, Ticket, TipClaim};
pub use outside::{Blame, Bodies, Note, Observer, Outside, Step};
pub use publish::STORE_RETRY_MS;
