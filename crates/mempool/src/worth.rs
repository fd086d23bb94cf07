//! Fees per byte, exact, and what a waiting transaction is worth.

/// Fee per byte as a fixed-point number with 64 bits after the point. Two different fees per byte of
/// transactions shorter than 4 GiB differ by more than its unit, so rounding down keeps their order.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Price(u128);

impl Price {
    /// `size` in bytes; 0 counts as 1.
    pub(crate) fn new(fee: u64, size: usize) -> Self {
        Self((u128::from(fee) << 64) / (size as u128).max(1))
    }
}

/// What a transaction is worth to the pool; of one sender's never more than the one before it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Worth {
    /// Whether its nonce follows the account's without a gap. Compared first.
    pub(crate) ready: bool,
    /// The least price of the sender's transactions up to this one.
    pub(crate) price: Price,
}

/// Least fee of a transaction of `size` bytes that takes the place of one with `old_fee` and `old_size`:
/// a tenth more in whole and per byte, rounded up, and at least one more.
pub(crate) fn replacement_fee(old_fee: u64, old_size: usize, size: usize) -> u128 {
    let (fee, old_size) = (u128::from(old_fee), (old_size as u128).max(1));
    let tenth_more = (fee * 11 * old_size.max(size as u128)).div_ceil(10 * old_size);
    tenth_more.max(fee + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prices_order_as_fractions_do() {
        let max = u64::MAX;
        let fractions =
            [(0, 1), (1, 70_000), (1, 69_999), (1, 3), (333_333, 999_998), (7, 7), (max, 2), (max, 1)];
        for pair in fractions.windows(2) {
            let [(a, b), (c, d)] = [pair[0], pair[1]];
            assert!(Price::new(a, b) < Price::new(c, d), "{pair:?}");
        }
        assert_eq!(Price::new(2, 6), Price::new(111, 333));
        assert_eq!(Price::new(0, 6), Price::new(0, 333));
    }

    #[test]
    fn a_replacement_pays_a_tenth_more_in_whole_and_per_byte() {
        let max = u64::MAX;
        let cases = [
            ("from nothing", 0, 200, 200, 1),
            ("at least one more", 1, 200, 200, 2),
            ("ten", 10, 200, 200, 11),
            ("rounded up", 11, 200, 200, 13),
            ("exact", 1000, 200, 200, 1100),
            ("shorter: in whole", 1000, 200, 100, 1100),
            ("longer: per byte", 1000, 200, 400, 2200),
            ("longer, rounded up", 10, 200, 201, 12),
            ("out of range", max, 200, 200, u128::from(max) * 11 / 10 + 1),
        ];
        for (desc, old_fee, old_size, size, expect) in cases {
            assert_eq!(replacement_fee(old_fee, old_size, size), expect, "{desc}");
        }
    }
}
