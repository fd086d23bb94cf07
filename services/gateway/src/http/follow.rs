//! `GET /api/chain/transactions/events`: the transactions of the head's chain in their order, as server-sent
//! events.
//!
//! Each client has a watch of the chain service of its own, which reads the store as slowly as the client
//! reads.

use axum::extract::{Request, State};
use bytes::Bytes;
use futures::{Stream, StreamExt as _};
use serde::Serialize;
use tonic::Status;
use vision_wire::chain::follow_transactions_response::What;
use vision_wire::chain::{FollowTransactionsRequest, FollowTransactionsResponse};
use vision_wire::watch::FollowItem;

use super::query::{Params, parse_hash};
use super::{Answer, AppState, sse};
use crate::views::{PlacedView, to_json};

pub(super) async fn transactions(State(state): State<AppState>, params: Params, request: Request) -> Answer {
    let params = params.allow(&["address", "data_prefix", "from"])?;
    let address = params.text("address").map(|text| parse_hash("address", text)).transpose()?;
    let wanted = FollowTransactionsRequest {
        // A browser that comes back has seen more than it asked for at first.
        cursor: sse::last_event_id(request.headers()).or(params.text("from")).unwrap_or_default().to_owned(),
        address: address.map(|address| address.to_string()).unwrap_or_default(),
        data_prefix: params.data_prefix()?,
    };
    let Ok(place) = state.limits.follower(request.extensions(), request.headers()) else {
        return Ok(sse::full());
    };
    let open = state.metrics.stream();
    let items = state.backends.follow_transactions(wanted);
    let events = events(items).take_until(state.drain.begun_owned());
    Ok(sse::respond(sse::kept_alive(events).inspect(move |_| {
        let _held = (&place, &open);
    })))
}

/// The events of a watch, until one of them cannot be shown: the client comes back by itself.
fn events<S>(items: S) -> impl Stream<Item = Bytes> + Send
where
    S: Stream<Item = FollowItem<FollowTransactionsResponse>> + Send + 'static,
{
    let begin = sse::begin("transactions of the chain");
    let renderer = (Box::pin(items), Renderer { gap: None });
    let rendered = futures::stream::unfold(renderer, |(mut items, mut renderer)| async {
        let item = items.next().await?;
        let events = renderer.render(item).ok()?;
        Some((futures::stream::iter(events), (items, renderer)))
    });
    futures::stream::iter([begin]).chain(rendered.flatten())
}

/// Turns items of the watch into events.
struct Renderer {
    /// Why events were missed, until the next item shows where the stream goes on.
    gap: Option<Status>,
}

impl Renderer {
    fn render(&mut self, item: FollowItem<FollowTransactionsResponse>) -> Result<Vec<Bytes>, Status> {
        match item {
            FollowItem::Lost(_) => Ok(vec![sse::away()]),
            FollowItem::Gap(cause) => {
                self.gap = Some(cause);
                Ok(Vec::new())
            }
            FollowItem::Event(item) => {
                let missed = self.gap.take().map(|cause| sse::gap(&item.cursor, &cause));
                Ok(missed.into_iter().chain([event(&item)?]).collect())
            }
        }
    }
}

fn event(item: &FollowTransactionsResponse) -> Result<Bytes, Status> {
    #[derive(Serialize)]
    struct Transaction<'a> {
        cursor: &'a str,
        #[serde(flatten)]
        placed: PlacedView<'a>,
    }
    #[derive(Serialize)]
    struct Undo<'a> {
        cursor: &'a str,
        height: u64,
        block_hash: &'a str,
    }
    #[derive(Serialize)]
    struct CaughtUp<'a> {
        cursor: &'a str,
        height: u64,
    }
    let cursor = item.cursor.as_str();
    let (name, data) = match &item.what {
        None => return Ok(sse::nothing(cursor)),
        Some(What::Transaction(info)) => {
            let placed = PlacedView::new(info)?;
            ("transaction", to_json(&Transaction { cursor, placed }))
        }
        Some(What::Undo(undo)) => {
            let (height, block_hash) = (undo.height, undo.block_hash.as_str());
            ("undo", to_json(&Undo { cursor, height, block_hash }))
        }
        Some(What::CaughtUp(caught_up)) => {
            ("caught_up", to_json(&CaughtUp { cursor, height: caught_up.height }))
        }
    };
    Ok(sse::event(name, cursor, &data))
}
