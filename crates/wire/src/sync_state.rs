//! How the states of sync are written wherever people read them.

use crate::sync_oracle::SyncState;

impl SyncState {
    /// The document's word. A state that nobody reported is shown as the one that promises least.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::AtTip => "AtTip",
            Self::CatchingUp => "CatchingUp",
            Self::TooFarAhead => "TooFarAhead",
            Self::Behind | Self::Unspecified => "Behind",
        }
    }
}
