//! `GET /api/accounts/{address}`.

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};

use super::query::{Params, hash_of};
use super::{Answer, AppState, json, seal};
use crate::views::AccountView;

pub(super) async fn one(
    State(state): State<AppState>,
    path: Result<Path<String>, PathRejection>,
    params: Params,
) -> Answer {
    let with_proof = params.allow(&["proof"])?.flag("proof")?;
    let address = hash_of("address", path)?;
    let backends = &state.backends;
    let (info, account) = tokio::try_join!(backends.chain_info(), backends.account(&address, with_proof))?;
    let seal = seal::of(backends, &info.genesis_hash, Some(&account.header)).await?;
    Ok(json(&AccountView::new(&account, &info.genesis_hash, seal)?))
}
