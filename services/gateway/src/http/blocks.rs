//! Blocks, and who produced them.

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use serde::Serialize;

use super::query::{Params, block_id};
use super::{Answer, AppState, json};
use crate::views::{BlockView, HistoryView};

/// Ascending from a height, without transactions.
pub(super) async fn list(State(state): State<AppState>, params: Params) -> Answer {
    #[derive(Serialize)]
    struct Blocks {
        blocks: Vec<BlockView>,
        /// Where the next page begins; null at the head.
        next_from: Option<u64>,
    }
    let params = params.allow(&["from", "limit"])?;
    let (from, limit) = (params.height("from")?.unwrap_or(0), params.limit()?);
    let (info, blocks) = tokio::try_join!(state.backends.chain_info(), state.backends.blocks(from, limit))?;
    let is_full = u32::try_from(blocks.len()).is_ok_and(|len| len >= limit);
    let next_from = blocks.last().filter(|_| is_full).and_then(|last| last.height.checked_add(1));
    let blocks: Result<Vec<_>, _> = blocks.iter().map(|block| BlockView::new(block, &info)).collect();
    Ok(json(&Blocks { blocks: blocks?, next_from }))
}

/// One block with its transactions.
pub(super) async fn one(
    State(state): State<AppState>,
    path: Result<Path<String>, PathRejection>,
    params: Params,
) -> Answer {
    params.allow(&[])?;
    let id = block_id(path)?;
    let (info, block) = tokio::try_join!(state.backends.chain_info(), state.backends.block(id))?;
    Ok(json(&BlockView::whole(&block, &info)?))
}

/// The newest blocks, newest first; block 0 has no producer and is left out.
pub(super) async fn history(State(state): State<AppState>, params: Params) -> Answer {
    #[derive(Serialize)]
    struct History {
        blocks: Vec<HistoryView>,
    }
    let params = params.allow(&["limit"])?;
    let limit = params.limit()?;
    let head = state.backends.head().await?;
    let from = head.height.saturating_sub(u64::from(limit) - 1).max(1);
    let found = state.backends.blocks(from, limit).await?;
    let blocks: Result<Vec<_>, _> = found.into_iter().rev().map(HistoryView::new).collect();
    Ok(json(&History { blocks: blocks? }))
}
