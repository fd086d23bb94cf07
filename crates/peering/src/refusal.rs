//! Why a connection is turned away or ended.

use core::fmt;

/// Why a node may not connect, or not stay connected. [`Display`](fmt::Display) gives the sentence that the
/// node is sent.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Refusal {
    /// It has this node's id.
    Itself,
    /// It was dropped for misbehaviour a while ago.
    Banned {
        /// When it may try again, seconds from now.
        seconds: u64,
    },
    /// It has just misbehaved once too often.
    Misbehaved {
        /// How.
        why: String,
    },
    /// There is a connection with it, which stays.
    Connected,
    /// There is another connection with it, which stays instead.
    Replaced,
    /// Its place is needed for a producer.
    PlaceForProducer,
    /// All places are taken.
    Full {
        /// How many there are.
        max_peers: usize,
    },
    /// All places for callers that are no producers are taken.
    FullOfCallers {
        /// How many there are.
        max_callers: usize,
    },
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Itself => f.write_str("this is the node itself, or another process with its key"),
            Self::Banned { seconds } => {
                write!(f, "dropped for misbehaviour, try again in {seconds} s")
            }
            Self::Misbehaved { why } => write!(f, "dropped: {why}"),
            Self::Connected => f.write_str("there is already a connection with this node"),
            Self::Replaced => f.write_str("another connection between these two nodes is kept"),
            Self::PlaceForProducer => f.write_str("a producer needs this place"),
            Self::Full { max_peers } => write!(f, "all {max_peers} places for peers are taken"),
            Self::FullOfCallers { max_callers } => {
                write!(f, "all {max_callers} places for callers that are not producers are taken")
            }
        }
    }
}
