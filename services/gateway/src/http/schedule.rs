//! `GET /api/mining/schedule`: who owns, or owned, which slot.

use axum::Extension;
use axum::extract::State;
use serde::Serialize;
use vision_wire::Reason;
use vision_wire::chain::Slot;

use super::limits::Place;
use super::problem::Problem;
use super::query::{Params, decimal};
use super::{Answer, AppState, json};

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

impl<'a> From<&'a Slot> for SlotView<'a> {
    fn from(slot: &'a Slot) -> Self {
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
    let slots = params.text("slots").map(parse_slots).transpose()?.unwrap_or_default();
    place.reserve(ANSWER_BYTES).await?;
    let answer = state.backends.slots(params.height("height")?, slots).await?;
    Ok(json(&ScheduleView {
        height: answer.height,
        parent: &answer.parent,
        parent_timestamp_ms: answer.parent_timestamp_ms,
        entropy: &answer.entropy,
        seed: &answer.seed,
        active: &answer.active,
        registered: &answer.registered,
        slots: answer.slots.iter().map(Into::into).collect(),
    }))
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
