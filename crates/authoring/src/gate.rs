//! Whether this node may act, as far as its chain service and its oracle report.

use crate::{Blocked, Head, Now};

/// A verdict of the oracle older than this counts no longer, milliseconds: a process that was stopped and
/// goes on must not produce on what it knew before.
pub const SNAPSHOT_FRESH_MS: u64 = 5_000;
/// A clock that was set by more than this since a verdict makes it void, milliseconds: the oracle compares
/// clocks, and has not seen this one yet.
pub const MAX_CLOCK_STEP_MS: u64 = 500;

/// What the chain service said of its head.
#[derive(Clone, Copy, Debug)]
enum Tip {
    /// Nothing yet.
    Unknown,
    /// The head is this.
    Heard(Head),
    /// It was this when the chain service was last to be heard.
    Lost(Head),
}

/// What the oracle said last.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Verdict {
    eligible: bool,
    /// By the clock that never jumps.
    fresh_until_ms: u64,
    /// When it came.
    came: Now,
}

impl Verdict {
    /// Whether the clock was set since it came.
    fn is_of_another_clock(&self, now: Now) -> bool {
        let expected = self.came.wall.plus_ms(now.mono_ms.saturating_sub(self.came.mono_ms));
        now.wall.since_ms(expected).max(expected.since_ms(now.wall)) > MAX_CLOCK_STEP_MS
    }
}

/// The last words of chain service and oracle.
#[derive(Clone, Debug)]
pub(crate) struct Gate {
    tip: Tip,
    verdict: Option<Verdict>,
}

impl Gate {
    pub(crate) const fn new() -> Self {
        Self { tip: Tip::Unknown, verdict: None }
    }

    /// The head last heard.
    pub(crate) const fn head(&self) -> Option<&Head> {
        match &self.tip {
            Tip::Unknown => None,
            Tip::Heard(head) | Tip::Lost(head) => Some(head),
        }
    }

    /// Takes the head; the one before it if that was another block.
    pub(crate) fn head_is(&mut self, head: Head) -> Option<Head> {
        let before = self.head().copied();
        self.tip = Tip::Heard(head);
        before.filter(|before| before.hash != head.hash)
    }

    pub(crate) const fn head_lost(&mut self) {
        if let Tip::Heard(head) = self.tip {
            self.tip = Tip::Lost(head);
        }
    }

    /// Takes the oracle's verdict, which is `age_ms` old.
    pub(crate) fn verdict_is(&mut self, eligible: bool, age_ms: u64, now: Now) {
        let left_ms = SNAPSHOT_FRESH_MS.checked_sub(age_ms);
        self.verdict = left_ms.map(|left_ms| {
            let fresh_until_ms = now.mono_ms.saturating_add(left_ms);
            Verdict { eligible, fresh_until_ms, came: now }
        });
    }

    pub(crate) const fn verdict_lost(&mut self) {
        self.verdict = None;
    }

    /// What keeps this node from acting now; none if nothing does.
    pub(crate) fn blocked(&self, now: Now) -> Option<Blocked> {
        if !matches!(self.tip, Tip::Heard(_)) {
            return Some(Blocked::NoHead);
        }
        match self.verdict {
            Some(verdict) if now.mono_ms > verdict.fresh_until_ms => Some(Blocked::NoSnapshot),
            Some(verdict) if verdict.is_of_another_clock(now) => Some(Blocked::ClockSet),
            Some(Verdict { eligible: true, .. }) => None,
            Some(Verdict { eligible: false, .. }) => Some(Blocked::NotEligible),
            None => Some(Blocked::NoSnapshot),
        }
    }
}
