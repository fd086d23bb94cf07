//! One direction of a connection over a distance: when what is sent arrives. It decides, and has neither a
//! clock nor a socket.

use vision_host::Randomness;

/// How far two nodes are from each other, and how good the way between them is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Distance {
    /// One way.
    pub latency_ms: u64,
    /// At most so much more or less than that, each as likely; not more than the latency.
    pub jitter_ms: u64,
    /// How many of a hundred pieces the line freezes on.
    pub stall_percent: u64,
    /// For how long it freezes.
    pub stall_ms: u64,
    /// What the line carries; `None`: as much as is sent.
    pub bytes_per_second: Option<u64>,
}

impl Distance {
    /// A way of this length that is always the same.
    pub fn of(latency_ms: u64) -> Self {
        Self { latency_ms, ..Self::default() }
    }

    /// Up to so much longer or shorter.
    pub fn jitter(self, jitter_ms: u64) -> Self {
        assert!(jitter_ms <= self.latency_ms, "nothing arrives before it was sent");
        Self { jitter_ms, ..self }
    }

    /// Freezes for 200 ms on so many pieces of a hundred.
    pub fn stalls(self, stall_percent: u64) -> Self {
        Self { stall_percent, stall_ms: 200, ..self }
    }

    /// Carries so many bytes in a second.
    pub fn rate(self, bytes_per_second: u64) -> Self {
        Self { bytes_per_second: Some(bytes_per_second), ..self }
    }
}

/// One direction of one connection. Like TCP, it keeps the order: what was sent after a late piece is late
/// too. All instants are microseconds since some start.
pub struct Line {
    chance: Randomness,
    /// When the last byte given to it so far has left.
    left_us: u64,
    /// When the last byte given to it so far arrives.
    arrived_us: u64,
}

impl Line {
    /// The same seed gives the same delays.
    pub fn new(seed: u64) -> Self {
        Self { chance: Randomness::seeded(seed), left_us: 0, arrived_us: 0 }
    }

    /// When a piece of so many bytes that is sent now arrives.
    pub fn arrival_us(&mut self, now_us: u64, bytes: usize, distance: &Distance) -> u64 {
        let carried_us = distance.bytes_per_second.map_or(0, |rate| bytes as u64 * 1_000_000 / rate);
        self.left_us = self.left_us.max(now_us) + carried_us;
        let arrives_us = self.left_us + self.delay_us(distance);
        self.arrived_us = self.arrived_us.max(arrives_us);
        self.arrived_us
    }

    fn delay_us(&mut self, distance: &Distance) -> u64 {
        let jitter_us = distance.jitter_ms * 1000;
        let stalls = self.below(100) < distance.stall_percent;
        let way_us = distance.latency_ms * 1000 - jitter_us + self.below(2 * jitter_us + 1);
        way_us + if stalls { distance.stall_ms * 1000 } else { 0 }
    }

    /// A number below `end`.
    pub fn below(&mut self, end: u64) -> u64 {
        u64::from_le_bytes(self.chance.bytes().expect("a seeded generator has bytes")) % end
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Arrivals of pieces of 1000 bytes, one sent every `every_us` from 0 on.
    fn arrivals(seed: u64, every_us: u64, pieces: u64, distance: &Distance) -> Vec<u64> {
        let mut line = Line::new(seed);
        (0..pieces).map(|piece| line.arrival_us(piece * every_us, 1000, distance)).collect()
    }

    #[test]
    fn the_way_takes_what_it_takes() {
        let cases: [(&str, u64, Distance, &[u64]); 4] = [
            ("none", 10, Distance::default(), &[0, 10, 20]),
            ("latency", 10, Distance::of(100), &[100_000, 100_010, 100_020]),
            (
                "rate: each piece waits for those before",
                0,
                Distance::default().rate(10_000),
                &[100_000, 200_000, 300_000],
            ),
            (
                "rate: a line that is idle saves nothing up",
                150_000,
                Distance::of(1).rate(10_000),
                &[101_000, 251_000, 401_000],
            ),
        ];
        for (desc, every_us, distance, expect) in cases {
            assert_eq!(arrivals(1, every_us, 3, &distance), expect, "{desc}");
        }
        let always = Distance { stall_percent: 100, ..Distance::of(100).stalls(1) };
        assert_eq!(arrivals(1, 10, 2, &always), [300_000, 300_010], "stalls");
    }

    #[test]
    fn what_is_sent_later_never_arrives_earlier_and_the_delays_are_those_that_were_asked_for() {
        let distance = Distance::of(400).jitter(150).stalls(5);
        // So far apart that no piece waits for another.
        let delays: Vec<u64> = arrivals(7, 1_000_000, 2000, &distance)
            .iter()
            .zip(0..)
            .map(|(at, piece)| at - piece * 1_000_000)
            .collect();
        assert!(delays.iter().all(|delay| (250_000..=750_000).contains(delay)), "{delays:?}");
        let stalled = delays.iter().filter(|delay| **delay > 550_000).count();
        assert!((20..=100).contains(&stalled), "{stalled} of 2000");
        assert!(delays.iter().any(|delay| *delay < 300_000) && delays.iter().any(|delay| *delay > 500_000));
        let close = arrivals(7, 1000, 2000, &distance);
        assert!(close.is_sorted(), "the order is kept");
        assert!(close.windows(2).any(|pair| pair[0] == pair[1]), "some wait for those before");
    }

    #[test]
    fn a_seed_gives_the_same_delays_again_and_another_one_others() {
        let distance = Distance::of(400).jitter(150).stalls(5);
        assert_eq!(arrivals(3, 1000, 100, &distance), arrivals(3, 1000, 100, &distance));
        assert_ne!(arrivals(3, 1000, 100, &distance), arrivals(4, 1000, 100, &distance));
    }
}
