//! How much may wait, and what everything is judged on.

use vision_ledger::State;
use vision_primitives::{ConsensusParams, Height, TimestampMs};

/// How far above the account's next nonce a newcomer's may be: below this.
pub const NONCE_WINDOW: u64 = 64;

/// The same for one that is there already, or comes back, when a reorganisation takes the account's nonce
/// back.
pub const RETAINED_WINDOW: u64 = 2 * NONCE_WINDOW;

/// Bounds of a pool. Sync proofs are outside: at most one waits per candidate or suspended producer.
/// What blocks that the head has left give back may take half as much again: it was acknowledged before what
/// came since.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Most transactions.
    pub transactions: usize,
    /// Most bytes of all transactions as signed. Memory is about twice that, and 1 kB per transaction.
    pub bytes: usize,
    /// How long a transaction may wait while the node runs, milliseconds.
    pub lifetime_ms: u64,
}

impl Limits {
    /// The bounds for what comes back.
    pub(crate) const fn with_spare(self) -> Self {
        Self {
            transactions: self.transactions.saturating_add(self.transactions / 2),
            bytes: self.bytes.saturating_add(self.bytes / 2),
            ..self
        }
    }
}

impl Default for Limits {
    /// 20,000 transactions, 16 MiB, one hour.
    fn default() -> Self {
        Self { transactions: 20_000, bytes: 16 << 20, lifetime_ms: 3_600_000 }
    }
}

/// An instant on two clocks. The wall clock may be set, so it only says when; how long is counted by the
/// other.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Moment {
    /// By the wall clock.
    pub wall: TimestampMs,
    /// How long the node had run, milliseconds: never goes back, not at a restart either.
    pub running_ms: u64,
}

impl Moment {
    /// Milliseconds that the node has run since an earlier moment; 0 if that is a later one.
    #[must_use]
    pub const fn since_ms(self, earlier: Self) -> u64 {
        self.running_ms.saturating_sub(earlier.running_ms)
    }
}

/// What transactions are judged on: the chain's head.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// The state after the head.
    pub state: &'a State,
    /// Its height.
    pub head: Height,
    /// The chain's parameters.
    pub params: &'a ConsensusParams,
}
