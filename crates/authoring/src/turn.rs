//! One turn of the machine: an instant, and what is to be done because of it.

use crate::{Event, Now, Op, Output};

/// An answer that has not come after this never will, milliseconds: longer than the deadline of any call.
pub const OP_TIMEOUT_MS: u64 = 15_000;
/// The same for the look through the latest blocks, which takes many calls, milliseconds.
pub const AUDIT_TIMEOUT_MS: u64 = 120_000;

/// Something asked for and not yet answered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Flight {
    pub(crate) op: Op,
    since_ms: u64,
}

impl Flight {
    /// Whether it was asked for longer ago than this.
    pub(crate) fn is_older_than(&self, timeout_ms: u64, now: Now) -> bool {
        now.mono_ms.saturating_sub(self.since_ms) > timeout_ms
    }

    /// Whether its answer is given up.
    pub(crate) fn is_lost(&self, now: Now) -> bool {
        self.is_older_than(OP_TIMEOUT_MS, now)
    }
}

/// Whether this is the answer waited for; it is then waited for no longer.
pub(crate) fn landed(flight: &mut Option<Flight>, op: Op) -> bool {
    flight.take_if(|flight| flight.op == op).is_some()
}

/// What made the machine look at all it knows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Cause {
    /// Time passed.
    Tick,
    /// Something was heard or answered.
    Input,
}

/// The turn that is on. Every part of the machine puts there what it wants done.
pub(crate) struct Turn {
    pub(crate) now: Now,
    pub(crate) cause: Cause,
    last_op: Op,
    out: Vec<Output>,
}

impl Turn {
    /// A turn in which nothing is to be done yet. Numbers of operations follow `last_op`.
    pub(crate) const fn begin(now: Now, cause: Cause, last_op: Op) -> Self {
        Self { now, cause, last_op, out: Vec::new() }
    }

    /// The number given out last, and all there is to do, in order.
    pub(crate) fn end(self) -> (Op, Vec<Output>) {
        (self.last_op, self.out)
    }

    pub(crate) fn push(&mut self, output: Output) {
        self.out.push(output);
    }

    pub(crate) fn log(&mut self, event: Event) {
        self.out.push(Output::Log(event));
    }

    /// A number for something that is asked for now.
    pub(crate) fn take_off(&mut self) -> Flight {
        self.last_op = Op(self.last_op.0 + 1);
        Flight { op: self.last_op, since_ms: self.now.mono_ms }
    }
}
