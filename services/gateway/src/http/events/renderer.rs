//! Items of the chain service's watch as texts of a stream.

use std::ops::Range;

use bytes::Bytes;
use futures::{Stream, StreamExt as _};
use tonic::Status;
use vision_primitives::Hash;
use vision_wire::chain::WatchTransactionsResponse;
use vision_wire::watch::FollowItem;

use super::sse;
use crate::adapters::Backends;
use crate::views::{PlacedView, to_json};

/// A text, and how far it leads.
#[derive(Debug, Default)]
pub(super) struct Rendered {
    /// The cursor to go on from; empty if the text leads no further than what was before.
    pub(super) cursor: String,
    /// For those who listen to all.
    pub(super) text: Bytes,
    /// What of the text is for everybody: all before the event.
    lead_bytes: usize,
    transactions: Vec<Transaction>,
}

/// A transaction of an event.
#[derive(Debug)]
struct Transaction {
    sender: Option<Hash>,
    receiver: Option<Hash>,
    /// Where its JSON is in the text.
    json: Range<usize>,
}

impl Rendered {
    fn plain(cursor: String, text: Bytes) -> Self {
        Self { cursor, lead_bytes: text.len(), text, transactions: Vec::new() }
    }

    /// Whether nothing more comes.
    pub(super) fn is_end(&self) -> bool {
        self.text.is_empty()
    }

    /// For one who listens to an address; none if nothing of it concerns that one.
    pub(super) fn of(&self, address: &Hash) -> Option<Bytes> {
        let mut text = self.text[..self.lead_bytes].to_vec();
        let concerned = self.transactions.iter().filter(|transaction| {
            transaction.sender.as_ref() == Some(address) || transaction.receiver.as_ref() == Some(address)
        });
        let shown: Vec<&[u8]> = concerned.map(|transaction| &self.text[transaction.json.clone()]).collect();
        if !shown.is_empty() {
            let data = [b"{\"transactions\":[", &shown.join(&b","[..])[..], b"]}"].concat();
            text.extend_from_slice(&sse::event("transactions", &self.cursor, &data));
        }
        Some(Bytes::from(text)).filter(|text| !text.is_empty())
    }
}

/// What a watch sends after a cursor, of one address or of all, until something of it cannot be shown.
pub(super) fn texts(
    backends: Backends,
    cursor: String,
    address: Option<Hash>,
) -> impl Stream<Item = Rendered> + Send {
    let items = backends.watch_transactions(cursor, address);
    let renderer = Renderer { gap: None };
    let rendered = futures::stream::unfold((Box::pin(items), renderer), |(mut items, mut renderer)| async {
        let item = items.next().await?;
        let rendered = renderer.render(item).ok()?;
        Some((futures::stream::iter(rendered), (items, renderer)))
    });
    rendered.flatten()
}

struct Renderer {
    /// Why events were missed, until the next item shows where the stream goes on.
    gap: Option<Status>,
}

impl Renderer {
    fn render(&mut self, item: FollowItem<WatchTransactionsResponse>) -> Result<Option<Rendered>, Status> {
        match item {
            FollowItem::Lost(_) => Ok(Some(Rendered::plain(String::new(), sse::away()))),
            FollowItem::Gap(cause) => {
                self.gap = Some(cause);
                Ok(None)
            }
            FollowItem::Event(item) => {
                let lead = self.gap.take().map(|cause| sse::gap(&item.cursor, &cause)).unwrap_or_default();
                event(item, lead).map(Some)
            }
        }
    }
}

/// An event behind what is for everybody.
fn event(item: WatchTransactionsResponse, lead: Bytes) -> Result<Rendered, Status> {
    if item.heartbeat {
        let text = [lead, sse::nothing(&item.cursor)].concat().into();
        return Ok(Rendered::plain(item.cursor, text));
    }
    let begin = format!("event: transactions\nid: {}\ndata: {{\"transactions\":[", item.cursor);
    let mut text = [&lead[..], begin.as_bytes()].concat();
    let mut transactions = Vec::with_capacity(item.transactions.len());
    for info in &item.transactions {
        if !transactions.is_empty() {
            text.push(b',');
        }
        let from = text.len();
        text.extend_from_slice(&to_json(&PlacedView::new(info)?));
        let party = |address: &str| address.parse().ok();
        let (sender, receiver) = (party(&info.sender), party(&info.receiver));
        transactions.push(Transaction { sender, receiver, json: from..text.len() });
    }
    text.extend_from_slice(b"]}\n\n");
    Ok(Rendered { cursor: item.cursor, text: text.into(), lead_bytes: lead.len(), transactions })
}
