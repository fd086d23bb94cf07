//! `GET /api/mining/events`: what happens on the node, as server-sent events.

use axum::extract::{Request, State};
use bytes::Bytes;
use futures::StreamExt as _;
use serde::Serialize;
use tonic::Status;
use vision_wire::{Reason, reason_of};

use super::problem::Problem;
use super::query::Params;
use super::{Answer, AppState, sse};
use crate::live::{EventName, Heard, Listener, Live, Wanted, event_text};
use crate::views::to_json;

pub(super) async fn events(State(state): State<AppState>, params: Params, request: Request) -> Answer {
    let params = params.allow(&["events", "cursor"])?;
    let wanted = params.text("events").map_or(Ok(Wanted::ALL), wanted)?;
    let cursor = sse::last_event_id(request.headers()).or(params.text("cursor")).unwrap_or_default();
    let (listener, gap) = listen(&state.live, cursor, wanted)?;
    let Ok(place) = state.limits.stream(request.extensions(), request.headers()) else {
        return Ok(sse::full());
    };
    let open = state.metrics.stream();
    let first = [Some(sse::begin("what happens on this node")), gap.map(|gap| gap_text(&gap))];
    let heard = futures::stream::unfold(Some(listener), |listener| async {
        let mut listener = listener?;
        let heard = listener.next().await?;
        let goes_on = !matches!(heard, Heard::TooSlow);
        Some((text(&heard), goes_on.then_some(listener)))
    });
    let texts = futures::stream::iter(first.into_iter().flatten()).chain(heard);
    let texts = texts.take_until(state.drain.begun_owned());
    Ok(sse::respond(texts.inspect(move |_| {
        let _held = (&place, &open);
    })))
}

/// A list of names of events.
pub(super) fn wanted(text: &str) -> Result<Wanted, Problem> {
    text.parse().map_err(|error: crate::live::NoEvent| {
        Problem::field(Reason::InvalidArgument, "events", &error.to_string())
    })
}

/// Listens after a cursor; if what followed it is not known any more, from now on, and says so.
pub(super) fn listen(
    live: &Live,
    cursor: &str,
    wanted: Wanted,
) -> Result<(Listener, Option<Status>), Status> {
    match live.listen(cursor, wanted) {
        Ok(listener) => Ok((listener, None)),
        Err(cause) => Ok((live.listen("", wanted)?, Some(cause))),
    }
}

fn text(heard: &Heard) -> Bytes {
    match heard {
        Heard::Event { cursor, event } => event.text(cursor),
        Heard::Status { frame, whole: true } => frame.whole.clone(),
        Heard::Status { frame, whole: false } => frame.changes.clone(),
        Heard::Quiet { cursor } => sse::cursor(cursor),
        Heard::TooSlow => gap_text(&too_slow()),
    }
}

fn gap_text(cause: &Status) -> Bytes {
    event_text(EventName::Gap, "", &gap_json(cause))
}

/// Why a listener that does not keep up hears no more.
pub(super) fn too_slow() -> Status {
    let why = "events came faster than they were taken: come back, and look up what was missed";
    vision_wire::status(Reason::SlowReader, why, &[])
}

/// The data of a gap.
pub(super) fn gap_json(cause: &Status) -> Bytes {
    #[derive(Serialize)]
    struct Gap<'a> {
        reason: String,
        detail: &'a str,
    }
    to_json(&Gap { reason: reason_of(cause).unwrap_or_default(), detail: cause.message() })
}
