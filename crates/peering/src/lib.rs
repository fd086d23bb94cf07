//! The peers' machine: whom this node calls, which connections stay, what is known of each peer, what is
//! gossiped to whom, and from whom blocks are fetched.
//!
//! The machine decides; the chain service performs. Every input comes with the instant at which it happened,
//! every output is something to do, and what comes of it returns as another input. Peers, connections, rounds
//! and fetches are named by ids: no stream, no channel and no task is in here. [`Peering::handle`] is a
//! function of what came before, so a seed and a list of inputs replay to the same outputs.
#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]
#![cfg_attr(not(test), warn(unreachable_pub))]

mod address;
mod admission;
mod book;
mod calls;
mod catch_up;
mod charges;
mod claims;
mod fetches;
mod gossip;
mod inputs;
mod lines;
mod machine;
mod outputs;
mod peer;
mod questions;
mod refusal;
mod rhythm;
mod statuses;
#[cfg(test)]
mod tests;
mod twins;
mod view;

pub use address::{Accepts, MAX_ADDRESS_BYTES, check as check_address, of_caller, owner_of};
pub use book::CallEnd;
pub use charges::{Fault, MAX_CHARGE};
pub use gossip::{Form, MAX_TRANSACTIONS_IN_MESSAGE, TRANSACTIONS_BYTES, parts};
pub use inputs::{
    CallOutcome, ConnectionId, FetchId, Input, Now, Proven, Received, RefusedCall, RoundId, StatusTimes,
};
pub use lines::LineLimit;
pub use machine::{Config, Peering};
pub use outputs::{Echo, Log, Message, Output, Query, Task};
pub use questions::{MAX_BLOCKS, MAX_BYTES};
pub use refusal::Refusal;
pub use rhythm::MAX_ADDRESSES_IN_MESSAGE;
pub use view::PeerView;
