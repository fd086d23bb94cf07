//! What the tests of several services share. A dev-dependency only: no service and no binary is built with
//! it.
#![cfg_attr(not(test), warn(unreachable_pub))]

mod address;
mod fake_chain;
mod process;
mod wait;

pub use address::free_address;
pub use fake_chain::{FakeChain, PlayedChain, not_played, watch_heads};
pub use process::Process;
pub use wait::{PATIENCE, eventually};
