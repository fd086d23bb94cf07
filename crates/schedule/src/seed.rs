//! The randomness of a height and the draws made from it.

use vision_primitives::{Hash, Height, hash};

/// Longest decimal text of a `u64`.
const MAX_DECIMAL_DIGITS: usize = 20;

/// `H(chain_id || "mining-epoch-v1")`: keeps the schedules of different chains apart.
#[must_use]
pub fn epoch_salt(chain_id: &str) -> Hash {
    hash(&[chain_id.as_bytes(), b"mining-epoch-v1"])
}

/// `H(hex(entropy) || le64(height) || epoch_salt)`, `height` being that of the block to be produced.
#[must_use]
pub fn seed(entropy: &Hash, height: Height, epoch_salt: &Hash) -> Hash {
    hash(&[&entropy.hex_ascii(), &height.get().to_le_bytes(), epoch_salt.as_bytes()])
}

/// The k-th draw: the seed itself for 0, `H(seed || "reroll{k-1}")` above, the number in decimal.
#[must_use]
pub fn draw(seed: &Hash, k: u64) -> Hash {
    let Some(mut rest) = k.checked_sub(1) else {
        return *seed;
    };
    let mut digits = [b'0'; MAX_DECIMAL_DIGITS];
    let mut from = MAX_DECIMAL_DIGITS;
    loop {
        from -= 1;
        digits[from] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    hash(&[seed.as_bytes(), b"reroll", &digits[from..]])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_are_numbered_in_decimal_from_the_seed_on() {
        let seed = hash(&[b"a seed"]);
        assert_eq!(draw(&seed, 0), seed);
        for k in [1, 2, 10, 11, 12, 101, 1 << 40, u64::MAX - 1, u64::MAX] {
            let text = format!("reroll{}", k - 1);
            assert_eq!(draw(&seed, k), hash(&[seed.as_bytes(), text.as_bytes()]), "k = {k}");
        }
    }

    #[test]
    fn every_input_of_the_seed_counts() {
        let (entropy, salt) = (hash(&[b"entropy"]), epoch_salt("a"));
        let base = seed(&entropy, Height(7), &salt);
        assert_ne!(base, seed(&salt, Height(7), &salt));
        assert_ne!(base, seed(&entropy, Height(8), &salt));
        assert_ne!(base, seed(&entropy, Height(7), &epoch_salt("b")));
    }
}
