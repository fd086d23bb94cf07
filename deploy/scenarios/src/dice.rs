//! Random choices that a seed repeats.

/// A generator of numbers for choosing; the same seed gives the same choices.
#[derive(Debug)]
pub(crate) struct Dice(u64);

impl Dice {
    /// Any seed will do.
    pub(crate) const fn new(seed: u64) -> Self {
        // The generator needs a state other than 0; the multiplication keeps near seeds apart.
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    /// A number below `end`, which is not 0.
    pub(crate) const fn below(&mut self, end: u64) -> u64 {
        // xorshift64*, good enough to choose and needs no crate.
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) % end
    }

    /// One of several things; `None` only if there is none.
    pub(crate) fn one_of<'a, T>(&mut self, things: &'a [T]) -> Option<&'a T> {
        let count = u64::try_from(things.len()).ok().filter(|count| *count > 0)?;
        things.get(usize::try_from(self.below(count)).ok()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_repeats_and_every_face_comes() {
        let throw = |seed| {
            let mut dice = Dice::new(seed);
            (0..100).map(|_| dice.below(5)).collect::<Vec<_>>()
        };
        assert_eq!(throw(7), throw(7));
        assert_ne!(throw(7), throw(8));
        for seed in [0, 1, u64::MAX] {
            let thrown = throw(seed);
            assert!((0..5).all(|face| thrown.contains(&face)), "seed {seed}: {thrown:?}");
        }
        assert_eq!(Dice::new(1).one_of::<u8>(&[]), None);
        assert_eq!(Dice::new(1).one_of(&[4]), Some(&4));
    }
}
