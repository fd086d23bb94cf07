//! What a light client decides: whether headers, blocks and proofs hold, given what it trusts.
//!
//! Everything comes in as values: bytes, hashes, keys. Who fetches them, and in which form they travel, is up
//! to the caller. Nothing that comes in is trusted; what it says is recomputed from the canonical bytes.
#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]
#![cfg_attr(not(test), warn(unreachable_pub))]

mod audit;
mod fault;
mod proof;
mod registry;
mod rules;
mod trust;

pub use audit::{Audit, Seen, Verdict};
pub use fault::Fault;
pub use proof::{Claim, Proof, Shown, Subject};
pub use registry::{Listed, Registry, RegistryAnswer, Standing};
pub use rules::{Parent, Rules};
pub use trust::{Basis, Doubt, Seal, Trusted};
