//! Accounts and the producer registry.
//!
//! A [`State`] is an immutable value that is cloned in O(1): its two trees share all that a block
//! left alone with the state before it. An [`Executor`] runs one block's transactions on a state,
//! then the liveness rules, then the reward, and ends with the next state and the [`Changes`] that
//! lead to it. The rules are those of `docs/protocol.md`, sections 4, 7 and 11.
#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]
#![cfg_attr(not(test), warn(unreachable_pub))]

mod account;
mod changes;
mod executor;
mod fault;
mod liveness;
mod producer;
mod proof;
mod state;
mod tree;

pub use account::Account;
pub use changes::Changes;
pub use executor::{BlockContext, Executor, check_form};
pub use fault::{LedgerError, TransactionFault};
pub use liveness::{
    MAX_RETURN_WAIT_BLOCKS, REGISTRATION_WAIT_BLOCKS, SUSPENSION_HALF_LIFE_BLOCKS, StandingChange,
    missed_slots,
};
pub use producer::{Census, Producer, ProducerStatus};
pub use proof::{AccountProof, TreeProof, TreeProofEnd};
pub use state::State;
