//! One watch of all transactions for all who listen to them, as long as anybody does.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use futures::StreamExt as _;
use tokio::task::JoinHandle;
use vision_wire::{EventLog, Subscription};

use super::renderer::{Rendered, texts};
use crate::adapters::Backends;

/// Texts kept for listeners that come back or are slow; of a full block one takes some 130 KiB.
const KEPT_TEXTS: usize = 32;

/// The watch, if it runs.
#[derive(Default)]
pub(crate) struct Feed(Mutex<Weak<Running>>);

impl Feed {
    /// The running watch; it ends when the last one who holds it is gone.
    pub(super) fn running(&self, backends: &Backends) -> Arc<Running> {
        let mut running = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(running) = running.upgrade().filter(|running| !running.task.is_finished()) {
            return running;
        }
        let new = Arc::new(Running::start(backends.clone()));
        *running = Arc::downgrade(&new);
        new
    }
}

/// A watch that runs.
pub(super) struct Running {
    log: EventLog<Arc<Rendered>>,
    task: JoinHandle<()>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Running {
    fn start(backends: Backends) -> Self {
        let log = EventLog::new(0, KEPT_TEXTS);
        // What stands for all before; a listener of now begins at the last text, of which there must be one.
        log.publish(Arc::default());
        let feed = log.clone();
        let task = tokio::spawn(async move {
            let mut texts = std::pin::pin!(texts(backends, String::new(), None));
            while let Some(text) = texts.next().await {
                feed.publish(Arc::new(text));
            }
            // Nothing more comes: to every listener an empty text is the end.
            feed.publish(Arc::default());
        });
        Self { log, task }
    }

    /// What is sent from now on.
    pub(super) fn now(&self) -> Option<Subscription<Arc<Rendered>>> {
        self.log.subscribe("").ok()
    }

    /// What is sent after a cursor of the chain service, if that is kept.
    pub(super) fn after(&self, cursor: &str) -> Option<Subscription<Arc<Rendered>>> {
        let mut kept = self.log.recent(KEPT_TEXTS).into_iter();
        // The newest of those that lead there: what only repeats it came behind it.
        let (at, _) = kept.find(|(_, rendered)| !cursor.is_empty() && rendered.cursor == cursor)?;
        self.log.subscribe(&at.to_string()).ok()
    }
}
