//! Every decoder and every machine, driven by arbitrary bytes.
//!
//! An [`Entry`] is a function of bytes that panics if a property does not hold. Decoders read the bytes as
//! they are; machines take them for a sequence of inputs, honest and hostile ones mixed. The same entries are
//! run by the tests of this crate, which are short, by the command `vision-fuzz`, for as long as one likes,
//! and by libFuzzer (`fuzz/coverage`). Crates with decoders of their own, which nobody else can call, run
//! them with [`check`].

mod decoders;
mod entries;
mod machines;
mod mutate;
mod runner;
mod seeds;
mod values;

use arbitrary::{Arbitrary, Unstructured};

pub use entries::{ENTRIES, entry};
pub use runner::{DEFAULT_SEED, Ran, Runner, check, corpus_of, shrink, write_seeds};

/// Something that is driven by bytes.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// Its name, also that of its folder in `fuzz/corpus`.
    pub name: &'static str,
    /// Drives it. Panics if a property does not hold.
    pub run: fn(&[u8]),
    /// Inputs to start from.
    pub seeds: fn() -> Vec<Vec<u8>>,
    /// Cases of a short run: as many as take about a second.
    pub short_cases: u64,
}

/// What these bytes stand for; nothing if they are too few.
pub(crate) fn input<'a, T: Arbitrary<'a>>(bytes: &'a [u8]) -> Option<T> {
    T::arbitrary_take_rest(Unstructured::new(bytes)).ok()
}
