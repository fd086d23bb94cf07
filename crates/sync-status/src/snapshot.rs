//! What a tick found.

use std::fmt;

use vision_primitives::{Height, TimestampMs};

use crate::NotEligible;

/// How this node stands to the network.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SyncState {
    /// Not behind.
    AtTip,
    /// Behind by at most `max_desync_blocks`.
    CatchingUp,
    /// Further behind.
    Behind,
    /// More than `max_desync_blocks` above the network. Shown, but counts as [`SyncState::AtTip`].
    TooFarAhead,
}

impl SyncState {
    /// The name shown to people and in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AtTip => "AtTip",
            Self::CatchingUp => "CatchingUp",
            Self::Behind => "Behind",
            Self::TooFarAhead => "TooFarAhead",
        }
    }

    /// Whether the node is not behind.
    #[must_use]
    pub const fn is_at_tip(self) -> bool {
        matches!(self, Self::AtTip | Self::TooFarAhead)
    }
}

impl fmt::Display for SyncState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What the last tick found, with the local height as it is now.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Snapshot {
    /// Ticks so far; 0 before the first.
    pub tick: u64,
    /// When the tick was.
    pub taken_at_ms: TimestampMs,
    /// Height of the local head now.
    pub local_height: Height,
    /// Height of the network at the tick; the local height if no peer is ready.
    pub network_height: Height,
    /// Blocks behind the height that the network had one tick before.
    pub lag: u64,
    /// The verdict on the heights.
    pub state: SyncState,
    /// Ticks in a row not behind.
    pub streak: u64,
    /// Peers that count.
    pub ready_peers: u64,
    /// Those of them that are registered producers.
    pub ready_producers: u64,
    /// How far the local head was stamped ahead of this node's clock at the tick, milliseconds.
    pub head_ahead_ms: u64,
    /// Whether this node may produce.
    pub eligible: bool,
    /// Why not; `None` exactly when eligible.
    pub because: Option<NotEligible>,
}
