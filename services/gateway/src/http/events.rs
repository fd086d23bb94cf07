//! `GET /api/transactions/events`: what happens to transactions, as server-sent events.
//!
//! An event's id is the cursor of the chain service's watch: a client that comes back with `Last-Event-ID`, as
//! browsers do, misses nothing. The stream ends when the chain service or the gateway does.

use std::convert::Infallible;
use std::future::ready;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::IntoResponse as _;
use axum::response::sse::{Event, KeepAlive, Sse};
use futures::{Stream, StreamExt as _};
use serde::Serialize;
use tonic::Status;
use vision_primitives::Hash;
use vision_wire::Reason;
use vision_wire::chain::WatchTransactionsResponse;

use super::problem::Problem;
use super::query::{Params, parse_hash};
use super::{Answer, AppState};
use crate::views::PlacedView;

/// The header with the cursor of the last event seen.
const LAST_EVENT_ID: &str = "last-event-id";

pub(super) async fn transactions(
    State(state): State<AppState>,
    headers: HeaderMap,
    params: Params,
) -> Answer {
    let params = params.allow(&["address"])?;
    let address = params.text("address").map(|text| parse_hash("address", text)).transpose()?;
    let cursor = headers.get(LAST_EVENT_ID).map_or(Ok(""), |value| value.to_str());
    let cursor = cursor.map_err(|_| Problem::field(Reason::InvalidCursor, LAST_EVENT_ID, "no cursor"))?;
    let place = state.places.watch()?;
    let open = state.metrics.stream();
    let genesis_hash = state.backends.chain_info().await?.genesis_hash;
    let items = state.backends.watch_transactions(cursor.to_owned(), address).await?;
    let events = events(items, genesis_hash).take_until(state.drain.begun_owned());
    let events = events.map(move |event| {
        let _held = (&place, &open);
        Ok::<_, Infallible>(event)
    });
    Ok(Sse::new(events).keep_alive(KeepAlive::default()).into_response())
}

/// One event per item, until the first failure: a client comes back by itself.
fn events<S>(items: S, genesis_hash: Hash) -> impl Stream<Item = Event> + Send
where
    S: Stream<Item = Result<WatchTransactionsResponse, Status>> + Send,
{
    let told = items.map(move |item| item.and_then(|item| event(&item, &genesis_hash)));
    let told = told.take_while(|event| ready(event.is_ok()));
    told.filter_map(|event| ready(event.ok()))
}

fn event(item: &WatchTransactionsResponse, genesis_hash: &Hash) -> Result<Event, Status> {
    #[derive(Serialize)]
    struct Happened<'a> {
        transactions: Vec<PlacedView<'a>>,
    }
    // An id must be one line.
    let id: String = item.cursor.chars().filter(|c| !c.is_control()).collect();
    let event = Event::default().id(id);
    if item.heartbeat {
        return Ok(event.comment("nothing happened"));
    }
    let views = item.transactions.iter().map(|info| PlacedView::new(info, genesis_hash));
    let happened = Happened { transactions: views.collect::<Result<_, _>>()? };
    let data = serde_json::to_string(&happened).unwrap_or_default();
    Ok(event.event("transactions").data(data))
}
