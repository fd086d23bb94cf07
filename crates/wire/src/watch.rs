//! The client's side of a watch: reconnects, resumes, and says when it is blind.

use std::sync::Arc;
use std::time::Duration;

use futures::{Stream, StreamExt};
use tonic::{Response, Status, Streaming};

use crate::{CALL_DEADLINE, Reason, chain, producer, reason_of, settle, status, sync_oracle};

const BACKOFF_MIN: Duration = Duration::from_millis(50);
const BACKOFF_MAX: Duration = Duration::from_secs(2);
/// Servers send a heartbeat at least every 15 s; after twice that the watch counts as lost.
const MAX_SILENCE: Duration = Duration::from_secs(30);

/// Gives numbers by chance, none of which need be secret.
pub type Chance = Arc<dyn Fn() -> u64 + Send + Sync>;

/// An item of a resuming watch.
#[derive(Clone, Debug)]
pub enum WatchItem<T> {
    /// An event, a repetition of the current state, or a heartbeat: the message says which.
    Event(T),
    /// The watch is blind from here until the next event: reported once, with the first cause. It goes on
    /// trying.
    Lost(Status),
}

/// A message of a watch.
pub trait WatchMessage: Send + 'static {
    /// Cursor to resume from.
    fn cursor(&self) -> &str;
    /// Whether nothing happened.
    fn is_heartbeat(&self) -> bool;
}

impl WatchMessage for chain::WatchHeadResponse {
    fn cursor(&self) -> &str {
        &self.cursor
    }
    fn is_heartbeat(&self) -> bool {
        self.kind() == chain::watch_head_response::Kind::Heartbeat
    }
}

macro_rules! watch_message {
    ($($message:ty),*) => {
        $(impl WatchMessage for $message {
            fn cursor(&self) -> &str {
                &self.cursor
            }
            fn is_heartbeat(&self) -> bool {
                self.heartbeat
            }
        })*
    };
}

watch_message!(
    chain::FollowTransactionsResponse,
    chain::WatchBlocksResponse,
    chain::WatchPeersResponse,
    chain::WatchNodesResponse,
    chain::WatchTransactionsResponse,
    chain::ChainEvent,
    sync_oracle::WatchSnapshotResponse,
    sync_oracle::WatchNetworkHealthResponse,
    producer::WatchMiningStatusResponse
);

/// An item of a watch that says what it missed.
#[derive(Clone, Debug)]
pub enum FollowItem<T> {
    /// As [`WatchItem::Event`].
    Event(T),
    /// The server no longer knows the cursor, for this cause: whatever happened since is missed, and the
    /// watch begins anew.
    Gap(Status),
    /// As [`WatchItem::Lost`].
    Lost(Status),
}

/// Watches for ever. `open` starts the watch from a cursor (empty at first); `service` names the
/// called service in errors; `chance` decides the jitter.
///
/// A lost watch is resumed from the last cursor after 50 ms to 2 s, doubling with jitter. A cursor that the
/// server no longer knows is dropped and the watch begins anew at once. 30 s without an event count as lost.
pub fn resuming<T, Open, Opening>(
    service: &'static str,
    chance: &Chance,
    open: Open,
) -> impl Stream<Item = WatchItem<T>> + Send + use<T, Open, Opening>
where
    T: WatchMessage,
    Open: Fn(String) -> Opening + Send + 'static,
    Opening: Future<Output = Result<Response<Streaming<T>>, Status>> + Send,
{
    resuming_within(service, chance, open, MAX_SILENCE)
}

/// Like [`resuming`], from a cursor (empty: from now on), and says when events were missed.
pub fn following<T, Open, Opening>(
    service: &'static str,
    cursor: String,
    chance: &Chance,
    open: Open,
) -> impl Stream<Item = FollowItem<T>> + Send + use<T, Open, Opening>
where
    T: WatchMessage,
    Open: Fn(String) -> Opening + Send + 'static,
    Opening: Future<Output = Result<Response<Streaming<T>>, Status>> + Send,
{
    Watch::new(service, cursor, Chance::clone(chance), open, MAX_SILENCE).items()
}

