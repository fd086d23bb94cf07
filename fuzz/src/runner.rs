//! Runs entries on a stable compiler: what is in the corpus, then cases that a seed decides.

use std::fs;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::{Path, PathBuf};

use crate::Entry;
use crate::mutate::Chance;

/// The seed of a run that is given none.
pub const DEFAULT_SEED: u64 = 1;
/// How many times as many cases a short run has, as a whole number.
const CASES_VARIABLE: &str = "FUZZ_TIMES";
/// The seed of a short run.
const SEED_VARIABLE: &str = "FUZZ_SEED";

/// What a run has done.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Ran {
    /// Inputs of the corpus.
    pub corpus: usize,
    /// Cases decided by the seed.
    pub cases: u64,
}

/// Runs one entry.
pub struct Runner {
    name: &'static str,
    run: fn(&[u8]),
    seed: u64,
    corpus: Vec<Vec<u8>>,
    next: u64,
}

/// Where the corpus of an entry lies.
#[must_use]
pub fn corpus_of(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(name)
}

/// The corpus of an entry, in the order of the files' names.
fn read_corpus(name: &str) -> io::Result<Vec<Vec<u8>>> {
    let mut files = fs::read_dir(corpus_of(name))?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<io::Result<Vec<_>>>()?;
    files.sort();
    files.into_iter().map(fs::read).collect()
}

/// A shorter input that fails too: what is not needed is left out. The input itself if it does not fail.
#[must_use]
pub fn shrink(run: fn(&[u8]), input: &[u8]) -> Vec<u8> {
    let fails = |input: &[u8]| catch_unwind(|| run(input)).is_err();
    let (mut shortest, mut part) = (input.to_vec(), input.len());
    while part > 0 && fails(&shortest) {
        let mut from = 0;
        while from < shortest.len() {
            let to = (from + part).min(shortest.len());
            let without = [&shortest[..from], &shortest[to..]].concat();
            if fails(&without) {
                shortest = without;
            } else {
                from = to;
            }
        }
        part /= 2;
    }
    shortest
}

/// Writes the seeds of an entry into its corpus.
///
/// # Errors
/// What the disk says.
pub fn write_seeds(entry: &Entry) -> io::Result<()> {
    let folder = corpus_of(entry.name);
    fs::create_dir_all(&folder)?;
    for (number, seed) in (entry.seeds)().into_iter().enumerate() {
        fs::write(folder.join(format!("seed-{number}")), seed)?;
    }
    Ok(())
}

impl Runner {
    /// One that begins with the first case of a seed.
    ///
    /// # Panics
    /// If the entry has no corpus.
    #[must_use]
    pub fn new(name: &'static str, run: fn(&[u8]), seed: u64) -> Self {
        let corpus = read_corpus(name);
        let corpus = corpus.unwrap_or_else(|error| panic!("{}: {error}", corpus_of(name).display()));
        assert!(!corpus.is_empty(), "{} is empty", corpus_of(name).display());
        Self { name, run, seed, corpus, next: 0 }
    }

    /// Runs all of the corpus.
    pub fn replay(&self) -> usize {
        for (number, input) in self.corpus.iter().enumerate() {
            self.guarded(input, &format!("input {number} of the corpus"));
        }
        self.corpus.len()
    }

    /// Runs the next case.
    pub fn step(&mut self) {
        let (seed, case) = (self.seed, self.next);
        self.next += 1;
        let input = Chance::of_case(seed, case).input(&self.corpus);
        self.guarded(&input, &format!("case {case} of seed {seed}"));
    }

    /// Runs an input; if it fails, says how to run it again.
    fn guarded(&self, input: &[u8], which: &str) {
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| (self.run)(input))) {
            let (name, hex) = (self.name, hex::encode(input));
            eprintln!("entry {name} fails with {which}, {} bytes: {hex}", input.len());
            resume_unwind(panic);
        }
    }
}

/// A short run: the corpus, then so many cases, times the variable `FUZZ_TIMES`; `FUZZ_SEED` is their seed.
/// For tests.
///
/// # Panics
/// If a property does not hold, with the input in hex on stderr.
pub fn check(name: &'static str, run: fn(&[u8]), short_cases: u64) -> Ran {
    let number = |variable, default| match std::env::var(variable) {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("{variable} is {text:?}, must be a number")),
        Err(_) => default,
    };
    let mut runner = Runner::new(name, run, number(SEED_VARIABLE, DEFAULT_SEED));
    let corpus = runner.replay();
    let cases = short_cases * number(CASES_VARIABLE, 1);
    (0..cases).for_each(|_| runner.step());
    Ran { corpus, cases }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holds(input: &[u8]) {
        assert!(!(input.contains(&3) && input.contains(&200)), "3 and 200");
    }

    #[test]
    fn what_is_not_needed_to_fail_is_left_out() {
        let all: Vec<u8> = (0..=255).collect();
        assert_eq!(shrink(holds, &all), [3, 200]);
        assert_eq!(shrink(holds, &all[..100]), &all[..100], "it does not fail");
    }
}
