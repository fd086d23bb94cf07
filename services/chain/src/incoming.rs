//! A transaction on its way into the pool, with whoever waits for it and the room it takes meanwhile.

mod permit;
mod source;

use vision_primitives::SignedTransaction;

pub(crate) use permit::Permit;
pub(crate) use source::Source;

/// A transaction on its way.
pub(crate) struct Incoming {
    /// The transaction.
    pub transaction: SignedTransaction,
    /// Who submitted it or passed it on.
    pub source: Source,
    /// Its room, given back when it has come through.
    pub permit: Permit,
}
