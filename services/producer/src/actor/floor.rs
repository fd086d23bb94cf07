//! Writes of the signing floor, one at a time: a node that fetches what its own key has made sees hundreds of
//! blocks a second, each of which raises it.

use tokio::task::AbortHandle;

use super::Actor;
use crate::ports::Neighbours;

/// What was written and what is to be.
#[derive(Default)]
pub(super) struct FloorWrites {
    /// The last write.
    last: Option<AbortHandle>,
    /// The floor has risen since that one began.
    due: bool,
}

impl FloorWrites {
    /// The floor is higher than when it was written last.
    pub(super) const fn has_risen(&mut self) {
        self.due = true;
    }

    /// Whether the floor was to be written since the start.
    pub(super) const fn ever_rose(&self) -> bool {
        self.due || self.last.is_some()
    }
}

impl<N: Neighbours> Actor<N> {
    /// Begins to write the floor if it has risen and no write of it is under way.
    pub(super) fn save_floor(&mut self) {
        let under_way = self.floor.last.as_ref().is_some_and(|write| !write.is_finished());
        if under_way || !std::mem::take(&mut self.floor.due) {
            return;
        }
        let (executor, write) = (self.executor.clone(), self.write(None, self.machine.guard().floor()));
        let threads = executor.threads;
        self.floor.last = Some(threads.work_in(&mut self.tasks, move || executor.save_floor(write)));
    }
}
