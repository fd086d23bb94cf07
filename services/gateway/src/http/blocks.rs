//! Blocks, and who produced them.

use axum::Extension;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use serde::Serialize;
use vision_primitives::Hash;
use vision_wire::chain::BlockInfo;

use super::caching::Final;
use super::limits::Admission;
use super::query::{Params, block_id};
use super::{Answer, AppState, json};
use crate::ports::{BlockId, Stretch};
use crate::views::{BlockView, HistoryView};

/// What a block of a list takes while the answer is made: the header, its view and its JSON.
const LISTED_BYTES: usize = 6 << 10;
/// The same for one with only a few fields.
const BRIEF_BYTES: usize = 2 << 10;
/// What one block takes while the answer is made, besides its transactions.
const BLOCK_BYTES: usize = 16 << 10;
/// How many times as much as its bytes a block takes while the answer is made: every byte is shown twice in
/// hex, in a view and in its JSON, beside the names of the fields.
const BLOCK_WEIGHT: usize = 12;

/// Height below which the next page goes on; none if this one is the last.
fn next_before(blocks: &[BlockInfo], limit: u32, lowest: u64) -> Option<u64> {
    let is_full = u32::try_from(blocks.len()).is_ok_and(|len| len >= limit);
    blocks.last().filter(|_| is_full).map(|last| last.height).filter(|height| *height > lowest)
}

/// Ascending from a height, or newest first below one, without transactions.
pub(super) async fn list(
    State(state): State<AppState>,
    Extension(admission): Extension<Admission>,
    params: Params,
) -> Answer {
    #[derive(Serialize)]
    struct Upward<'a> {
        blocks: Vec<BlockView<'a>>,
        /// Where the next page begins; null at the head.
        next_from: Option<u64>,
    }
    #[derive(Serialize)]
    struct Downward<'a> {
        blocks: Vec<BlockView<'a>>,
        /// `before` of the next page; null at block 0.
        next_before: Option<u64>,
    }
    let params = params.allow(&["from", "before", "limit"])?;
    let (stretch, limit) = (params.stretch()?, params.limit()?);
    admission.reserve(limit as usize * LISTED_BYTES).await?;
    let found = state.backends.blocks(stretch, limit).await?;
    let blocks = found.iter().map(Into::into).collect();
    Ok(match stretch {
        Stretch::Before(_) => json(&Downward { blocks, next_before: next_before(&found, limit, 0) }),
        Stretch::From(_) => {
            let is_full = u32::try_from(found.len()).is_ok_and(|len| len >= limit);
            let next_from = found.last().filter(|_| is_full).and_then(|last| last.height.checked_add(1));
            json(&Upward { blocks, next_from })
        }
    })
}

/// One block with its transactions.
pub(super) async fn one(
    State(state): State<AppState>,
    Extension(admission): Extension<Admission>,
    path: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
    params: Params,
) -> Answer {
    params.allow(&[])?;
    let id = block_id(path)?;
    // How large it is must be known before its transactions are in memory.
    let head = state.backends.block_head(id).await?;
    let fixed = if head.finalized { Final::block(&head.hash, id, state.version) } else { None };
    if let Some(unchanged) = fixed.as_ref().and_then(|fixed| fixed.unchanged(&headers)) {
        return Ok(unchanged);
    }
    let show = |block: &BlockInfo| {
        let answer = json(&BlockView::whole(block)?);
        Ok(match &fixed {
            Some(fixed) => fixed.mark(answer),
            None => answer,
        })
    };
    if head.tx_count == 0 {
        return show(&head);
    }
    let size_bytes = usize::try_from(head.size_bytes).unwrap_or(usize::MAX);
    admission.reserve(size_bytes.saturating_mul(BLOCK_WEIGHT).saturating_add(BLOCK_BYTES)).await?;
    // By hash: another block may be at that height by now.
    let hash: Hash = vision_wire::parse_hash("hash", &head.hash)?;
    show(&state.backends.block(BlockId::Hash(hash)).await?)
}

/// The newest blocks, or those below a height, newest first; block 0 has no producer and is left out.
pub(super) async fn history(
    State(state): State<AppState>,
    Extension(admission): Extension<Admission>,
    params: Params,
) -> Answer {
    #[derive(Serialize)]
    struct History<'a> {
        blocks: Vec<HistoryView<'a>>,
        /// `before` of the next page; null at block 1.
        next_before: Option<u64>,
    }
    let params = params.allow(&["before", "limit"])?;
    let (before, limit) = (params.height("before")?.unwrap_or(u64::MAX), params.limit()?);
    admission.reserve(limit as usize * BRIEF_BYTES).await?;
    let found = state.backends.blocks(Stretch::Before(before), limit).await?;
    let next_before = next_before(&found, limit, 1);
    let blocks = found.iter().filter(|block| block.height > 0).map(Into::into).collect();
    Ok(json(&History { blocks, next_before }))
}
