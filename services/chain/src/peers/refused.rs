//! Why a peer is refused, as it is sent.

use vision_peering::Refusal;
use vision_wire::Reason;

/// Most characters of another side's reason that are shown.
pub(super) const MAX_REASON_CHARS: usize = 120;

/// Why a peer is turned away: a reason that it is sent, and a sentence.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{reason:?}: {detail}")]
pub(crate) struct Refused {
    /// The reason.
    pub reason: Reason,
    /// For people.
    pub detail: String,
}

impl Refused {
    /// Says why.
    pub(crate) fn new(reason: Reason, detail: impl Into<String>) -> Self {
        Self { reason, detail: detail.into() }
    }

    /// As the peer sees it.
    pub(crate) fn status(&self) -> tonic::Status {
        vision_wire::status(self.reason, self.detail.clone(), &[])
    }
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        let reason = match &refusal {
            Refusal::Itself => Reason::SelfConnection,
            Refusal::Banned { .. } | Refusal::Misbehaved { .. } => Reason::PeerBanned,
            Refusal::Connected | Refusal::Replaced => Reason::PeerAlreadyConnected,
            Refusal::PlaceForProducer | Refusal::Full { .. } | Refusal::FullOfCallers { .. } => {
                Reason::TooManyPeers
            }
        };
        Self::new(reason, refusal.to_string())
    }
}
