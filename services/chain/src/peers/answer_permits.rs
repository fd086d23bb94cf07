//! How many answers to questions for blocks are given at once: to all peers together, and to each.

use std::sync::Arc;

use tokio::sync::Semaphore;

/// Answers read from the store at once for peers that are no registered producers, for all of them together.
const MAX_ANSWERS_TO_STRANGERS: usize = 8;
/// The same for registered producers.
const MAX_ANSWERS_TO_PRODUCERS: usize = 8;
/// Answers given to one peer at once, if it is a registered producer.
const MAX_ANSWERS_OF_PRODUCER: usize = 2;

/// The permits of all peers.
pub(crate) struct AnswerPermits {
    /// For peers that are no registered producers.
    pub strangers: Arc<Semaphore>,
    /// For registered producers.
    pub producers: Arc<Semaphore>,
}

impl Default for AnswerPermits {
    fn default() -> Self {
        Self {
            strangers: Arc::new(Semaphore::new(MAX_ANSWERS_TO_STRANGERS)),
            producers: Arc::new(Semaphore::new(MAX_ANSWERS_TO_PRODUCERS)),
        }
    }
}

/// The turns of one peer.
pub(super) struct AnswerTurns {
    /// While it is no registered producer.
    pub stranger: Arc<Semaphore>,
    /// While it is one.
    pub producer: Arc<Semaphore>,
}

impl Default for AnswerTurns {
    fn default() -> Self {
        Self {
            stranger: Arc::new(Semaphore::new(1)),
            producer: Arc::new(Semaphore::new(MAX_ANSWERS_OF_PRODUCER)),
        }
    }
}
