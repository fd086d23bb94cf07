//! Every decoder and every machine, driven by arbitrary bytes.
//!
//! An [`Entry`] is a function of bytes that panics if a property does not hold. Decoders read the bytes as
//! they are; machines take them for a sequence of inputs, honest and hostile ones mixed. The same entries are
//! run by the tests of this crate, which are short, by the command `vision-fuzz`, for as long as one likes,
//! and by libFuzzer (`fuzz/coverage`). Crates with decoders of their own, which nobody else can call, run
//! them with [`check`].

mod damage;
mod decoders;
mod entries;
mod machines;
mod mutate;
mod runner;
mod seeds;
mod values;

use arbitrary::{Arbitrary, Unstructured};

pub use damage::GoodFile;
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

/// As many as there are bytes for. Of a plain list, every second ends after one.
#[derive(Debug)]
pub(crate) struct All<T>(pub(crate) Vec<T>);

impl<'a, T: Arbitrary<'a>> Arbitrary<'a> for All<T> {
    fn arbitrary(bytes: &mut Unstructured<'a>) -> arbitrary::Result<Self> {
        let mut all = Vec::new();
        while !bytes.is_empty() {
            all.push(T::arbitrary(bytes)?);
        }
        Ok(Self(all))
    }
}

/// Up to [`MAX_FEW`].
#[derive(Debug)]
pub(crate) struct Few<T>(pub(crate) Vec<T>);

/// Most of a [`Few`].
pub(crate) const MAX_FEW: u8 = 9;

impl<'a, T: Arbitrary<'a>> Arbitrary<'a> for Few<T> {
    fn arbitrary(bytes: &mut Unstructured<'a>) -> arbitrary::Result<Self> {
        let len = bytes.int_in_range(0..=MAX_FEW)?;
        (0..len).map(|_| T::arbitrary(bytes)).collect::<arbitrary::Result<_>>().map(Self)
    }
}
