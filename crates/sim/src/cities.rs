//! How far apart cities are: typical round trips between data centres on the public Internet, rounded to
//! 5 ms.

/// The cities.
pub(crate) const NAMES: [&str; 9] = [
    "Frankfurt",
    "London",
    "New York",
    "Tokyo",
    "Sydney",
    "São Paulo",
    "Singapore",
    "Mumbai",
    "Johannesburg",
];

/// Round trips from each city to those before it, milliseconds.
const ROUND_TRIPS_MS: [&[u64]; 9] = [
    &[],
    &[15],
    &[90, 75],
    &[235, 220, 170],
    &[280, 265, 210, 115],
    &[200, 185, 115, 265, 310],
    &[160, 170, 230, 70, 95, 330],
    &[125, 120, 190, 130, 150, 310, 60],
    &[160, 160, 230, 350, 390, 340, 240, 250],
];

/// Round trip within a city, microseconds.
const WITHIN_US: u64 = 1_000;

/// What a message takes from one city to another, microseconds.
pub(crate) fn one_way_us(one: usize, other: usize) -> u64 {
    let (high, low) = (one.max(other) % NAMES.len(), one.min(other) % NAMES.len());
    let (high, low) = (high.max(low), high.min(low));
    ROUND_TRIPS_MS[high].get(low).map_or(WITHIN_US, |ms| ms * 1000) / 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pair_has_a_latency_and_it_is_the_same_both_ways() {
        for (one, from) in NAMES.iter().enumerate() {
            for (other, to) in NAMES.iter().enumerate() {
                let us = one_way_us(one, other);
                assert_eq!(us, one_way_us(other, one));
                assert_eq!(us == 500, one == other, "{from} {to}");
                assert!(us <= 200_000);
            }
        }
    }
}
