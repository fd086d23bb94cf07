//! `GET /api/transactions/events`: what happens to transactions, as server-sent events.
//!
//! An event's id is the cursor of the chain service's watch: a client that comes back with `Last-Event-ID`, as
//! browsers do, misses nothing, or is told so by an event `gap`. A browser gives up for good on any answer but 200, so
//! a stream outlasts the chain service, and one that finds no place is ended at once, to be tried again later.

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse as _, Response};
use futures::{Stream, StreamExt as _};
use serde::Serialize;
use tonic::Status;
use vision_primitives::Hash;
use vision_wire::chain::WatchTransactionsResponse;
use vision_wire::reason_of;
use vision_wire::watch::FollowItem;

use super::query::{Params, parse_hash};
use super::{Answer, AppState};
use crate::adapters::Backends;
use crate::views::PlacedView;

/// The header with the cursor of the last event seen.
const LAST_EVENT_ID: &str = "last-event-id";
/// Tells nginx to pass events on at once instead of collecting them.
const UNBUFFERED: (HeaderName, HeaderValue) =
    (HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
/// After this a client whose stream ended comes back.
const RETRY: Duration = Duration::from_secs(1);
/// The same for one that found no place.
const RETRY_WHEN_FULL: Duration = Duration::from_secs(10);
/// A text that is no cursor, and is refused as one.
const NO_CURSOR: &str = "-";

pub(super) async fn transactions(State(state): State<AppState>, params: Params, request: Request) -> Answer {
    let params = params.allow(&["address"])?;
    let address = params.text("address").map(|text| parse_hash("address", text)).transpose()?;
    let cursor = request.headers().get(LAST_EVENT_ID);
    let cursor = cursor.map_or("", |value| value.to_str().unwrap_or(NO_CURSOR)).to_owned();
    let Ok(place) = state.limits.stream(request.extensions(), request.headers()) else {
        let full = Event::default().retry(RETRY_WHEN_FULL).comment("too many streams are open");
        return Ok(respond(futures::stream::iter([full])));
    };
    let open = state.metrics.stream();
    let items = state.backends.watch_transactions(cursor, address);
    let events = events(state.backends.clone(), items).take_until(state.drain.begun_owned());
    Ok(respond(events.inspect(move |_| {
        let _held = (&place, &open);
    })))
}

fn respond(events: impl Stream<Item = Event> + Send + 'static) -> Response {
    let events = Sse::new(events.map(Ok::<_, Infallible>)).keep_alive(KeepAlive::default());
    ([UNBUFFERED], events).into_response()
}

/// The events of a watch, until one of them cannot be shown: the client comes back by itself.
fn events<S>(backends: Backends, items: S) -> impl Stream<Item = Event> + Send
where
    S: Stream<Item = FollowItem<WatchTransactionsResponse>> + Send + 'static,
{
    let begin = Event::default().retry(RETRY).comment("events of transactions");
    let teller = (Box::pin(items), Teller { backends, genesis_hash: None, gap: None });
    let told = futures::stream::unfold(teller, |(mut items, mut teller)| async {
        let item = items.next().await?;
        let events = teller.tell(item).await.ok()?;
        Some((futures::stream::iter(events), (items, teller)))
    });
    futures::stream::iter([begin]).chain(told.flatten())
}

/// Turns items of the watch into events.
struct Teller {
    backends: Backends,
    /// Asked for when it is first needed: the chain service may be away when the stream begins.
    genesis_hash: Option<Hash>,
    /// Why events were missed, until the next item tells where the stream goes on.
    gap: Option<Status>,
}

impl Teller {
    async fn tell(&mut self, item: FollowItem<WatchTransactionsResponse>) -> Result<Vec<Event>, Status> {
        match item {
            FollowItem::Lost(_) => {
                let why = "the chain service is away: the stream goes on when it is back";
                Ok(vec![Event::default().comment(why)])
            }
            FollowItem::Gap(cause) => {
                self.gap = Some(cause);
                Ok(Vec::new())
            }
            FollowItem::Event(item) => {
                let genesis_hash = match self.genesis_hash {
                    Some(hash) => hash,
                    None => *self.genesis_hash.insert(self.backends.chain_info().await?.genesis_hash),
                };
                let missed = self.gap.take().map(|cause| gap(&item, &cause));
                Ok(missed.into_iter().chain([event(&item, &genesis_hash)?]).collect())
            }
        }
    }
}

/// An event with the item's cursor, which is one line.
fn with_cursor(item: &WatchTransactionsResponse) -> Event {
    Event::default().id(item.cursor.chars().filter(|c| !c.is_control()).collect::<String>())
}

/// What happened between the client's cursor and this item is not known here.
fn gap(item: &WatchTransactionsResponse, cause: &Status) -> Event {
    #[derive(Serialize)]
    struct Gap<'a> {
        reason: String,
        detail: &'a str,
    }
    let gap = Gap { reason: reason_of(cause).unwrap_or_default(), detail: cause.message() };
    with_cursor(item).event("gap").data(serde_json::to_string(&gap).unwrap_or_default())
}

fn event(item: &WatchTransactionsResponse, genesis_hash: &Hash) -> Result<Event, Status> {
    #[derive(Serialize)]
    struct Happened<'a> {
        transactions: Vec<PlacedView<'a>>,
    }
    let event = with_cursor(item);
    if item.heartbeat {
        return Ok(event.comment("nothing happened"));
    }
    let views = item.transactions.iter().map(|info| PlacedView::new(info, genesis_hash));
    let happened = Happened { transactions: views.collect::<Result<_, _>>()? };
    let data = serde_json::to_string(&happened).unwrap_or_default();
    Ok(event.event("transactions").data(data))
}
