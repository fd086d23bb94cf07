//! The body of `/api/mining/status`, kept current by the producer's watch.

use std::sync::{Arc, PoisonError, RwLock};

use bytes::Bytes;
use tonic::Status;
use vision_wire::{Reason, status};

use crate::ports::Neighbour;

/// The answer to `GET /api/mining/status`, ready to send. Cheap to clone; all clones are one.
#[derive(Clone)]
pub(crate) struct MiningStatusBody(Arc<RwLock<Result<Bytes, Status>>>);

impl MiningStatusBody {
    pub(crate) fn starting() -> Self {
        let service = Neighbour::Producer.name();
        let message = format!("{service} has not reported its status yet");
        let cause = status(Reason::DependencyUnavailable, message, &[("service", service.to_owned())]);
        Self(Arc::new(RwLock::new(Err(cause))))
    }

    /// The body, or why there is none.
    pub(crate) fn get(&self) -> Result<Bytes, Status> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn set(&self, body: Result<Bytes, Status>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = body;
    }
}
