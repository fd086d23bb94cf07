//! `GET /api/transactions/events`: what happens to transactions, as server-sent events.
//!
//! An event's id is the cursor of the chain service's watch: a client that comes back with `Last-Event-ID`, as
//! browsers do, misses nothing, or is told so by an event `gap`. Those who listen to all transactions share one watch
//! of the chain service, and each event is rendered once for all of them.

mod listener;
mod shared;
mod teller;

use axum::extract::{Request, State};
use futures::StreamExt as _;

use super::query::{Params, parse_hash};
use super::{Answer, AppState, sse};
use listener::Listener;
pub(super) use shared::Feed;

pub(super) async fn transactions(State(state): State<AppState>, params: Params, request: Request) -> Answer {
    let params = params.allow(&["address"])?;
    let address = params.text("address").map(|text| parse_hash("address", text)).transpose()?;
    let cursor = sse::last_event_id(request.headers()).unwrap_or_default().to_owned();
    let Ok(place) = state.limits.stream(request.extensions(), request.headers()) else {
        return Ok(sse::full());
    };
    let open = state.metrics.stream();
    let listener = match address {
        Some(address) => Listener::of(state.backends.clone(), cursor, address),
        None => Listener::of_all(state.backends.clone(), cursor, &state.transactions),
    };
    let heard = futures::stream::unfold(listener, |mut listener| async {
        let text = listener.next().await?;
        Some((text, listener))
    });
    let texts = futures::stream::iter([sse::begin("events of transactions")]).chain(heard);
    let texts = sse::kept_alive(texts.take_until(state.drain.begun_owned()));
    Ok(sse::respond(texts.inspect(move |_| {
        let _held = (&place, &open);
    })))
}
