//! `GET /api/mining/events`: what happens on the node, as server-sent events.

use axum::extract::{Request, State};
use bytes::Bytes;
use futures::StreamExt as _;
use tonic::Status;
use vision_wire::Reason;

use super::problem::Problem;
use super::query::Params;
use super::{Answer, AppState, sse};
use crate::live::{EventName, Heard, Wanted, event_text, gap_json};

pub(super) async fn events(State(state): State<AppState>, params: Params, request: Request) -> Answer {
    let params = params.allow(&["events", "cursor"])?;
    let wanted = params.text("events").map_or(Ok(Wanted::ALL), wanted)?;
    let cursor = sse::last_event_id(request.headers()).or(params.text("cursor")).unwrap_or_default();
    let (listener, gap) = state.listen(cursor, wanted)?;
    let Ok(held) = state.stream_place(request.extensions(), request.headers()) else {
        return Ok(sse::full());
    };
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
        let _held = &held;
    })))
}

/// A list of names of events.
pub(super) fn wanted(text: &str) -> Result<Wanted, Problem> {
    text.parse().map_err(|error: crate::live::NoEvent| {
        Problem::field(Reason::InvalidArgument, "events", &error.to_string())
    })
}

fn text(heard: &Heard) -> Bytes {
    match heard {
        Heard::Event { cursor, event } => event.text(cursor),
        Heard::Status { frame, whole } => frame.written(*whole).text.clone(),
        Heard::Quiet { cursor } => sse::cursor(cursor),
        Heard::TooSlow => gap_text(&too_slow()),
    }
}

fn gap_text(cause: &Status) -> Bytes {
    event_text(EventName::Gap.as_str(), "", &gap_json(cause))
}

/// Why a listener that does not keep up hears no more.
pub(crate) fn too_slow() -> Status {
    let why = "events came faster than they were taken: come back, and look up what was missed";
    vision_wire::status(Reason::SlowReader, why, &[])
}
