//! The JSON shapes. Field order is part of the shape: people compare it with the document.

mod block;
mod mining;
mod status;
mod transaction;

pub(crate) use block::{BlockView, HistoryView, to_json};
pub(crate) use mining::mining_status_json;
pub(crate) use status::{StatusView, not_eligible_because, stands_still_because};
pub(crate) use transaction::PlacedView;
