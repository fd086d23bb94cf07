//! Items of the chain service's watch as texts of a stream.

use bytes::Bytes;
use futures::{Stream, StreamExt as _};
use serde::Serialize;
use tonic::Status;
use vision_primitives::Hash;
use vision_wire::chain::WatchTransactionsResponse;
use vision_wire::watch::FollowItem;

use super::sse;
use crate::adapters::Backends;
use crate::views::{PlacedView, to_json};

/// A text, and how far it leads.
#[derive(Clone, Debug)]
pub(super) struct Told {
    /// The cursor to go on from; empty if the text leads no further than what was before.
    pub(super) cursor: String,
    pub(super) text: Bytes,
}

/// What a watch tells after a cursor, of one address or of all, until something of it cannot be shown.
pub(super) fn texts(
    backends: Backends,
    cursor: String,
    address: Option<Hash>,
) -> impl Stream<Item = Told> + Send {
    let items = backends.watch_transactions(cursor, address);
    let teller = Teller { gap: None };
    let told = futures::stream::unfold((Box::pin(items), teller), |(mut items, mut teller)| async {
        let item = items.next().await?;
        let told = teller.tell(item).ok()?;
        Some((futures::stream::iter(told), (items, teller)))
    });
    told.flatten()
}

struct Teller {
    /// Why events were missed, until the next item tells where the stream goes on.
    gap: Option<Status>,
}

impl Teller {
    fn tell(&mut self, item: FollowItem<WatchTransactionsResponse>) -> Result<Option<Told>, Status> {
        match item {
            FollowItem::Lost(_) => Ok(Some(Told { cursor: String::new(), text: sse::away() })),
            FollowItem::Gap(cause) => {
                self.gap = Some(cause);
                Ok(None)
            }
            FollowItem::Event(item) => {
                let mut text = event(&item)?;
                if let Some(cause) = self.gap.take() {
                    text = [sse::gap(&item.cursor, &cause), text].concat().into();
                }
                Ok(Some(Told { cursor: item.cursor, text }))
            }
        }
    }
}

fn event(item: &WatchTransactionsResponse) -> Result<Bytes, Status> {
    #[derive(Serialize)]
    struct Happened<'a> {
        transactions: Vec<PlacedView<'a>>,
    }
    if item.heartbeat {
        return Ok(sse::nothing(&item.cursor));
    }
    let views = item.transactions.iter().map(PlacedView::new);
    let happened = Happened { transactions: views.collect::<Result<_, _>>()? };
    Ok(sse::event("transactions", &item.cursor, &to_json(&happened)))
}