fn resuming_within<T, Open, Opening>(
    service: &'static str,
    chance: &Chance,
    open: Open,
    max_silence: Duration,
) -> impl Stream<Item = WatchItem<T>> + Send + use<T, Open, Opening>
where
    T: WatchMessage,
    Open: Fn(String) -> Opening + Send + 'static,
    Opening: Future<Output = Result<Response<Streaming<T>>, Status>> + Send,
{
    let items = Watch::new(service, String::new(), Chance::clone(chance), open, max_silence).items();
    items.filter_map(|item| {
        std::future::ready(match item {
            FollowItem::Event(event) => Some(WatchItem::Event(event)),
            FollowItem::Lost(cause) => Some(WatchItem::Lost(cause)),
            // These watchers want the present state, and it is the next event.
            FollowItem::Gap(_) => None,
        })
    })
}

struct Watch<T, Open> {
    service: &'static str,
    chance: Chance,
    open: Open,
    max_silence: Duration,
    cursor: String,
    events: Option<Streaming<T>>,
    /// Whether the loss has been reported.
    blind: bool,
    backoff: Duration,
    /// To wait before the next attempt to open.
    pause: Duration,
}

impl<T, Open, Opening> Watch<T, Open>
where
    T: WatchMessage,
    Open: Fn(String) -> Opening + Send + 'static,
    Opening: Future<Output = Result<Response<Streaming<T>>, Status>> + Send,
{
    const fn new(
        service: &'static str,
        cursor: String,
        chance: Chance,
        open: Open,
        max_silence: Duration,
    ) -> Self {
        let (events, blind) = (None, false);
        let (backoff, pause) = (BACKOFF_MIN, Duration::ZERO);
        Self { service, chance, open, max_silence, cursor, events, blind, backoff, pause }
    }

    fn items(self) -> impl Stream<Item = FollowItem<T>> + Send {
        futures::stream::unfold(self, |mut watch| async move {
            let item = watch.next().await;
            Some((item, watch))
        })
    }

    async fn next(&mut self) -> FollowItem<T> {
        loop {
            let error = match self.attempt().await {
                Ok(event) => {
                    event.cursor().clone_into(&mut self.cursor);
                    self.blind = false;
                    self.backoff = BACKOFF_MIN;
                    return FollowItem::Event(event);
                }
                Err(error) => error,
            };
            self.events = None;
            let begins_anew = !self.cursor.is_empty() && has_outlived_its_cursor(&error);
            if begins_anew {
                self.cursor.clear();
                return FollowItem::Gap(error);
            }
            self.pause = jittered(self.backoff, (self.chance)());
            self.backoff = (self.backoff * 2).min(BACKOFF_MAX);
            if !self.blind {
                self.blind = true;
                return FollowItem::Lost(settle(self.service, error));
            }
        }
    }

    async fn attempt(&mut self) -> Result<T, Status> {
        if self.events.is_none() {
            tokio::time::sleep(std::mem::take(&mut self.pause)).await;
            let opening = (self.open)(self.cursor.clone());
            let opened = tokio::time::timeout(CALL_DEADLINE, opening).await;
            let response = opened.map_err(|_| self.silent("did not open the watch"))??;
            self.events = Some(response.into_inner());
        }
        let Some(events) = &mut self.events else { return Err(self.silent("has no watch")) };
        match tokio::time::timeout(self.max_silence, events.next()).await {
            Ok(Some(event)) => event,
            Ok(None) => Err(Status::unavailable("the watch ended")),
            Err(_) => Err(self.silent("fell silent")),
        }
    }

    fn silent(&self, how: &str) -> Status {
        let metadata = [("service", self.service.to_owned())];
        status(Reason::DependencyUnavailable, format!("{} {how}", self.service), &metadata)
    }
}

fn has_outlived_its_cursor(error: &Status) -> bool {
    let reason = reason_of(error);
    [Reason::CursorTooOld, Reason::InvalidCursor].iter().any(|r| reason.as_deref() == Some(r.as_str()))
}

/// Between half of the pause and all of it, so that many clients of one server do not return in step.
fn jittered(pause: Duration, random: u64) -> Duration {
    let half = pause / 2;
    half + half.mul_f64((random >> 11) as f64 / (1_u64 << 53) as f64)
}

#[cfg(test)]
mod tests;
