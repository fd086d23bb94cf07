//! Newtypes for the numbers that must not be mixed up.

use std::fmt;

use borsh::{BorshDeserialize, BorshSerialize};

macro_rules! unit {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(
            Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug,
            BorshSerialize, BorshDeserialize, serde::Serialize, serde::Deserialize,
        )]
        #[serde(transparent)]
        pub struct $name(pub u64);

        impl $name {
            /// The plain number.
            #[must_use]
            pub const fn get(self) -> u64 {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }
    };
}

unit! {
    /// Position of a block in the chain; genesis is 0.
    Height
}
unit! {
    /// A production slot of a height: 0 is the primary, 1 … m − 1 its backups, m and up the open tail.
    Slot
}
unit! {
    /// Milliseconds since the Unix epoch.
    TimestampMs
}

impl Height {
    /// Height 0, the genesis block.
    pub const GENESIS: Self = Self(0);

    /// The height above; saturates at the end of the range, which no chain reaches.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    /// How many heights `self` is above `other`, 0 if it is not.
    #[must_use]
    pub const fn above(self, other: Self) -> u64 {
        self.0.saturating_sub(other.0)
    }
}

impl TimestampMs {
    /// The instant `ms` later; saturates.
    #[must_use]
    pub const fn plus_ms(self, ms: u64) -> Self {
        Self(self.0.saturating_add(ms))
    }

    /// Milliseconds from `earlier` to `self`, 0 if `self` is not later.
    #[must_use]
    pub const fn since_ms(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}
