//! Rules broken on purpose, for the tests of the simulation. Each must be noticed: a simulation that finds
//! nothing proves nothing unless it would have found this.

use serde::{Deserialize, Serialize};

/// A broken rule.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Sabotage {
    /// The signer signs before its promise is on disk, and never writes it.
    ForgetsPromises,
    /// And it does not look through the chain for what it has signed.
    ForgetsAndDoesNotLook,
    /// The chain says that a batch is on disk before it is.
    SpeaksBeforeItStores,
    /// Transactions that wait are not on disk.
    LosesWaiting,
    /// Accounts that blocks have changed are not on disk.
    LosesChanges,
    /// Every node makes its head final as soon as it is on disk.
    AllFinalizeAtOnce,
    /// The first node does.
    OneFinalizesAtOnce,
    /// Producers are paid more than the genesis says.
    PaysTooMuch,
    /// Nobody answers questions for blocks.
    AnswersNothing,
    /// Nobody asks for blocks that it has missed.
    NeverCatchesUp,
    /// Messages of peers wait for the chain's loop without a bound.
    QueuesWithoutBound,
    /// The first producer misses every other head.
    IsLazy,
}

impl Sabotage {
    /// All of them.
    pub const ALL: [Self; 12] = [
        Self::ForgetsPromises,
        Self::ForgetsAndDoesNotLook,
        Self::SpeaksBeforeItStores,
        Self::LosesWaiting,
        Self::LosesChanges,
        Self::AllFinalizeAtOnce,
        Self::OneFinalizesAtOnce,
        Self::PaysTooMuch,
        Self::AnswersNothing,
        Self::NeverCatchesUp,
        Self::QueuesWithoutBound,
        Self::IsLazy,
    ];
}
