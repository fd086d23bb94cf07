//! Lists of transactions: by sender and by data, and those that wait.

use axum::Extension;
use axum::extract::State;
use serde::Serialize;
use vision_wire::Reason;
use vision_wire::chain::{ListPendingResponse, ListTransactionsRequest, PendingTransaction};

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
/// What one that waits takes while the answer is made.
const PENDING_BYTES: usize = 2 << 10;

/// `GET /api/transactions`.
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
    let backends = &state.backends;
    let (info, page) = tokio::try_join!(backends.chain_info(), backends.transactions(request))?;
    let views = page.transactions.iter().map(|info_of| PlacedView::new(info_of, &info.genesis_hash));
    Ok(json(&Page {
        transactions: views.collect::<Result<_, _>>()?,
        next_page_token: Some(page.next_page_token.as_str()).filter(|token| !token.is_empty()),
        up_to_height: page.up_to_height,
    }))
}

#[derive(Serialize)]
struct Pending<'a> {
    count: u64,
    bytes: u64,
    /// Null when none waits.
    oldest_since_ms: Option<u64>,
    transactions: Vec<PendingView<'a>>,
}

#[derive(Serialize)]
struct PendingView<'a> {
    hash: &'a str,
    kind: &'a str,
    sender: &'a str,
    since_ms: u64,
    fee: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    to: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    amount: Option<String>,
}

impl<'a> From<&'a PendingTransaction> for PendingView<'a> {
    fn from(pending: &'a PendingTransaction) -> Self {
        Self {
            hash: &pending.hash,
            kind: &pending.kind,
            sender: &pending.sender,
            since_ms: pending.since_ms,
            fee: pending.fee.to_string(),
            data: pending.data.as_ref().map(hex::encode),
            to: pending.to.as_deref(),
            amount: pending.amount.map(|amount| amount.to_string()),
        }
    }
}

/// `GET /api/transactions/pending`.
pub(super) async fn pending(
    State(state): State<AppState>,
    Extension(place): Extension<Place>,
    params: Params,
) -> Answer {
    let limit = params.allow(&["limit"])?.limit()?;
    place.reserve(limit as usize * PENDING_BYTES).await?;
    let ListPendingResponse { count, bytes, oldest_since_ms, transactions } =
        state.backends.pending(limit).await?;
    let transactions = transactions.iter().map(PendingView::from).collect();
    Ok(json(&Pending { count, bytes, oldest_since_ms, transactions }))
}
