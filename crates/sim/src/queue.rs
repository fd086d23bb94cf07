//! What is to happen, in the order of time; of one instant, in the order it was planned.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// A second of the queue's time, microseconds.
pub(crate) const SECOND_US: u64 = 1_000_000;

/// Something planned.
#[derive(Debug)]
struct Planned<T> {
    at_us: u64,
    number: u64,
    what: T,
}

impl<T> PartialEq for Planned<T> {
    fn eq(&self, other: &Self) -> bool {
        (self.at_us, self.number) == (other.at_us, other.number)
    }
}

impl<T> Eq for Planned<T> {}

impl<T> PartialOrd for Planned<T> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> Ord for Planned<T> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at_us, self.number).cmp(&(other.at_us, other.number))
    }
}

/// The queue and the time.
#[derive(Debug)]
pub(crate) struct Queue<T> {
    now_us: u64,
    planned: BinaryHeap<Reverse<Planned<T>>>,
    number: u64,
}

impl<T> Queue<T> {
    pub(crate) const fn new() -> Self {
        Self { now_us: 0, planned: BinaryHeap::new(), number: 0 }
    }

    /// Microseconds since the run began.
    pub(crate) const fn now_us(&self) -> u64 {
        self.now_us
    }

    /// Plans something for an instant; what is planned for the past happens now.
    pub(crate) fn at(&mut self, at_us: u64, what: T) {
        self.number += 1;
        let at_us = at_us.max(self.now_us);
        self.planned.push(Reverse(Planned { at_us, number: self.number, what }));
    }

    /// Plans something for so many microseconds from now.
    pub(crate) fn after(&mut self, in_us: u64, what: T) {
        self.at(self.now_us.saturating_add(in_us), what);
    }

    /// The next thing up to an instant, whose time it is then; none if there is none.
    pub(crate) fn next(&mut self, until_us: u64) -> Option<T> {
        if self.planned.peek().is_none_or(|Reverse(next)| next.at_us > until_us) {
            self.now_us = self.now_us.max(until_us);
            return None;
        }
        let Reverse(next) = self.planned.pop()?;
        self.now_us = next.at_us;
        Some(next.what)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_goes_on_in_order_and_what_was_planned_first_for_an_instant_comes_first() {
        let mut queue = Queue::new();
        for (at_us, what) in [(5, 'c'), (3, 'a'), (5, 'd'), (3, 'b'), (9, 'e')] {
            queue.at(at_us, what);
        }
        let mut seen = Vec::new();
        while let Some(what) = queue.next(8) {
            seen.push((queue.now_us(), what));
        }
        assert_eq!(seen, [(3, 'a'), (3, 'b'), (5, 'c'), (5, 'd')]);
        assert_eq!(queue.now_us(), 8);
        queue.at(1, 'f');
        assert_eq!(queue.next(8), Some('f'), "the past is now");
    }
}
