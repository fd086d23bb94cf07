//! gRPC: the events of `GET /api/mining/events` for programs.

use bytes::Bytes;
use futures::StreamExt as _;
use tonic::{Request, Response, Status};
use vision_wire::gateway::event_service_server::EventService;
use vision_wire::gateway::{WatchEventsRequest, WatchEventsResponse};
use vision_wire::{Reason, ResponseStream, status};

use crate::http::{AppState, too_slow};
use crate::live::{EventName, Heard, Listener, NoEvent, Wanted, gap_json};

/// Largest question for events: a cursor and every name are far less.
pub(crate) const MAX_QUESTION_BYTES: usize = 4 << 10;

/// The gateway's gRPC service.
pub(crate) struct EventRpc(pub(crate) AppState);

#[tonic::async_trait]
impl EventService for EventRpc {
    type WatchEventsStream = ResponseStream<WatchEventsResponse>;

    async fn watch_events(
        &self,
        request: Request<WatchEventsRequest>,
    ) -> Result<Response<Self::WatchEventsStream>, Status> {
        let (metadata, extensions, asked) = request.into_parts();
        let wanted = wanted(&asked.events)?;
        let (listener, gap) = self.0.listen(&asked.cursor, wanted)?;
        let held = self.0.stream_place(&extensions, &metadata.into_headers())?;
        let gap = gap.map(|cause| Ok(message("", EventName::Gap, &gap_json(&cause))));
        let heard = futures::stream::unfold(Some(listener), next);
        let events = futures::stream::iter(gap).chain(heard);
        Ok(Response::new(Box::pin(events.inspect(move |_| {
            let _held = &held;
        }))))
    }
}

fn wanted(names: &[String]) -> Result<Wanted, Status> {
    if names.is_empty() {
        return Ok(Wanted::ALL);
    }
    let names: Result<Vec<EventName>, NoEvent> = names.iter().map(|name| name.parse()).collect();
    names.map(Wanted::only).map_err(|error| {
        status(Reason::InvalidArgument, format!("events: {error}"), &[("field", "events".to_owned())])
    })
}

type Next = (Result<WatchEventsResponse, Status>, Option<Listener>);

async fn next(listener: Option<Listener>) -> Option<Next> {
    let mut listener = listener?;
    Some(match listener.next().await? {
        Heard::Event { cursor, event } => (Ok(message(&cursor, event.name, event.data())), Some(listener)),
        Heard::Status { frame, whole } => {
            (Ok(message("", EventName::Status, &frame.written(whole).json)), Some(listener))
        }
        Heard::Quiet { cursor } => {
            (Ok(WatchEventsResponse { cursor, heartbeat: true, ..Default::default() }), Some(listener))
        }
        Heard::TooSlow => (Err(too_slow()), None),
    })
}

fn message(cursor: &str, name: EventName, data: &Bytes) -> WatchEventsResponse {
    WatchEventsResponse {
        cursor: cursor.to_owned(),
        heartbeat: false,
        event: name.as_str().to_owned(),
        data: String::from_utf8_lossy(data).into_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::live::{Happened, Live, Wanted};

    #[tokio::test]
    async fn a_listener_that_is_too_slow_is_sent_the_reason_and_no_more() {
        let live = Live::new(1, vision_host::Clock::system(0));
        let (listener, _) = live.listen_or_skip("", Wanted::ALL).expect("listens");
        let (first, listener) = next(Some(listener)).await.expect("begins");
        assert!(first.expect("nothing is wrong").heartbeat);
        // More than are kept.
        for _ in 0..1_000 {
            live.publish(Happened::new(EventName::Block, Bytes::from_static(b"{}")));
        }
        let (reported, listener) = next(listener).await.expect("why");
        let why = reported.expect_err("it is too slow");
        assert_eq!(vision_wire::reason_of(&why).as_deref(), Some("SLOW_READER"));
        assert!(listener.is_none() && next(listener).await.is_none());
    }
}
