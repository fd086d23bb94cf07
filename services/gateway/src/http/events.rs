//! `GET /api/transactions/events`: what happens to transactions, as server-sent events.
//!
//! An event's id is the cursor of the chain service's watch: a client that comes back with `Last-Event-ID`,
//! as browsers do, misses nothing, or learns so from an event `gap`. All share one watch of the chain
//! service, and each transaction is rendered once, whoever listens.

mod listener;
mod renderer;
mod shared;

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
    let (backends, clock) = (state.backends.clone(), state.clock.clone());
    let listener = Listener::new(backends, clock, cursor, address, &state.transactions);
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
