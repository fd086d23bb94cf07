//! `GET /api/transactions`: lists of transactions, by sender and by data.

use axum::Extension;
use axum::extract::State;
use serde::Serialize;
use vision_wire::Reason;
use vision_wire::chain::ListTransactionsRequest;

use super::limits::Place;
use super::problem::Problem;
use super::query::{Params, parse_hash};
use super::{Answer, AppState, json};
use crate::views::PlacedView;

/// What a transaction of a list takes while the answer is made, besides its bytes.
const LISTED_BYTES: usize = 3 << 10;
/// Most bytes of a transaction, and of all of a page past the first: what the chain service gives at most.
const LARGEST_BYTES: usize = 66 << 10;
const PAGE_BYTES: usize = 256 << 10;
/// How many times as much as its bytes a transaction takes while the answer is made: data is shown twice in hex, in a
/// view and in its JSON.
const WEIGHT: usize = 12;

pub(super) async fn transactions(
    State(state): State<AppState>,
    Extension(place): Extension<Place>,
    params: Params,
) -> Answer {
    #[derive(Serialize)]
    struct Page<'a> {
        transactions: Vec<PlacedView<'a>>,
        /// Null when there are no more.
        next_page_token: Option<&'a str>,
        up_to_height: u64,
    }
    let params = params.allow(&["sender", "data_prefix", "limit", "page_token"])?;
    let sender = params.text("sender").map(|text| parse_hash("sender", text)).transpose()?;
    let (data_prefix, page_size) = (params.data_prefix()?, params.limit()?);
    if sender.is_none() && data_prefix.is_empty() {
        let detail = "give sender, data_prefix or both";
        return Err(Problem::field(Reason::InvalidArgument, "sender", detail));
    }
    let count = page_size as usize;
    let bytes = (LARGEST_BYTES + PAGE_BYTES).min(count * LARGEST_BYTES);
    place.reserve(bytes * WEIGHT + count * LISTED_BYTES).await?;
    let request = ListTransactionsRequest {
        sender: sender.map(|sender| sender.to_string()).unwrap_or_default(),
        data_prefix,
        page_size,
        page_token: params.text("page_token").unwrap_or_default().to_owned(),
    };
    let page = state.backends.transactions(request).await?;
    let views = page.transactions.iter().map(PlacedView::new);
    Ok(json(&Page {
        transactions: views.collect::<Result<_, _>>()?,
        next_page_token: Some(page.next_page_token.as_str()).filter(|token| !token.is_empty()),
        up_to_height: page.up_to_height,
    }))
}
