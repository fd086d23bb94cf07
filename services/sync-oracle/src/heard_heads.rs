//! What the oracle has heard of the chain's head, for those who judge by it now and then: a second watch of
//! it would cost as much with every block as the first.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::StreamExt as _;
use futures::stream::BoxStream;
use vision_wire::chain::{Head, WatchHeadResponse};
use vision_wire::watch::WatchItem;

use crate::intervals::Intervals;

/// Shared by the oracle, which listens, and those who look. Cheap to clone.
#[derive(Clone)]
pub(crate) struct HeardHeads(Arc<Mutex<Inner>>);

struct Inner {
    /// The newest head, or why none is known.
    head: Result<Head, String>,
    intervals: Intervals,
}

impl HeardHeads {
    /// Nothing heard.
    pub(crate) fn new() -> Self {
        let head = Err("no answer yet".to_owned());
        Self(Arc::new(Mutex::new(Inner { head, intervals: Intervals::default() })))
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Every holder leaves it whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The same stream; what passes is noted.
    pub(crate) fn noting(
        &self,
        heads: BoxStream<'static, WatchItem<WatchHeadResponse>>,
    ) -> BoxStream<'static, WatchItem<WatchHeadResponse>> {
        let heard = self.clone();
        heads.inspect(move |item| heard.note(item)).boxed()
    }

    fn note(&self, item: &WatchItem<WatchHeadResponse>) {
        let mut inner = self.lock();
        match item {
            WatchItem::Event(event) => {
                if let Some(head) = &event.head {
                    inner.intervals.note(head.height, head.timestamp_ms);
                    inner.head = Ok(head.clone());
                }
            }
            WatchItem::Lost(error) => inner.head = Err(error.message().to_owned()),
        }
    }

    /// The newest head, or why none is known; and the median time from block to block, milliseconds.
    pub(crate) fn look(&self) -> (Result<Head, String>, Option<u64>) {
        let inner = self.lock();
        (inner.head.clone(), inner.intervals.median_ms())
    }
}
