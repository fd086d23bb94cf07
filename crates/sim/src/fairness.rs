//! Whether producers make their shares of the blocks: a chi-square test.

/// So many standard deviations: at most one run in a million is called unfair by chance.
const SIGMAS: f64 = 4.753;
/// Blocks that each producer must be expected to have made before anything is said.
const MIN_EXPECTED: u64 = 20;

/// What the test says.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) enum Shares {
    /// Too few blocks, or one producer.
    Unknown,
    /// As chance would have it.
    Fair,
    /// Not by chance.
    Unfair {
        /// The sum of squares.
        chi_square: f64,
        /// What it may be.
        limit: f64,
    },
}

/// The value that chi-square exceeds by chance in one case of a million, by Wilson and Hilferty.
fn limit(degrees: f64) -> f64 {
    let ninth = 2.0 / (9.0 * degrees);
    let root = 1.0 - ninth + SIGMAS * ninth.sqrt();
    degrees * root * root * root
}

/// Judges the blocks made by so many producers; those that made none may be left out.
#[expect(clippy::cast_precision_loss, reason = "numbers of blocks are far below 2^52")]
pub(crate) fn judge(made: impl Iterator<Item = u64>, producers: u64) -> Shares {
    let made: Vec<u64> = made.collect();
    let blocks: u64 = made.iter().sum();
    if producers < 2 || blocks < MIN_EXPECTED * producers {
        return Shares::Unknown;
    }
    let expected = blocks as f64 / producers as f64;
    let none = producers.saturating_sub(made.len() as u64) as f64;
    let off = |made: &u64| (*made as f64 - expected) * (*made as f64 - expected) / expected;
    let chi_square = made.iter().map(off).sum::<f64>() + none * expected;
    let limit = limit((producers - 1) as f64);
    if chi_square > limit { Shares::Unfair { chi_square, limit } } else { Shares::Fair }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_is_that_of_the_tables() {
        // Quantiles of chi-square at 1 - 10^-6.
        for (degrees, table) in [(2.0, 27.63), (6.0, 38.26), (20.0, 65.42)] {
            // Never below it: the run that is called unfair by chance is one in a million or rarer.
            assert!((1.0..1.1).contains(&(limit(degrees) / table)), "{degrees}: {} {table}", limit(degrees));
        }
    }

    #[test]
    fn shares_are_judged_only_when_there_are_enough_blocks() {
        let unfair = |shares| matches!(shares, Shares::Unfair { .. });
        assert_eq!(judge([300, 310, 290].into_iter(), 3), Shares::Fair);
        assert!(unfair(judge([400, 300, 200].into_iter(), 3)));
        assert!(unfair(judge([300, 300].into_iter(), 3)), "the third one made none");
        assert_eq!(judge([30, 20, 1].into_iter(), 3), Shares::Unknown);
        assert_eq!(judge([1000].into_iter(), 1), Shares::Unknown);
    }
}
