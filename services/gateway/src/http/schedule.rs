//! `GET /api/mining/schedule`: who owns, or owned, which slot.

use axum::Extension;
use axum::extract::State;
use serde::Serialize;
use tonic::Status;
use vision_primitives::ConsensusParams;
use vision_wire::selection::{GetScheduleRequest, ScheduleParams, ScheduledSlot};
use vision_wire::{Reason, parse_hash};

use super::limits::Place;
use super::problem::Problem;
use super::query::{Params, decimal};
use super::{Answer, AppState, json};
use crate::adapters::Backends;
use crate::ports::{BlockId, ChainInfo};

/// Most slots of one answer.
const MAX_SLOTS: usize = 1024;
/// What the longest answer takes while it is made.
const ANSWER_BYTES: usize = 1 << 20;

#[derive(Serialize)]
struct ScheduleView<'a> {
    height: u64,
    parent: &'a str,
    parent_timestamp_ms: u64,
    entropy: &'a str,
    seed: &'a str,
    active: &'a [String],
    registered: &'a [String],
    slots: Vec<SlotView<'a>>,
}

#[derive(Serialize)]
struct SlotView<'a> {
    slot: u64,
    node_id: &'a str,
    opens_at_ms: u64,
    jitter_ms: u64,
    closes_at_ms: u64,
}

impl<'a> From<&'a ScheduledSlot> for SlotView<'a> {
    fn from(slot: &'a ScheduledSlot) -> Self {
        Self {
            slot: slot.slot,
            node_id: &slot.node_id,
            opens_at_ms: slot.opens_at_ms,
            jitter_ms: slot.jitter_ms,
            closes_at_ms: slot.closes_at_ms,
        }
    }
}

pub(super) async fn schedule(
    State(state): State<AppState>,
    Extension(place): Extension<Place>,
    params: Params,
) -> Answer {
    let params = params.allow(&["height", "slots"])?;
    let backends = &state.backends;
    let slots = params.text("slots").map(parse_slots).transpose()?;
    place.reserve(ANSWER_BYTES).await?;
    let (info, parent) = tokio::try_join!(backends.chain_info(), parent(backends, params.height("height")?))?;
    // By hash, so that both speak of one block even if the head moves to another branch in between.
    let hash = parse_hash("hash", &parent.hash)?;
    let pools = backends.producers(Some(BlockId::Hash(hash))).await?;
    let shape = shape(&info);
    let registered: Vec<String> = pools.registered.into_iter().map(|producer| producer.node_id).collect();
    let request = GetScheduleRequest {
        chain_id: info.chain_id.clone(),
        entropy: parent.hash.clone(),
        height: parent.height.saturating_add(1),
        active: pools.active,
        registered,
        slots: slots.unwrap_or_else(|| (0..=shape.backup_slots.unwrap_or_default()).collect()),
        parent_timestamp_ms: parent.timestamp_ms,
        params: Some(shape),
    };
    let answer = backends.schedule(request.clone()).await?;
    Ok(json(&ScheduleView {
        height: request.height,
        parent: &parent.hash,
        parent_timestamp_ms: parent.timestamp_ms,
        entropy: &request.entropy,
        seed: &answer.seed,
        active: &request.active,
        registered: &request.registered,
        slots: answer.slots.iter().map(Into::into).collect(),
    }))
}

struct Parent {
    height: u64,
    hash: String,
    timestamp_ms: u64,
}

/// The block below the height, or the head when no height is given.
async fn parent(backends: &Backends, height: Option<u64>) -> Result<Parent, Status> {
    let Some(height) = height else {
        let head = backends.head().await?;
        return Ok(Parent { height: head.height, hash: head.hash, timestamp_ms: head.timestamp_ms });
    };
    let Some(below) = height.checked_sub(1) else {
        let message = "height: block 0 was not produced in a slot; ask for 1 or more";
        return Err(vision_wire::status(Reason::InvalidHeight, message, &[("field", "height".to_owned())]));
    };
    let block = backends.block_head(BlockId::Height(below)).await?;
    Ok(Parent { height: below, hash: block.hash, timestamp_ms: block.timestamp_ms })
}

/// The chain's own parameters; the defaults are no substitute for one that is missing, but the chain tells all.
fn shape(info: &ChainInfo) -> ScheduleParams {
    let defaults = ConsensusParams::default();
    let value = |name: &str, default: u64| Some(info.params.get(name).copied().unwrap_or(default));
    ScheduleParams {
        block_interval_ms: value("block_interval_ms", defaults.block_interval_ms),
        claim_timeout_ms: value("claim_timeout_ms", defaults.claim_timeout_ms),
        backup_slots: value("backup_slots", defaults.backup_slots),
        jitter_min_ms: value("jitter_min_ms", defaults.jitter_min_ms),
        jitter_max_ms: value("jitter_max_ms", defaults.jitter_max_ms),
    }
}

/// `0,1,2`, `0-20`, or both mixed.
fn parse_slots(text: &str) -> Result<Vec<u64>, Problem> {
    let malformed =
        || Problem::field(Reason::InvalidArgument, "slots", "expected a list such as 0,1,2 or 0-20");
    let mut slots = Vec::new();
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let first: u64 = decimal(first).ok_or_else(malformed)?;
        let last: u64 = decimal(last).ok_or_else(malformed)?;
        if last < first {
            return Err(malformed());
        }
        let room = MAX_SLOTS - slots.len();
        if last - first >= room as u64 {
            let detail = format!("at most {MAX_SLOTS} in one answer");
            let problem = Problem::field(Reason::TooManySlots, "slots", &detail);
            return Err(problem.with("limit", MAX_SLOTS.to_string()));
        }
        slots.extend(first..=last);
    }
    Ok(slots)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slot_lists() {
        let cases: [(&str, Option<Vec<u64>>); 12] = [
            ("0", Some(vec![0])),
            ("0,1,2", Some(vec![0, 1, 2])),
            ("0-3", Some(vec![0, 1, 2, 3])),
            ("7,2-4,0", Some(vec![7, 2, 3, 4, 0])),
            ("0-1023", Some((0..1024).collect())),
            ("18446744073709551615", Some(vec![u64::MAX])),
            ("0-1024", None),
            ("0-1023,5", None),
            ("0-18446744073709551615", None),
            ("3-1", None),
            ("1,,2", None),
            ("-1", None),
        ];
        for (text, expect) in cases {
            assert_eq!(parse_slots(text).ok(), expect, "{text}");
        }
        assert!(parse_slots("").is_err());
    }
}
