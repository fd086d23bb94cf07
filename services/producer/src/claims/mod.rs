//! What this key has claimed and signed: the receipts people ask for, and what the signing guard needs.

mod book;
mod store;

pub(crate) use book::{Claim, ClaimBook, KEPT_CLAIMS};
pub(crate) use store::{ClaimStore, Write, path};
pub use store::{create_claims, reset_claims};
