//! Why a node may not produce, as a code for programs and a sentence for people.

use std::fmt;

/// On which side of the peers' clocks this node's clock stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Direction {
    /// Later than theirs.
    Ahead,
    /// Earlier than theirs.
    Behind,
}

impl Direction {
    const fn words(self) -> &'static str {
        match self {
            Self::Ahead => "ahead of",
            Self::Behind => "behind",
        }
    }
}

/// Why this node may not produce.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum NotEligible {
    /// The clock differs in one direction from more than half of the ready peers, or from the only one.
    ClockSkew {
        /// Which direction.
        direction: Direction,
        /// The median of the differences past the limit, milliseconds.
        by_ms: u64,
        /// Ready peers whose clock differs so.
        peers: u64,
        /// All ready peers.
        ready: u64,
        /// Difference tolerated, milliseconds.
        limit_ms: u64,
    },
    /// The clock differs from more than half of the ready peers, from some in one direction and from some in
    /// the other.
    ClocksApart {
        /// Ready peers whose clock is earlier by more than the limit.
        ahead_of: u64,
        /// Ready peers whose clock is later by more than the limit.
        behind_of: u64,
        /// All ready peers.
        ready: u64,
        /// Difference tolerated, milliseconds.
        limit_ms: u64,
    },
    /// The local head is stamped ahead of this clock: until then no block can be made.
    HeadAhead {
        /// Height of the head.
        height: u64,
        /// How far, milliseconds.
        ahead_ms: u64,
    },
    /// Clocks of ready peers that are not compared yet could show that this one is wrong.
    ClockUnknown {
        /// Ready peers whose clock is not compared.
        unmeasured: u64,
        /// All ready peers.
        ready: u64,
    },
    /// Fewer ready peers than needed.
    TooFewPeers {
        /// Peers that count.
        ready: u64,
        /// Peers needed.
        required: u64,
        /// Peers connected, counted or not.
        connected: u64,
    },
    /// A few blocks behind.
    CatchingUp {
        /// Blocks behind.
        lag: u64,
        /// Height of the local head.
        local_height: u64,
        /// Height it is measured against.
        network_height: u64,
    },
    /// More than `max_desync_blocks` behind.
    Behind {
        /// Blocks behind.
        lag: u64,
        /// Height of the local head.
        local_height: u64,
        /// Height it is measured against.
        network_height: u64,
    },
    /// At the tip, but not for long enough.
    Streak {
        /// Ticks in a row at the tip.
        streak: u64,
        /// Ticks needed.
        required: u64,
    },
    /// Nothing has been measured yet.
    NoTickYet,
    /// The node's own chain service does not answer.
    ChainUnavailable {
        /// What was met.
        why: String,
    },
}

impl NotEligible {
    /// The code, the same in every language and log.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::ClockSkew { .. } | Self::ClocksApart { .. } => "CLOCK_SKEW",
            Self::HeadAhead { .. } => "HEAD_AHEAD",
            Self::ClockUnknown { .. } => "CLOCK_UNKNOWN",
            Self::TooFewPeers { .. } => "TOO_FEW_PEERS",
            Self::CatchingUp { .. } => "CATCHING_UP",
            Self::Behind { .. } => "BEHIND",
            Self::Streak { .. } => "STREAK",
            Self::NoTickYet => "NO_TICK_YET",
            Self::ChainUnavailable { .. } => "CHAIN_UNAVAILABLE",
        }
    }
}

/// What a noun bears after this number.
const fn plural(number: u64) -> &'static str {
    if number == 1 { "" } else { "s" }
}

impl fmt::Display for NotEligible {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.code())?;
        match self {
            Self::ClockSkew { direction, by_ms, peers: 1, ready: 1, limit_ms } => write!(
                f,
                "this clock is {by_ms} ms {} the only ready peer's (limit {limit_ms} ms): one of the two is \
                 wrong, so set both by NTP",
                direction.words()
            ),
            Self::ClockSkew { direction, by_ms, peers, ready, limit_ms } => write!(
                f,
                "this clock is {by_ms} ms {} {peers} of {ready} ready peers (limit {limit_ms} ms): set it by \
                 NTP",
                direction.words()
            ),
            Self::ClocksApart { ahead_of, behind_of, ready, limit_ms } => write!(
                f,
                "this clock is ahead of {ahead_of} and behind {behind_of} of {ready} ready peers (limit \
                 {limit_ms} ms): nobody can know which clock is right, so set all of them by NTP"
            ),
            Self::HeadAhead { height: 0, ahead_ms } => write!(
                f,
                "the genesis begins {} s from now by this clock: wait until then, or set the clock by NTP if \
                 it is wrong",
                ahead_ms.div_ceil(1000)
            ),
            Self::HeadAhead { height, ahead_ms } => write!(
                f,
                "the timestamp of the head, block {height}, is {} s ahead of this clock, and the next block \
                 must be later: set the clock by NTP if it is wrong, otherwise wait",
                ahead_ms.div_ceil(1000)
            ),
            Self::ClockUnknown { unmeasured, ready } => write!(
                f,
                "clock{} of {unmeasured} of {ready} peer{} not compared yet; wait 2 s",
                plural(*unmeasured),
                plural(*ready)
            ),
            Self::TooFewPeers { ready, required, connected } => write!(
                f,
                "{ready} ready peer{} of {connected} connected, {required} needed: start more nodes, or \
                 check [chain] seeds and that their P2P ports can be reached",
                plural(*ready)
            ),
            Self::CatchingUp { lag, local_height, network_height } => write!(
                f,
                "local height {local_height} is {lag} behind the network's {network_height}: wait until it \
                 has caught up"
            ),
            Self::Behind { lag, local_height, network_height } => write!(
                f,
                "local height {local_height} is {lag} behind the network's {network_height}: wait while \
                 blocks are fetched; if the local height stands still, look at the chain service's log"
            ),
            Self::Streak { streak, required } => write!(
                f,
                "at the tip for {streak} tick{} in a row, {required} needed: wait {} more",
                plural(*streak),
                required.saturating_sub(*streak)
            ),
            Self::NoTickYet => f.write_str("the sync-oracle has measured nothing yet: wait a second"),
            Self::ChainUnavailable { why } => {
                write!(f, "the node's own chain service does not answer ({why}): start it, or read its log")
            }
        }
    }
}
