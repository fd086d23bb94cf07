//! One listener: on the shared watch, or on one of its own as long as it is behind that.

use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use futures::{Stream, StreamExt as _};
use vision_primitives::Hash;
use vision_wire::{EventKind, Subscription};

use super::shared::{Feed, Running};
use super::sse;
use super::teller::{Told, texts};
use crate::adapters::Backends;

/// How a listener hears.
enum Way {
    Shared(Subscription<Arc<Told>>),
    Own(Pin<Box<dyn Stream<Item = Told> + Send>>),
}

/// Somebody who hears what happens to transactions.
pub(super) struct Listener {
    backends: Backends,
    /// The shared watch; none for one who listens to an address.
    running: Option<Arc<Running>>,
    way: Way,
    /// How far it has heard.
    cursor: String,
}

impl Listener {
    /// To what concerns an address.
    pub(super) fn of(backends: Backends, cursor: String, address: Hash) -> Self {
        let way = Way::Own(Box::pin(texts(backends.clone(), cursor.clone(), Some(address))));
        Self { backends, running: None, way, cursor }
    }

    /// To all.
    pub(super) fn of_all(backends: Backends, cursor: String, feed: &Feed) -> Self {
        let running = feed.running(&backends);
        let shared = if cursor.is_empty() { running.now() } else { running.after(&cursor) };
        let way = shared.map_or_else(|| own(&backends, &cursor), Way::Shared);
        Self { backends, running: Some(running), way, cursor }
    }

    /// The next text; none at the end: the client comes back by itself.
    pub(super) async fn next(&mut self) -> Option<Bytes> {
        loop {
            match &mut self.way {
                Way::Own(texts) => {
                    let told = texts.next().await?;
                    self.heard(&told);
                    if let Some(shared) = self.running.as_ref().and_then(|all| all.after(&self.cursor)) {
                        self.way = Way::Shared(shared);
                    }
                    return Some(told.text);
                }
                Way::Shared(texts) => match texts.next().await? {
                    // Too slow: what it missed the chain service may still know.
                    Err(_) => self.way = own(&self.backends, &self.cursor),
                    Ok(item) => {
                        self.heard(&item.event);
                        match item.kind {
                            EventKind::New => {
                                return Some(item.event.text.clone()).filter(|text| !text.is_empty());
                            }
                            _ if self.cursor.is_empty() => {}
                            EventKind::Current | EventKind::Heartbeat => {
                                return Some(sse::nothing(&self.cursor));
                            }
                        }
                    }
                },
            }
        }
    }

    fn heard(&mut self, told: &Told) {
        if !told.cursor.is_empty() {
            self.cursor.clone_from(&told.cursor);
        }
    }
}

fn own(backends: &Backends, cursor: &str) -> Way {
    Way::Own(Box::pin(texts(backends.clone(), cursor.to_owned(), None)))
}
