//! A transaction on its way into the pool, with whoever waits for it and the room it takes meanwhile.

mod place;
mod source;

use vision_primitives::SignedTransaction;

pub(crate) use place::Place;
pub(crate) use source::Source;

/// A transaction on its way.
pub(crate) struct Incoming {
    /// The transaction.
    pub transaction: SignedTransaction,
    /// Who submitted it or passed it on.
    pub source: Source,
    /// Its room, given back when its way has ended.
    pub place: Place,
}
