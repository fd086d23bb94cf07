//! Who submitted or relayed a transaction, and what a caller is answered.

use tokio::sync::oneshot;
use tonic::Status;
use vision_importer::Taken;
use vision_primitives::NodeId;

/// Who submitted or relayed a transaction.
pub(crate) enum Source {
    /// A caller, who waits for the answer.
    Caller(Option<oneshot::Sender<Result<Taken, Status>>>),
    /// A peer, who does not.
    Peer(NodeId),
}

impl Source {
    /// The peer, if it was one.
    pub(crate) const fn peer(&self) -> Option<NodeId> {
        match self {
            Self::Caller(_) => None,
            Self::Peer(peer) => Some(*peer),
        }
    }

    /// Answers a caller, once.
    pub(crate) fn answer(&mut self, answer: Result<Taken, Status>) {
        if let Self::Caller(caller) = self
            && let Some(caller) = caller.take()
        {
            // It may have gone.
            let _ = caller.send(answer);
        }
    }
}
