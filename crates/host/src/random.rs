//! Randomness: the operating system's, or that of a seed.

use std::sync::{Arc, Mutex, PoisonError};

use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{RngCore as _, SeedableRng as _};

/// The operating system gave no random bytes.
#[derive(Debug, thiserror::Error)]
#[error("the operating system gives no random bytes: {0}")]
pub struct RandomError(getrandom::Error);

/// Gives random bytes. Cheap to clone; clones of a seeded one take from the same bytes, one after the other.
#[derive(Clone, Debug)]
pub struct Randomness(Source);

#[derive(Clone, Debug)]
enum Source {
    Machine,
    Seeded(Arc<Mutex<ChaCha20Rng>>),
}

impl Randomness {
    /// The operating system's.
    #[must_use]
    pub const fn system() -> Self {
        Self(Source::Machine)
    }

    /// The same bytes for the same seed, in every run. For simulations alone: whoever knows the seed knows
    /// them all.
    #[must_use]
    pub fn seeded(seed: u64) -> Self {
        Self(Source::Seeded(Arc::new(Mutex::new(ChaCha20Rng::seed_from_u64(seed)))))
    }

    /// The next random bytes.
    ///
    /// # Errors
    /// [`RandomError`] where the operating system has none to give.
    pub fn bytes<const N: usize>(&self) -> Result<[u8; N], RandomError> {
        match &self.0 {
            Source::Machine => random_bytes(),
            Source::Seeded(generator) => {
                let mut bytes = [0; N];
                // Every holder leaves the generator whole.
                generator.lock().unwrap_or_else(PoisonError::into_inner).fill_bytes(&mut bytes);
                Ok(bytes)
            }
        }
    }

    /// Numbers by chance, for what need not be secret, such as pauses: 0 where the operating system has none.
    #[must_use]
    pub fn numbers(&self) -> Arc<dyn Fn() -> u64 + Send + Sync> {
        let numbers = self.clone();
        Arc::new(move || u64::from_le_bytes(numbers.bytes().unwrap_or_default()))
    }
}

/// Random bytes fit for keys, always the operating system's.
///
/// # Errors
/// [`RandomError`] where the operating system has none to give.
pub fn random_bytes<const N: usize>() -> Result<[u8; N], RandomError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(RandomError)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_differ() {
        let (a, b) = (random_bytes::<32>().expect("entropy"), random_bytes::<32>().expect("entropy"));
        assert_ne!(a, b);
        let system = Randomness::system();
        assert_ne!(system.bytes::<32>().expect("entropy"), system.bytes::<32>().expect("entropy"));
    }

    #[test]
    fn a_seed_gives_the_same_bytes_again_and_another_seed_gives_others() {
        let drawn = |seed| {
            let (one, other) = (Randomness::seeded(seed), Randomness::seeded(seed).clone());
            let mut all = Vec::new();
            for source in [&one, &other] {
                let (first, clone) = (source.bytes::<32>().expect("seeded"), source.clone());
                let second = clone.bytes::<32>().expect("seeded");
                assert_ne!(first, second, "clones go on where the others are");
                all.push((first, second, source.bytes::<5>().expect("seeded")));
            }
            assert_eq!(all[0], all[1]);
            all.remove(0)
        };
        assert_eq!(drawn(7), drawn(7));
        assert_ne!(drawn(7), drawn(8));
    }
}
