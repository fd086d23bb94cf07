//! `GET /api/mining/events`: what happens on the node, as server-sent events.

use axum::extract::{Request, State};
use bytes::Bytes;
use futures::{Stream, StreamExt as _};
use tonic::Status;
use vision_wire::Reason;

use super::problem::Problem;
use super::query::Params;
use super::{Answer, AppState, sse};
use crate::live::{EventName, Heard, Listener, Wanted, event_text, gap_json};

pub(super) async fn events(State(state): State<AppState>, params: Params, request: Request) -> Answer {
    let params = params.allow(&["events", "cursor"])?;
    let wanted = params.text("events").map_or(Ok(Wanted::ALL), wanted)?;
    let cursor = sse::last_event_id(request.headers()).or(params.text("cursor")).unwrap_or_default();
    let (listener, gap) = state.listen(cursor, wanted)?;
    let Ok(held) = state.stream_place(request.extensions(), request.headers()) else {
        return Ok(sse::full());
    };
    let first = [Some(sse::begin("what happens on this node")), gap.map(|gap| gap_text(&gap))];
    let texts = futures::stream::iter(first.into_iter().flatten()).chain(texts(listener));
    let texts = texts.take_until(state.drain.begun_owned());
    Ok(sse::respond(texts.inspect(move |_| {
        let _held = &held;
    })))
}

/// What a listener hears, until it is too slow.
fn texts(listener: Listener) -> impl Stream<Item = Bytes> + Send {
    futures::stream::unfold(Some(listener), |listener| async {
        let mut listener = listener?;
        let heard = listener.next().await?;
        let goes_on = !matches!(heard, Heard::TooSlow);
        Some((text(&heard), goes_on.then_some(listener)))
    })
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
    let why = "events came faster than they were read: reconnect, and look up what was missed";
    vision_wire::status(Reason::SlowReader, why, &[])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::live::{Happened, Live};

    #[tokio::test]
    async fn a_reader_that_is_too_slow_is_sent_the_reason_and_no_more() {
        let live = Live::new(1, vision_host::Clock::system(0));
        let (listener, _) = live.listen_or_skip("", Wanted::ALL).expect("listens");
        let mut texts = std::pin::pin!(texts(listener));
        assert!(texts.next().await.expect("begins").starts_with(b"id: "));
        // More than are kept.
        for _ in 0..1_000 {
            live.publish(Happened::new(EventName::Block, Bytes::from_static(b"{}")));
        }
        let published = texts.next().await.expect("why");
        let published = std::str::from_utf8(&published).expect("text");
        let data = published.strip_prefix("event: gap\ndata: ").expect("a gap without a cursor");
        let data: serde_json::Value = serde_json::from_str(data.trim_end()).expect("JSON");
        assert_eq!(data["reason"], "SLOW_READER", "{published}");
        assert!(data["detail"].as_str().is_some_and(|detail| detail.contains("reconnect")), "{published}");
        assert!(texts.next().await.is_none());
    }
}
