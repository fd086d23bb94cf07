//! What goes wrong, and when: decided by a seed.

use std::ops::Range;
use std::time::Duration;

use vision_host::Randomness;
use vision_wire::watch::Chance;

use super::home::NODES;

/// How long a node may take to end: as `vision node` has it.
const MOST_TO_END: Duration = Duration::from_secs(8);

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing passes between a node and the others; what is sent is lost.
    Cut(usize),
    /// The same in one direction only.
    OneWay(usize, usize),
    /// Nothing passes between two nodes; what is sent arrives when it is over.
    Hold(usize, usize),
    /// A node is killed, and starts again when it is over.
    Crash(usize),
    /// A node is asked to end, and starts again when it is over; by then it must have ended in order.
    Stop(usize),
    /// All nodes are killed at once, and start again when it is over.
    AllDown,
    /// The same of one node, and its chain's store is gone: no node promises to bear that.
    LostStore(usize),
}

/// A fault, and when it is there.
#[derive(Clone, Copy, Debug)]
pub struct Planned {
    /// Since the simulation began.
    pub at: Duration,
    pub lasts: Duration,
    pub fault: Fault,
}

impl Planned {
    /// When it is over.
    pub fn ends(&self) -> Duration {
        self.at + self.lasts
    }
}

/// Draws by lot.
#[derive(Clone)]
pub struct Lots(Randomness);

impl Lots {
    /// Those of a seed.
    pub fn new(seed: u64) -> Self {
        Self(Randomness::seeded(seed))
    }

    /// What decides pauses.
    pub fn chance(&self) -> Chance {
        self.0.numbers()
    }

    /// A number of a range.
    pub fn draw(&self, range: Range<u64>) -> u64 {
        let bytes = self.0.bytes().expect("a seed's bytes never end");
        range.start + u64::from_le_bytes(bytes) % (range.end - range.start)
    }

    fn node(&self) -> usize {
        usize::try_from(self.draw(0..NODES as u64)).expect("few")
    }

    fn pair(&self) -> (usize, usize) {
        let first = self.node();
        (first, (first + 1 + usize::from(self.draw(0..2) == 1)) % NODES)
    }

    /// Faults until then, about one in four seconds. They overlap.
    pub fn faults(&self, until: Duration) -> Vec<Planned> {
        let mut planned = Vec::new();
        let mut at = Duration::from_millis(self.draw(2_000..5_000));
        while at < until {
            let (first, second) = self.pair();
            let (fault, longest_ms) = match self.draw(0..12) {
                10 => (Fault::AllDown, 2_000),
                11 => (Fault::Stop(first), 0),
                0..4 => (Fault::Crash(first), 6_000),
                4..6 => (Fault::Cut(first), 8_000),
                6..8 => (Fault::OneWay(first, second), 8_000),
                _ => (Fault::Hold(first, second), 8_000),
            };
            let lasts = match fault {
                Fault::Stop(_) => MOST_TO_END,
                _ => Duration::from_millis(self.draw(200..longest_ms)),
            };
            planned.push(Planned { at, lasts, fault });
            at += Duration::from_millis(self.draw(500..7_500));
        }
        planned
    }
}
