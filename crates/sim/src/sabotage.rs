//! Rules broken on purpose. Each must be noticed: a simulation that finds nothing proves nothing unless it
//! would have found this.

use serde::{Deserialize, Serialize};

/// A broken rule.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Sabotage {
    /// The signer signs before its promise is on disk, and never writes it.
    ForgetsPromises,
    /// The chain says that a batch is on disk before it is.
    SpeaksBeforeItStores,
    /// Nobody answers questions for blocks.
    AnswersNothing,
    /// Messages of peers wait for the chain's loop without a bound.
    QueuesWithoutBound,
}

impl Sabotage {
    /// All of them.
    pub const ALL: [Self; 4] =
        [Self::ForgetsPromises, Self::SpeaksBeforeItStores, Self::AnswersNothing, Self::QueuesWithoutBound];
}
