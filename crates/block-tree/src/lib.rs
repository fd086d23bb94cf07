//! Known blocks: validity, fork choice, reorganisation, finality, bounded.
//!
//! A [`BlockTree`] holds the last final block and every known valid block above it, each with the
//! state after it. [`BlockTree::check`] judges a block by every rule of `docs/protocol.md`, sections 5
//! to 7 and 11; [`BlockTree::insert`] adds a checked one and says what that moved: the head (section
//! 8), the last final block, blocks that can no longer win. No clock and no I/O: the caller says
//! whether a block came late, and stores what it must.
#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]
#![cfg_attr(not(test), warn(unreachable_pub))]

mod ancestry;
mod aside;
mod claim;
mod entry;
mod finality;
mod fork_choice;
mod insert;
mod parent_context;
mod prepare;
mod refusal;
mod restore;
mod rules;
mod siblings;
mod tree;
mod validity;

pub use ancestry::MAX_LOCATOR_HASHES;
pub use aside::Aside;
pub use claim::MAX_CLAIM_AHEAD_MS;
pub use entry::{CheckedBlock, Entry};
pub use finality::FINAL_DEPTH_BLOCKS;
pub use insert::{BlockRef, ChainChange, HeadChange, Inserted};
pub use parent_context::{ParentContext, body_faults};
pub use prepare::PrepareError;
pub use refusal::Refusal;
pub use restore::{RestoreBase, RestoreError, StoredBlock};
pub use rules::{ChainRules, TreeError};
pub use siblings::MAX_SIBLINGS;
pub use tree::{BlockTree, MAX_OPEN_BLOCKS};
