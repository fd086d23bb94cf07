//! Inputs made of chance alone, and of other inputs.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore as _, SeedableRng as _};

/// Longest input made, bytes.
const MAX_BYTES: usize = 4096;
/// Most changes of one input.
const MAX_CHANGES: u64 = 8;
/// One of so many inputs is made of chance alone.
const PURE_CHANCE: u64 = 4;
/// Numbers at which things change.
const EDGES: [u64; 12] = [
    0,
    1,
    0x7f,
    0x80,
    0xff,
    0xffff,
    0x7fff_ffff,
    0xffff_ffff,
    0x7fff_ffff_ffff_ffff,
    0x8000_0000_0000_0000,
    u64::MAX - 1,
    u64::MAX,
];

/// A source of chance.
pub(crate) struct Chance(ChaCha8Rng);

impl Chance {
    /// The same for the same seed and number of a case.
    pub(crate) fn of_case(seed: u64, case: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(case);
        Self(rng)
    }

    fn below(&mut self, end: usize) -> usize {
        let drawn = self.0.next_u64().checked_rem(end as u64).unwrap_or_default();
        usize::try_from(drawn).unwrap_or_default()
    }

    fn bytes(&mut self, len: usize) -> Vec<u8> {
        let mut bytes = vec![0; len];
        self.0.fill_bytes(&mut bytes);
        bytes
    }

    /// Short lengths are as likely as long ones.
    fn length(&mut self) -> usize {
        let bits = self.below(12);
        self.below(2 << bits)
    }

    /// An input: of chance alone, or one of the corpus with a few changes.
    pub(crate) fn input(&mut self, corpus: &[Vec<u8>]) -> Vec<u8> {
        if corpus.is_empty() || self.0.next_u64().is_multiple_of(PURE_CHANCE) {
            let len = self.length();
            return self.bytes(len);
        }
        let mut input = corpus[self.below(corpus.len())].clone();
        for _ in 0..=self.0.next_u64() % MAX_CHANGES {
            self.change(&mut input, corpus);
        }
        input.truncate(MAX_BYTES);
        input
    }

    /// A stretch of an input: where it begins and ends.
    fn stretch(&mut self, len: usize) -> (usize, usize) {
        let from = self.below(len + 1);
        let longest = 1 << self.below(8);
        (from, from + self.below((len - from).min(longest) + 1))
    }

    fn change(&mut self, input: &mut Vec<u8>, corpus: &[Vec<u8>]) {
        let (from, to) = self.stretch(input.len());
        match self.below(8) {
            0 if from < input.len() => input[from] ^= 1 << self.below(8),
            1 if from < input.len() => input[from] = self.bytes(1)[0],
            2 => drop(input.drain(from..to)),
            3 => {
                let len = self.below(16);
                drop(input.splice(from..to, self.bytes(len)));
            }
            4 => {
                let again = input[from..to].to_vec();
                drop(input.splice(from..from, again));
            }
            5 => {
                let other = &corpus[self.below(corpus.len())];
                let (start, end) = self.stretch(other.len());
                drop(input.splice(from..to, other[start..end].to_vec()));
            }
            6 => {
                let edge = EDGES[self.below(EDGES.len())].to_le_bytes();
                let len = (1 << self.below(4)).min(input.len() - from);
                input[from..from + len].copy_from_slice(&edge[..len]);
            }
            _ => {
                let (other, _) = self.stretch(input.len());
                let len = (to - from).min(input.len() - other);
                input.copy_within(from..from + len, other);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_case_has_the_same_input_and_another_one_another() {
        let corpus = [b"a chain of blocks".to_vec(), vec![7; 300]];
        let input = |seed, case| Chance::of_case(seed, case).input(&corpus);
        let inputs: std::collections::BTreeSet<_> = (0..500).map(|case| input(1, case)).collect();
        assert!(inputs.len() > 400, "{} different ones", inputs.len());
        assert!((0..500).all(|case| inputs.contains(&input(1, case))));
        assert!((0..500).any(|case| !inputs.contains(&input(2, case))));
        assert!(inputs.iter().all(|input| input.len() <= MAX_BYTES));
        let kept = inputs.iter().filter(|input| input.windows(5).any(|part| part == b"chain")).count();
        assert!(kept > 20, "{kept} still bear what they were made of");
    }
}
