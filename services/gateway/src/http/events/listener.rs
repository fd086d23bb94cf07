//! One listener: on the shared watch, or on one of its own as long as it is behind that.

use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use futures::{Stream, StreamExt as _};
use tokio::time::{Duration, Instant};
use vision_host::Clock;
use vision_primitives::Hash;
use vision_wire::{EventKind, Subscription};

use super::renderer::{Rendered, texts};
use super::shared::{Feed, Running};
use super::sse;
use crate::adapters::Backends;

/// A listener whose address nothing concerns is sent so often how far it has read.
const SILENCE: Duration = Duration::from_secs(10);

/// The watch that a listener is on.
enum Watch {
    Shared(Subscription<Arc<Rendered>>),
    Own(Pin<Box<dyn Stream<Item = Rendered> + Send>>),
}

/// Somebody who hears what happens to transactions.
pub(super) struct Listener {
    backends: Backends,
    /// The only address it listens to, if it does not listen to all.
    address: Option<Hash>,
    /// The shared watch.
    running: Arc<Running>,
    watch: Watch,
    /// How far it has heard.
    cursor: String,
    /// When it was last sent something.
    spoken: Instant,
    clock: Clock,
}

impl Listener {
    /// To all, or to what concerns an address.
    pub(super) fn new(
        backends: Backends,
        clock: Clock,
        cursor: String,
        address: Option<Hash>,
        feed: &Feed,
    ) -> Self {
        let spoken = clock.instant();
        let running = feed.running(&backends);
        let shared = if cursor.is_empty() { running.now() } else { running.after(&cursor) };
        let watch = shared.map_or_else(|| own(&backends, &cursor, address), Watch::Shared);
        Self { backends, address, running, watch, cursor, spoken, clock }
    }

    /// The next text; none at the end: the client comes back by itself.
    pub(super) async fn next(&mut self) -> Option<Bytes> {
        loop {
            let text = match &mut self.watch {
                Watch::Own(texts) => {
                    let rendered = texts.next().await?;
                    self.heard(&rendered);
                    if let Some(shared) = self.running.after(&self.cursor) {
                        self.watch = Watch::Shared(shared);
                    }
                    Some(rendered.text)
                }
                Watch::Shared(texts) => match texts.next().await? {
                    // Too slow: what it missed the chain service may still know.
                    Err(_) => {
                        self.watch = own(&self.backends, &self.cursor, self.address);
                        None
                    }
                    Ok(item) => {
                        self.heard(&item.event);
                        match item.kind {
                            EventKind::New if item.event.is_end() => return None,
                            EventKind::New => self.of(&item.event),
                            _ if self.cursor.is_empty() => None,
                            EventKind::Current | EventKind::Heartbeat => Some(sse::nothing(&self.cursor)),
                        }
                    }
                },
            };
            if let Some(text) = text {
                self.spoken = self.clock.instant();
                return Some(text);
            }
        }
    }

    /// The text of this listener; none if it has heard something not long ago, and this does not concern it.
    fn of(&self, rendered: &Rendered) -> Option<Bytes> {
        let Some(address) = &self.address else { return Some(rendered.text.clone()) };
        let silent = self.clock.instant() >= self.spoken + SILENCE && !self.cursor.is_empty();
        rendered.of(address).or_else(|| silent.then(|| sse::nothing(&self.cursor)))
    }

    fn heard(&mut self, rendered: &Rendered) {
        if !rendered.cursor.is_empty() {
            self.cursor.clone_from(&rendered.cursor);
        }
    }
}

fn own(backends: &Backends, cursor: &str, address: Option<Hash>) -> Watch {
    Watch::Own(Box::pin(texts(backends.clone(), cursor.to_owned(), address)))
}
